//! The head of a request in HTTP/2 or 3 as it goes on, and what is doubtful in it.
//!
//! The backend gets it in HTTP/1, so it is held to the rules of HTTP/1 here. What is malformed in any
//! request was refused before, in HTTP/2 by `field.rs`, `wire/block.rs` and the `h2` crate, and in HTTP/3
//! by `http3`: names with capitals, control characters in values, fields of a connection, pseudo-fields
//! that are unknown, missing or repeated.

use h2::ext::Protocol;
use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts, uri::Scheme};
use pingora::http::RequestHeader;
use pingora_core::Result;

use super::super::{
    link::RequestFacts,
    receive::{self, LOOP, NO_CONNECT},
    replay::REPLAYED,
};
use crate::count;
use crate::headers;
use crate::http1::{
    Authority, Fields, Known, MAX_FIELDS, Refusal, Target, TargetForm,
    rules::{
        connection::{is_for_proxy, takes_trailers},
        framing,
    },
};

/// What a head says, if nothing in it is doubtful.
#[derive(Debug, PartialEq, Eq)]
struct Statements<'a> {
    host: &'a [u8],
    length: Option<u64>,
    expects_continue: bool,
    wants_tunnel: bool,
}

/// Reads a header of this protocol. `body` is how much of the body has come; `None` if there is no body.
/// With a `refusal` it is not judged.
///
/// # Errors
///
/// Pingora's error if it cannot create a header; not known to happen.
pub(in super::super) fn read(
    protocol: count::Protocol,
    head: &Parts,
    body: Option<u64>,
    refusal: Option<Refusal>,
) -> Result<(RequestHeader, RequestFacts, Fields)> {
    let said = refusal.map_or_else(|| judge(head), Err);
    let wants_tunnel = said.as_ref().is_ok_and(|said| said.wants_tunnel);
    let facts = RequestFacts {
        refusal: said.as_ref().err().copied(),
        protocol,
        is_body_at_hand: match (body, &said) {
            (None, _) | (_, Ok(Statements { wants_tunnel: true, .. })) => true,
            (Some(received), Ok(Statements { length: Some(length), .. })) => {
                *length <= received.min(REPLAYED as u64)
            }
            (Some(_), _) => false,
        },
        length: said.as_ref().ok().and_then(|said| said.length),
        expects_continue: said.as_ref().is_ok_and(|said| said.expects_continue),
        asks_for_trailers: head
            .headers
            .get_all(header::TE)
            .iter()
            .any(|te| takes_trailers(te.as_bytes())),
        takes_trailers: true,
        wants_tunnel,
    };
    let (host, length) = match said {
        Ok(said) => (Some(said.host), said.length),
        // The log names it.
        Err(_) => (host(head).ok(), None),
    };
    let mut fields = fields(head, host, length);
    if body.is_none() && !fields.has(Known::ContentLength) && means_content(&head.method) {
        // In HTTP/1 its absence would be a mistake to some backends (RFC 9110 section 8.6).
        fields.add(Known::ContentLength, b"0");
    }
    if wants_tunnel {
        let mut header = receive::request(Method::GET, target(head))?;
        ask_for_tunnel(&mut header, &mut fields)?;
        return Ok((header, facts, fields));
    }
    let mut header = receive::request(head.method.clone(), target(head))?;
    // Pingora knows no later version for a session of its user's.
    header.set_version(Version::HTTP_2);
    Ok((header, facts, fields))
}

/// Makes the request one of HTTP/1 that asks for the same (RFC 8441 section 5, RFC 6455 section 4.1).
fn ask_for_tunnel(header: &mut RequestHeader, fields: &mut Fields) -> Result<()> {
    // Pingora looks for these alone.
    header.set_version(Version::HTTP_11);
    header.append_header(header::UPGRADE, "websocket")?;
    fields.add(Known::Connection, b"Upgrade");
    fields.add(Known::Upgrade, b"websocket");
    fields.replace(Known::SecWebSocketKey, websocket_key().as_bytes());
    Ok(())
}

/// 16 random bytes in Base64: a client of HTTP/2 has none. Nothing depends on it but that the backend
/// speaks WebSocket.
fn websocket_key() -> String {
    // The last letter has four bits that belong to no byte.
    let last = ["A==", "Q==", "g==", "w=="];
    let letters = std::iter::repeat_with(fastrand::alphanumeric).take(21);
    letters.collect::<String>() + last[fastrand::usize(..last.len())]
}

fn judge(head: &Parts) -> Result<Statements<'_>, Refusal> {
    let wants_tunnel = wants_tunnel(head)?;
    let method = if wants_tunnel { Method::GET.as_str() } else { head.method.as_str() };
    let target = Target::parse(method.as_bytes(), target(head))?;
    if !matches!(target.form, TargetForm::Origin | TargetForm::Asterisk) {
        return Err(Refusal::bad("the path must begin with a slash"));
    }
    let is_http = |scheme: &str| ["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it));
    if !head.uri.scheme_str().is_none_or(is_http) {
        return Err(Refusal::bad("the scheme must be http or https"));
    }
    let passed = head.headers.get_all(Known::CdnLoop.name()).iter();
    if headers::is_loop(passed.map(HeaderValue::as_bytes)) {
        return Err(LOOP);
    }
    let crumbs = head.headers.get_all(header::COOKIE).iter().count();
    if head.headers.len() - crumbs.saturating_sub(1) > MAX_FIELDS {
        return Err(Refusal { status: 431, why: "the request has more than 100 fields" });
    }
    let has_blanks = |value: &HeaderValue| {
        let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
    };
    if head.headers.values().any(has_blanks) {
        return Err(Refusal::bad("the value of a field has a blank at its start or end"));
    }
    let length = match one(&head.headers, header::CONTENT_LENGTH)? {
        None => None,
        // It has no content (RFC 9110 section 9.3.6), but its backend, which gets a GET, would wait for it.
        Some(_) if wants_tunnel => {
            return Err(Refusal::bad("CONNECT must not have a Content-Length"));
        }
        Some(value) => {
            let length = framing::content_length(value.as_bytes());
            Some(length.ok_or(Refusal::bad("Content-Length must be a number"))?)
        }
    };
    let expects = head.headers.get(header::EXPECT);
    Ok(Statements {
        host: host(head)?,
        length,
        expects_continue: expects
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
            && length != Some(0)
            && !wants_tunnel,
        wants_tunnel,
    })
}

/// Whether the method gives a meaning to content.
fn means_content(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// Whether it asks for a WebSocket (RFC 8441 section 4).
fn wants_tunnel(head: &Parts) -> Result<bool, Refusal> {
    if head.method != Method::CONNECT {
        return Ok(false);
    }
    match head.extensions.get::<Protocol>() {
        None => Err(NO_CONNECT),
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => Ok(true),
        Some(_) => Err(Refusal { status: 501, why: "CONNECT is for WebSocket alone" }),
    }
}

/// The authority that the request is for: `:authority` or `Host`, which must not differ.
fn host(head: &Parts) -> Result<&[u8], Refusal> {
    let field = one(&head.headers, header::HOST)?.map(HeaderValue::as_bytes);
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = match (authority, field) {
        (Some(authority), Some(field)) if !are_same(authority, field, head.uri.scheme()) => {
            return Err(Refusal::bad("Host and :authority differ"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(Refusal::bad("a request must have an :authority or a Host")),
    };
    match Authority::parse(host) {
        Some(_) => Ok(host),
        None => Err(Refusal::bad("the :authority or Host is malformed")),
    }
}

/// Whether two authorities differ in what has no meaning alone: letter case, and a port that the scheme
/// implies (RFC 9113 section 8.3.1, RFC 3986 section 6.2.3).
fn are_same(one: &[u8], other: &[u8], scheme: Option<&Scheme>) -> bool {
    let port: &[u8] = if scheme == Some(&Scheme::HTTPS) { b":443" } else { b":80" };
    let shortened = |authority: &[u8]| {
        let shorter = authority.strip_suffix(port).or_else(|| authority.strip_suffix(b":"));
        shorter.map_or(authority.len(), <[u8]>::len)
    };
    one[..shortened(one)].eq_ignore_ascii_case(&other[..shortened(other)])
}

fn one(fields: &HeaderMap, name: header::HeaderName) -> Result<Option<&HeaderValue>, Refusal> {
    let mut values = fields.get_all(&name).iter();
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) if name == header::HOST => Err(Refusal::bad("Host must not be repeated")),
        Some(_) => Err(Refusal::bad("Content-Length must not be repeated")),
    }
}

fn target(head: &Parts) -> &[u8] {
    head.uri.path_and_query().map_or("", |target| target.as_str()).as_bytes()
}

/// The fields that go on to a backend. `host` is the host that the request is for, and `length` that of its body.
fn fields(head: &Parts, host: Option<&[u8]>, length: Option<u64>) -> Fields {
    let mut fields = Fields::with_room();
    if let Some(host) = host {
        fields.add(Known::Host, host);
    }
    let has_length = head.headers.contains_key(header::CONTENT_LENGTH);
    for (name, value) in &head.headers {
        // The backend's session says itself what this connection can do with trailers, and sends them
        // in a body in chunks alone.
        let goes_on = match Known::of(name.as_str().as_bytes()) {
            _ if *name == header::HOST || *name == header::COOKIE => false,
            Some(Known::Trailer) => !has_length,
            Some(known) => !is_for_proxy(known),
            None => true,
        };
        match length {
            _ if !goes_on => {}
            Some(length)
                if *name == header::CONTENT_LENGTH && value.as_bytes().starts_with(b"0") =>
            {
                fields.append(b"content-length", length.to_string().as_bytes());
            }
            _ => fields.append(name.as_str().as_bytes(), value.as_bytes()),
        }
    }
    if let Some(cookie) = cookie(&head.headers) {
        fields.append(b"cookie", &cookie);
    }
    fields
}

/// Joins the `Cookie` fields into one. HTTP/2 clients may split a cookie over several fields, which
/// HTTP/1 does not allow (RFC 9113 section 8.2.3).
fn cookie(fields: &HeaderMap) -> Option<Vec<u8>> {
    let crumbs = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let crumbs = crumbs.collect::<Vec<_>>();
    (!crumbs.is_empty()).then(|| crumbs.join(&b"; "[..]))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const HTTP2: count::Protocol = count::Protocol::Http2;

    fn head(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[track_caller]
    fn why(method: &str, uri: &str, fields: &[(&str, &str)]) -> (u16, &'static str) {
        let Refusal { status, why } = judge(&head(method, uri, fields)).unwrap_err();
        (status, why)
    }

    #[test]
    fn host_comes_from_the_authority_and_must_not_differ_from_it() {
        let host = |uri: &str, fields: &[(&str, &str)]| {
            let (_, facts, fields) = read(HTTP2, &head("GET", uri, fields), None, None).unwrap();
            assert!(facts.refusal.is_none(), "{facts:?}");
            let hosts = fields.all(Known::Host);
            hosts.map(|host| String::from_utf8_lossy(host).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(host("http://a.b:80/x", &[]), ["a.b:80"]);
        assert_eq!(host("http://a.b/", &[("host", "A.b")]), ["a.b"]);
        assert_eq!(host("/", &[("host", "c")]), ["c"]);
        let differ = (400, "Host and :authority differ");
        assert_eq!(why("GET", "http://a/", &[("host", "b")]), differ);
        assert_eq!(host("http://a.b/", &[("host", "A.b:80")]), ["a.b"]);
        assert_eq!(host("http://a.b:80/", &[("host", "a.b:")]), ["a.b:80"]);
        assert_eq!(host("https://[::1]/", &[("host", "[::1]:443")]), ["[::1]"]);
        for (uri, host) in [
            ("http://a/", "a:443"),
            ("https://a/", "a:80"),
            ("http://a:8080/", "a"),
            ("http://a/", "a:080"),
        ] {
            assert_eq!(why("GET", uri, &[("host", host)]), differ);
        }
        assert_eq!(why("GET", "http://a/", &[("host", "a"), ("host", "a")]).0, 400);
        assert_eq!(why("GET", "/", &[]).0, 400);
        assert_eq!(why("GET", "http://u@a/", &[]).0, 400);
        assert_eq!(why("GET", "/", &[("host", "a/b")]).0, 400);
    }

    #[test]
    fn split_cookies_are_joined_and_all_other_fields_are_kept() {
        let fields =
            [("cookie", "a=1"), ("x-one", "1"), ("cookie", "b=2"), ("x-one", "2"), ("host", "h")];
        let (header, _, fields) = read(HTTP2, &head("GET", "/p?q", &fields), None, None).unwrap();
        let all = |name: &str| fields.named(name.as_bytes()).collect::<Vec<_>>();
        assert_eq!(all("cookie"), [b"a=1; b=2"]);
        assert_eq!(all("x-one"), [b"1", b"2"]);
        assert_eq!((header.raw_path(), header.version), (&b"/p?q"[..], Version::HTTP_2));
    }

    #[test]
    fn a_request_whose_method_means_content_says_that_it_has_none() {
        for (method, fields, body, expected) in [
            ("POST", &[][..], None, &["0"][..]),
            ("PUT", &[], None, &["0"]),
            ("PATCH", &[("content-length", "0")], None, &["0"]),
            ("POST", &[], Some(0), &[]),
            ("POST", &[("content-length", "1")], Some(0), &["1"]),
            ("GET", &[], None, &[]),
            ("DELETE", &[], None, &[]),
        ] {
            let (_, _, sent) = read(HTTP2, &head(method, "http://a/", fields), body, None).unwrap();
            let lengths: Vec<_> = sent.all(Known::ContentLength).collect();
            let expected: Vec<_> = expected.iter().map(|it| it.as_bytes()).collect();
            assert_eq!(lengths, expected, "{method} {fields:?} {body:?}");
        }
    }

    #[test]
    fn doubtful_fields_are_refused() {
        let of = |fields| why("POST", "http://a/", fields);
        assert_eq!(of(&[("content-length", "1"), ("content-length", "1")]).0, 400);
        assert_eq!(of(&[("content-length", "+1")]).0, 400);
        assert_eq!(why("CONNECT", "a:80", &[]), (405, NO_CONNECT.why));
        assert_eq!(why("GET", "ftp://a/", &[]).0, 400);
        assert_eq!(why("GET", "*", &[("host", "a")]).0, 400);
        let mut many = head("GET", "http://a/", &[]);
        for number in 0..=MAX_FIELDS {
            many.headers.append(header::COOKIE, HeaderValue::from(number));
        }
        assert!(judge(&many).is_ok(), "crumbs are one field");
        for number in 0..MAX_FIELDS {
            many.headers.append(header::ACCEPT, HeaderValue::from(number));
        }
        assert_eq!(judge(&many).unwrap_err().status, 431);
        let mut blank = head("GET", "http://a/", &[]);
        blank.headers.insert("x", HeaderValue::from_bytes(b" y").unwrap());
        assert_eq!(judge(&blank).unwrap_err().status, 400);
    }

    #[test]
    fn a_tunnel_has_no_content_to_announce_or_to_wait_for() {
        let connect = |fields: &[(&str, &str)]| {
            let mut head = head("CONNECT", "http://a/", fields);
            head.extensions.insert(Protocol::from_static("websocket"));
            head
        };
        for length in ["0", "5", "x"] {
            let head = connect(&[("content-length", length)]);
            assert_eq!(judge(&head).unwrap_err().status, 400, "{length}");
        }
        let head = connect(&[("expect", "100-continue")]);
        let said = judge(&head).unwrap();
        assert!(said.wants_tunnel && !said.expects_continue);
    }

    #[test]
    fn a_body_is_at_hand_when_all_of_it_has_come() {
        let facts = |fields: &[(&str, &str)], body| {
            read(HTTP2, &head("POST", "http://a/", fields), body, None).unwrap().1
        };
        assert!(facts(&[], None).is_body_at_hand);
        assert!(!facts(&[], Some(5)).is_body_at_hand);
        assert!(facts(&[("content-length", "5")], Some(5)).is_body_at_hand);
        assert!(!facts(&[("content-length", "6")], Some(5)).is_body_at_hand);
        let large = [("content-length", "70000")];
        assert!(!facts(&large, Some(70_000)).is_body_at_hand, "it could not be sent again");
        let waits = [("content-length", "6"), ("expect", "100-continue")];
        assert!(facts(&waits, Some(0)).expects_continue);
    }
}
