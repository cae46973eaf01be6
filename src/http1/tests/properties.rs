//! Properties of arbitrary bytes: no panic, the same verdict for every cut, one meaning.

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::select};

use super::checks;
use crate::http1::{HeadEnd, MAX_HEAD_BYTES, Refused, RequestHead};

/// Pieces that form something like a message more often than random bytes do.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"=",
        b"\"",
        b"\\",
        b"\0",
        b"0",
        b"1",
        b"5",
        b"ffffffffffffffff",
        b"GET ",
        b"POST ",
        b"OPTIONS ",
        b"CONNECT ",
        b"/",
        b"*",
        b"http://a",
        b"?q#f",
        b"a@b",
        b"[::1]:80",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/2.0",
        b"Host: a\r\n",
        b"Host:",
        b"Content-Length: 5\r\n",
        b"Content-Length:",
        b"chunked",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: ",
        b"gzip",
        b"Connection: close\r\n",
        b"Connection: ",
        b"upgrade",
        b"keep-alive",
        b"Upgrade: websocket\r\n",
        b"X-Y: z\r\n",
        b"Expect: 100-continue\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"1;a=b\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HEAD HTTP/1.0 304 OK\r\n",
    ];
    let piece = prop_oneof![
        6 => select(known).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// A well-formed head, for changes of single bytes.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let name = "[A-Za-z-]{1,12}";
    let value = "[ -~]{0,20}";
    (select(vec!["GET", "POST", "x!"]), "/[!-\"$-~]{0,20}", vec((name, value), 0..6)).prop_map(
        |(method, target, fields)| {
            let lines = fields.iter().map(|(name, value)| format!("X{name}: {value}\r\n"));
            let fields: String = lines.collect();
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_the_same_verdict_for_every_cut(bytes in pieces()) {
        checks::request(&bytes);
        checks::stream(&bytes);
        checks::chunks(&bytes);
        checks::answer(&bytes);
        checks::answer_head(&bytes);
    }

    #[test]
    fn heads_by_the_grammar_are_accepted(head in head()) {
        let verdict = checks::request(&head);
        prop_assert!(verdict.contains("for a, keep"), "{verdict}: {}", head.escape_ascii());
    }

    #[test]
    fn a_control_character_is_refused_wherever_it_is(
        head in head(),
        at in any::<prop::sample::Index>(),
        byte in select(vec![0, 1, 8, 11, 12, 13, 0x1f, 0x7f]),
    ) {
        let at = at.index(head.len());
        // The byte is a CR only where no LF follows, and does not replace another CR.
        prop_assume!(byte != b'\r' || !matches!(head[at], b'\r' | b'\n'));
        // A second end follows, because the change may have broken the first.
        let mut changed = [&head[..], b"\r\n\r\n"].concat();
        changed.insert(at, byte);
        let verdict = checks::request(&changed);
        prop_assert!(verdict.starts_with("400 "), "{verdict}: {}", changed.escape_ascii());
    }

    #[test]
    fn readable_parts_are_parts_of_the_bytes_that_were_sent(bytes in pieces()) {
        if let Err(refused) = RequestHead::parse(&bytes) {
            let parts = [refused.method, refused.target, refused.host];
            for part in parts.into_iter().flatten() {
                prop_assert!(bytes.windows(part.len()).any(|window| window == part));
            }
        }
        prop_assert!([400, 414, 431, 505].contains(&Refused::too_large(&bytes).refusal.status));
    }
}

#[test]
fn every_file_of_the_corpus_is_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/http1");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["answers.txt", "chunks.txt", "llhttp.txt", "requests.txt"]);
}

#[test]
fn heads_that_are_too_large_are_431() {
    let fields = |count: usize| "X: y\r\n".repeat(count);
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    assert!(checks::request(&head(&fields(99))).starts_with("GET / "));
    assert!(checks::request(&head(&fields(100))).starts_with("431 "));
    let line = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    let long = |length: usize| head(&format!("X: {}\r\n", "x".repeat(length)));
    assert!(checks::request(&long(MAX_HEAD_BYTES - line)).starts_with("GET / "));
    assert!(checks::request(&long(MAX_HEAD_BYTES - line + 1)).starts_with("431 "));
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length));
    assert!(checks::request(target(MAX_HEAD_BYTES - 100).as_bytes()).starts_with("GET /"));
    assert!(checks::request(target(MAX_HEAD_BYTES - 20).as_bytes()).starts_with("431 "));
    assert!(checks::request(target(MAX_HEAD_BYTES).as_bytes()).starts_with("414 "));
    assert!(checks::request("x".repeat(MAX_HEAD_BYTES + 1).as_bytes()).starts_with("400 "));
    assert!(checks::request(&b"\r\n".repeat(40_000)).starts_with("400 "));
}

#[test]
fn chunks_have_limits() {
    let extension = |length: usize| format!("1;{}\r\nx\r\n", "e".repeat(length));
    assert!(checks::chunks(extension(4_095).as_bytes()).starts_with('"'));
    assert!(checks::chunks(extension(4_096).as_bytes()).starts_with("400 "));
    // All extensions of a body count together.
    assert!(checks::chunks(extension(2_047).repeat(2).as_bytes()).starts_with('"'));
    assert!(checks::chunks(extension(2_048).repeat(2).as_bytes()).starts_with("400 "));
    let trailer = |length: usize| format!("0\r\nX: {}\r\n\r\n", "t".repeat(length));
    let line = "X: \r\n\r\n".len();
    assert!(checks::chunks(trailer(16 * 1024 - line).as_bytes()).starts_with("\"\", X: "));
    assert!(checks::chunks(trailer(16 * 1024 - line + 1).as_bytes()).starts_with("400 "));
    let trailers = |count: usize| format!("0\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert!(checks::chunks(trailers(100).as_bytes()).starts_with("\"\", X: "));
    assert!(checks::chunks(trailers(101).as_bytes()).starts_with("400 "));
}

/// Small pieces are moved together and large ones are not; the data must be the same.
#[test]
fn chunks_of_any_size_come_whole_and_in_order() {
    for sizes in [[1, 8_191, 2], [1, 8_192, 2], [1, 8_193, 2], [9_000, 1, 9_000], [9_000, 9_000, 1]]
    {
        let mut letters = ['a', 'b', 'c'].iter();
        let mut letter = || letters.next().unwrap().to_string();
        let data = sizes.map(|size| letter().repeat(size));
        let chunks = data.iter().map(|data| format!("{:x}\r\n{data}\r\n", data.len()));
        let body = chunks.collect::<String>() + "0\r\n\r\n";
        let verdict = format!("\"{}\", 0 bytes behind", data.concat());
        assert_eq!(checks::chunks(body.as_bytes()), verdict);
    }
}

/// The cost is counted in bytes that are looked at again, because a test does not measure time.
#[test]
fn the_end_of_a_head_is_found_without_looking_twice() {
    let head = [&b"GET / HTTP/1.1\r\n"[..], &b"X: y\r\n".repeat(5_000)].concat();
    let mut end = HeadEnd::default();
    for there in 0..head.len() {
        assert_eq!(end.find(&head[..there]), None);
    }
    // Bytes that were looked at are not looked at again, even if they would be an end by then.
    let mut other = b"\n".repeat(head.len() - 1);
    other.push(b'x');
    assert_eq!(end.find(&other), None);
}
