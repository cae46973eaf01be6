//! What must be true of any fields that say where a request comes from, for the tests and for the target
//! in `fuzz/`.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;

use crate::headers::{ADMIN_COOKIE, Client, RequestId, TraceContext, TrustedProxies, apply};

/// The fields that a line can be: the first byte of a line chooses.
const NAMES: [&str; 10] = [
    "x-forwarded-for",
    "X-Forwarded-For",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "traceparent",
    "tracestate",
    "cookie",
];
/// Other ends of the connection: the first byte of all chooses. The first two are trusted.
const PEERS: [&str; 6] =
    ["10.0.0.1", "fd00::1", "203.0.113.9", "::ffff:10.0.0.2", "2001:db8::1", "::ffff:203.0.113.9"];
const TRUSTED: [&str; 3] = ["10.0.0.0/8", "::ffff:192.168.0.0/120", "fd00::/8"];

/// A request from one of [`PEERS`] with a field in each line.
pub(crate) fn forwarded(bytes: &[u8]) {
    let [first, rest @ ..] = bytes else { return };
    let peer = PEERS[usize::from(*first) % PEERS.len()];
    let peer: IpAddr = peer.parse().expect("an address");
    let mut request = RequestHeader::build("GET", b"/", None).expect("a header");
    for line in rest.split(|byte| *byte == b'\n').take(100) {
        if let [name, value @ ..] = line
            && let Ok(value) = HeaderValue::from_bytes(value.trim_ascii())
        {
            let name = NAMES[usize::from(*name) % NAMES.len()];
            request.append_header(name, value).expect("it takes a field");
        }
    }
    let trusted = TRUSTED.map(|network| network.parse().expect("a network"));
    check(&request, peer, &TrustedProxies::new(&trusted));
}

fn check(request: &RequestHeader, peer: IpAddr, trusted: &TrustedProxies) {
    let client = Client::identify(peer, &request.headers, trusted);
    assert_eq!(client.is_trusted(), trusted.contains(peer));
    assert!(client.is_trusted() || client.real_ip() == peer.to_canonical());
    // Several lines are one list.
    let chains = request.headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    let mut joined = http::HeaderMap::new();
    let chain = HeaderValue::from_bytes(&chains.collect::<Vec<_>>().join(&b","[..]));
    joined.insert("x-forwarded-for", chain.expect("values with commas are a value"));
    assert_eq!(Client::identify(peer, &joined, trusted), client);

    let id = RequestId::of(&request.headers);
    assert!(!id.as_str().is_empty() && id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    let _ = TraceContext::of(&request.headers);

    let mut told = request.clone();
    apply(&mut told, &client, &id, false).expect("it can be told");
    let lines = |name: &str| told.headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(lines("x-request-id"), [id.as_str()]);
    assert_eq!(lines("x-forwarded-for").len(), 1);
    if !client.is_trusted() {
        let peer = peer.to_canonical().to_string();
        assert_eq!(lines("x-forwarded-for"), [&peer]);
        assert_eq!(lines("x-real-ip"), [&peer]);
        assert_eq!(lines("x-forwarded-proto"), ["http"]);
        let gone: [HeaderName; 2] =
            [header::FORWARDED, "x-forwarded-host".parse().expect("a name")];
        assert!(gone.iter().all(|name| !told.headers.contains_key(name)));
    }
    for cookie in lines("cookie") {
        let crumbs = cookie.as_bytes().split(|byte| *byte == b';');
        let ours = format!("{ADMIN_COOKIE}=");
        assert!(!crumbs.map(<[u8]>::trim_ascii).any(|it| it.starts_with(ours.as_bytes())));
    }
    // A proxy behind this one, which trusts it, finds the same client.
    let next =
        Client::identify("10.255.255.255".parse().expect("an address"), &told.headers, trusted);
    assert_eq!(next.real_ip(), client.real_ip());
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("forwarded", super::forwarded);
    }
}
