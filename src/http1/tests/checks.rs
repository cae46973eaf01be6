//! What must be true of any bytes, for the property tests and for the targets in `fuzz/`.

use std::fmt::Write;

use bytes::{Buf, BytesMut};

use crate::http1::{
    Answer, AnswerBody, AnswerEnd, AnswerHead, Body, ChunkedBody, HeadEnd, InvalidAnswer, Known,
    MAX_HEAD_BYTES, Refusal, RequestHead, StatusLine, rules::connection, unfold,
};

/// The reading of a stream of requests that begins with these bytes, in one line of text.
pub(crate) fn request(bytes: &[u8]) -> String {
    let whole = head_in(bytes, bytes.len());
    for piece in [1, 2, 3, 7] {
        let cut = head_in(bytes, piece);
        assert_eq!(whole, cut, "in pieces of {piece}: {}", bytes.escape_ascii());
    }
    whole
}

fn head_in(bytes: &[u8], piece: usize) -> String {
    let mut end = HeadEnd::default();
    let mut there = 0;
    while there < bytes.len() {
        there = (there + piece.max(1)).min(bytes.len());
        if let Some(length) = end.find(&bytes[..there]) {
            assert!(length <= there);
            return head(&bytes[..length]);
        }
        if there > MAX_HEAD_BYTES {
            return head(&bytes[..there]);
        }
    }
    "incomplete".to_owned()
}

fn head(bytes: &[u8]) -> String {
    let head = match RequestHead::parse(bytes) {
        Ok(head) => head,
        Err(refused) => return format!("{} {}", refused.refusal.status, refused.refusal.why),
    };
    survives_writing(&head);
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut line = format!(
        "{} {} {:?} for {}, {}",
        text(head.method),
        text(&head.target.origin_form()),
        head.version,
        head.host.map_or("-".to_owned(), text),
        if head.keeps_alive { "keep" } else { "close" },
    );
    let body = match head.body {
        Body::None => String::new(),
        Body::Length(length) => format!(", {length} bytes"),
        Body::Chunked => ", chunks".to_owned(),
    };
    let nominated: String =
        head.nominated().map(|name| format!(", without {}", text(name))).collect();
    let waits = if head.expects_continue { ", waits for 100" } else { "" };
    let trailers = if head.takes_trailers() { ", takes trailers" } else { "" };
    let tunnel = if head.wants_websocket { ", WebSocket" } else { "" };
    let fields = head.fields.len();
    write!(line, "{body}{waits}{trailers}{tunnel}{nominated}, {fields} fields").unwrap();
    line
}

/// Asserts that a head means the same after it was written in the strictest spelling.
fn survives_writing(head: &RequestHead<'_>) {
    let mut bytes = [head.method, b" ", head.target.sent].concat();
    write!(StrInto(&mut bytes), " {:?}\r\n", head.version).unwrap();
    for field in &head.fields {
        assert!(!field.name.is_empty());
        assert!(!field.value.iter().any(|byte| b"\0\r\n".contains(byte)));
        bytes.extend([field.name, b": ", field.value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    if bytes.len() > MAX_HEAD_BYTES {
        return;
    }
    let again = RequestHead::parse(&bytes).expect("what was taken is taken again");
    assert_eq!(&again, head, "{}", bytes.escape_ascii());
    assert_eq!(HeadEnd::default().find(&bytes), Some(bytes.len()), "{}", bytes.escape_ascii());
}

struct StrInto<'a>(&'a mut Vec<u8>);

impl Write for StrInto<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend(text.as_bytes());
        Ok(())
    }
}

/// The reading of a stream of chunks that begins with these bytes, in one line of text.
pub(crate) fn chunks(bytes: &[u8]) -> String {
    let whole = chunks_in(bytes, bytes.len());
    for piece in [1, 2, 3, 7] {
        let cut = chunks_in(bytes, piece);
        assert_eq!(whole, cut, "in pieces of {piece}: {}", bytes.escape_ascii());
    }
    whole
}

fn chunks_in(bytes: &[u8], piece: usize) -> String {
    let mut body = ChunkedBody::default();
    let mut data = vec![];
    let mut buffer = BytesMut::new();
    for piece in bytes.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match body.take(&mut buffer) {
                Err(refusal) => {
                    let behind = format!(" behind \"{}\"", data.escape_ascii());
                    let behind = if data.is_empty() { "" } else { &behind };
                    return format!("{} {}{behind}", refusal.status, refusal.why);
                }
                Ok(Some(more)) => data.extend(more),
                Ok(None) => break,
            }
        }
    }
    assert!(buffer.is_empty() || body.has_ended());
    let mut line = format!("\"{}\"", data.escape_ascii());
    if body.has_ended() {
        for field in body.trailers() {
            let (name, value) = (field.name.escape_ascii(), field.value.escape_ascii());
            write!(line, ", {name}: {value}").unwrap();
        }
        write!(line, ", {} bytes behind", buffer.remaining()).unwrap();
        // The same body in another spelling has the same data.
        let mut plain = format!("{:X}\r\n", data.len()).into_bytes();
        plain.extend([&data[..], b"\r\n0\r\n\r\n"].concat());
        let plain = if data.is_empty() { b"0\r\n\r\n".to_vec() } else { plain };
        let mut again = ChunkedBody::default();
        let taken = again.take(&mut BytesMut::from(&plain[..])).expect("is a body");
        assert!(again.has_ended());
        assert_eq!(taken.unwrap_or_default(), data);
    } else {
        line += ", incomplete";
    }
    line
}

/// The reading of a stream of requests with their bodies, in one line of text.
pub(crate) fn stream(bytes: &[u8]) -> String {
    let whole = stream_in(bytes, bytes.len());
    for piece in [1, 2, 3, 7] {
        let cut = stream_in(bytes, piece);
        assert_eq!(whole, cut, "in pieces of {piece}: {}", bytes.escape_ascii());
    }
    whole
}

fn stream_in(bytes: &[u8], piece: usize) -> String {
    let mut words = vec![];
    let mut pieces = bytes.chunks(piece.max(1));
    let mut input = BytesMut::new();
    loop {
        match message(&mut input, &mut pieces) {
            Ok((word, keeps_alive)) => {
                words.push(word);
                if !keeps_alive {
                    let ignored = input.len() + pieces.map(<[u8]>::len).sum::<usize>();
                    words.extend((ignored > 0).then(|| format!("{ignored} bytes ignored")));
                    break;
                }
            }
            Err(end) => {
                words.extend(end);
                break;
            }
        }
    }
    words.join(", ")
}

/// The next request of a stream, and whether another may follow; otherwise how the stream ends.
fn message<'a>(
    input: &mut BytesMut,
    pieces: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<(String, bool), Option<String>> {
    let mut more = |input: &mut BytesMut| {
        let piece = pieces.next();
        piece.map(|piece| input.extend_from_slice(piece))
    };
    let refused = |Refusal { status, why }| Some(format!("refused: {status} {why}"));
    let mut end = HeadEnd::default();
    let length = loop {
        if let Some(length) = end.find(input) {
            break length;
        }
        if more(input).is_none() {
            return Err(end.has_begun().then(|| "incomplete".to_owned()));
        }
    };
    let bytes = input.split_to(length);
    let head = RequestHead::parse(&bytes).map_err(|it| refused(it.refusal))?;
    let mut word = format!("{} {}", head.method.escape_ascii(), head.target.sent.escape_ascii());
    let mut data = vec![];
    match head.body {
        Body::None => return Ok((word, head.keeps_alive)),
        Body::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            while input.len() < length {
                more(input).ok_or_else(|| Some(format!("{word}, incomplete")))?;
            }
            data.extend_from_slice(&input.split_to(length));
        }
        Body::Chunked => {
            let mut body = ChunkedBody::default();
            while !body.has_ended() {
                match body.take(input).map_err(refused)? {
                    Some(piece) => data.extend_from_slice(&piece),
                    None if body.has_ended() => {}
                    None => more(input).ok_or_else(|| Some(format!("{word}, incomplete")))?,
                }
            }
        }
    }
    write!(word, " \"{}\"", data.escape_ascii()).unwrap();
    Ok((word, head.keeps_alive))
}

/// The reading of the head of an answer, in one line of text. Its first line is that of an answer,
/// with the method of the request in front if it is not GET.
pub(crate) fn answer(bytes: &[u8]) -> String {
    let (line, fields) = lines(bytes);
    let mut words = line.split(|byte| *byte == b' ').peekable();
    let is_version = |word: &&[u8]| !word.starts_with(b"HTTP/");
    let request_method = words.next_if(is_version).unwrap_or(b"GET");
    let is_old = words.next() == Some(b"HTTP/1.0");
    let status = words.next().and_then(|status| str::from_utf8(status).ok()?.parse().ok());
    let version = if is_old { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
    let line = StatusLine { status: status.unwrap_or(200), version, request_method };
    let answer = match Answer::judge(line, fields.iter().copied()) {
        Ok(answer) => answer,
        Err(InvalidAnswer(why)) => return format!("invalid: {why}"),
    };
    if let AnswerBody::Length(length) = answer.body {
        assert_eq!(answer.content_length, Some(length));
    }
    assert!(!(answer.body == AnswerBody::UntilClose && answer.keeps_alive));
    let length = match answer.content_length {
        Some(length) if answer.is_length_as_received => format!(", length {length}"),
        Some(length) => format!(", length {length} written anew"),
        None if answer.is_length_as_received => String::new(),
        None => ", length dropped".to_owned(),
    };
    let keeps = if answer.keeps_alive { "keep" } else { "close" };
    let without: String = answer
        .hop_by_hop()
        .map(|known| format!(", without {}", known.name().to_ascii_lowercase()))
        .collect();
    let nominates = if answer.nominates { ", and what Connection names" } else { "" };
    format!("{:?}, {keeps}{length}{without}{nominates}", answer.body)
}

/// Any bytes of a backend that begin with the head of an answer.
pub(crate) fn answer_head(bytes: &[u8]) {
    let whole = answer_end(bytes, bytes.len());
    for piece in [1, 2, 3, 7] {
        let cut = answer_end(bytes, piece);
        assert_eq!(whole, cut, "in pieces of {piece}: {}", bytes.escape_ascii());
    }
    let Ok(Some((length, is_folded))) = whole else { return };
    let mut bytes = bytes[..length].to_vec();
    let begins = bytes.trim_ascii_start();
    let line = begins.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
    if is_folded {
        unfold(&mut bytes);
        assert_eq!(answer_end(&bytes, length), Ok(Some((length, false))));
    }
    for method in [&b"GET"[..], b"HEAD"] {
        if let Ok(head) = AnswerHead::parse(&bytes, method) {
            assert!(line.trim_ascii_end().ends_with(head.reason.trim_ascii_end()));
            answer_survives_writing(&head, method);
            forwards_one_framing(&head);
        }
    }
}

/// The length of the head, and whether it is folded.
fn answer_end(bytes: &[u8], piece: usize) -> Result<Option<(usize, bool)>, InvalidAnswer> {
    let mut end = AnswerEnd::default();
    let mut there = 0;
    while there < bytes.len() {
        there = (there + piece.max(1)).min(bytes.len());
        if let Some(length) = end.find(&bytes[..there])? {
            return Ok(Some((length, end.is_folded())));
        }
    }
    Ok(None)
}

/// Asserts that a head means the same after it was written in the strictest spelling.
fn answer_survives_writing(head: &AnswerHead<'_>, request_method: &[u8]) {
    let mut bytes = vec![];
    write!(StrInto(&mut bytes), "{:?} {} ", head.version, head.status).unwrap();
    bytes.extend([head.reason, b"\r\n"].concat());
    for field in &head.fields {
        assert!(!field.name.is_empty());
        assert!(!field.value.iter().any(|byte| b"\0\r\n".contains(byte)));
        bytes.extend([field.name, b": ", field.value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    let again = AnswerHead::parse(&bytes, request_method).expect("what was taken is taken again");
    assert_eq!(&again, head, "{}", bytes.escape_ascii());
    assert_eq!(answer_end(&bytes, bytes.len()), Ok(Some((bytes.len(), false))));
    let line = StatusLine { status: head.status, version: head.version, request_method };
    let fields = head.fields.iter().map(|field| (field.name, field.value));
    assert_eq!(Answer::judge(line, fields), Ok(head.verdict));
}

/// Asserts that nothing goes on that says where the body ends but one plain length, and nothing that
/// belongs to the connection to the backend.
fn forwards_one_framing(head: &AnswerHead<'_>) {
    if head.status == 101 {
        return;
    }
    let forwarded: Vec<_> = head.forwarded(false).collect();
    let of = |known| forwarded.iter().filter(move |field| field.known == Some(known));
    let lengths: Vec<_> = of(Known::ContentLength).map(|field| field.value.to_vec()).collect();
    let verdict = &head.verdict;
    let plain = verdict.content_length.filter(|_| verdict.is_length_as_received);
    let expected: Vec<_> = plain.iter().map(|length| length.to_string().into_bytes()).collect();
    assert_eq!(lengths, expected);
    for known in connection::HOP_BY_HOP {
        assert!(known == Known::Upgrade || of(known).next().is_none(), "{known:?}");
    }
    let options = head.fields.iter().filter(|field| field.known == Some(Known::Connection));
    for name in options.flat_map(|field| connection::nominated(field.value)) {
        let is_named = forwarded.iter().any(|field| field.name.eq_ignore_ascii_case(name));
        assert!(!is_named, "{}", name.escape_ascii());
    }
}

type NameAndValue<'a> = (&'a [u8], &'a [u8]);

/// Returns the first line, and the names and values of the others.
fn lines(bytes: &[u8]) -> (&[u8], Vec<NameAndValue<'_>>) {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
    let first = lines.next().unwrap_or_default();
    let field = |line: &'_ [u8]| line.iter().position(|byte| *byte == b':');
    let fields = lines.filter_map(|line| {
        let colon = field(line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    (first, fields.collect())
}
