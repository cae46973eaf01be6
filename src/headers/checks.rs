//! What must be true of any fields that say where a request comes from, for the tests and for the target
//! in `fuzz/`.

use std::net::IpAddr;

use http::HeaderValue;
use pingora::http::RequestHeader;

use crate::config::PeerBlock;
use crate::headers::{
    ADMIN_COOKIE, Client, Peer, ReceivedFields, RequestId, TraceContext, TrustedProxies, apply,
};
use crate::http1::{Known, KnownFields};

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
/// Addresses of other ends of the connection: the first byte of all chooses one, or one without an
/// address.
const PEERS: [&str; 6] =
    ["10.0.0.1", "fd00::1", "203.0.113.9", "::ffff:10.0.0.2", "2001:db8::1", "::ffff:203.0.113.9"];
const TRUSTED: [&str; 3] = ["10.0.0.0/8", "::ffff:192.168.0.0/120", "fd00::/8"];
/// A proxy behind this one is connected to from here.
const HERE: &str = "10.255.255.255";

/// A request from one of [`PEERS`] with a field in each line.
pub(crate) fn forwarded(bytes: &[u8]) {
    let [first, rest @ ..] = bytes else { return };
    let peer = match PEERS.get(usize::from(*first) % (PEERS.len() + 2)) {
        Some(peer) => Peer::Ip(address(peer)),
        None if first % 2 == 0 => Peer::Unix,
        None => Peer::Unknown,
    };
    let mut request = RequestHeader::build("GET", b"/", None).expect("a header");
    for line in rest.split(|byte| *byte == b'\n').take(100) {
        if let [name, value @ ..] = line
            && let Ok(value) = HeaderValue::from_bytes(value.trim_ascii())
        {
            let name = NAMES[usize::from(*name) % NAMES.len()];
            request.append_header(name, value).expect("it takes a field");
        }
    }
    let networks = TRUSTED.map(|network| PeerBlock::Net(network.parse().expect("a network")));
    for blocks in [&networks[..], &[&networks[..], &[PeerBlock::Unix]].concat()] {
        check(&request, peer, &TrustedProxies::new(blocks));
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn known(request: &RequestHeader) -> KnownFields {
    let names = request.headers.keys().map(|name| name.as_str().as_bytes());
    names.filter_map(Known::of).collect()
}

fn received(request: &RequestHeader) -> ReceivedFields<'_> {
    ReceivedFields::new(&request.headers, known(request))
}

fn check(request: &RequestHeader, peer: Peer, trusted: &TrustedProxies) {
    let client = Client::identify(peer, received(request), trusted);
    let peers_own = match peer {
        Peer::Ip(address) => Some(address.to_canonical()),
        Peer::Unix | Peer::Unknown => None,
    };
    assert_eq!(client.is_trusted(), trusted.contains(peer));
    assert!(client.is_trusted() || client.real_ip() == peers_own);
    // Several lines are one list.
    let chains = request.headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    let chain = HeaderValue::from_bytes(&chains.collect::<Vec<_>>().join(&b","[..]));
    let mut joined = RequestHeader::build("GET", b"/", None).expect("a header");
    let chain = chain.expect("values with commas are a value");
    joined.append_header("x-forwarded-for", chain).expect("it takes a field");
    assert_eq!(Client::identify(peer, received(&joined), trusted), client);

    let id = RequestId::of(received(request));
    assert!(!id.as_str().is_empty() && id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    let _ = TraceContext::of(received(request));
    is_told(request, &client, &id, peers_own);

    // A proxy behind this one, which trusts it, finds the same client, unless there is none to find.
    let mut told = request.clone();
    apply(&mut told, known(request), &client, &id, false).expect("it can be told");
    let next = Client::identify(Peer::Ip(address(HERE)), received(&told), trusted);
    assert_eq!(next.real_ip(), client.real_ip().or(Some(address(HERE))));
}

fn is_told(request: &RequestHeader, client: &Client, id: &RequestId, peer: Option<IpAddr>) {
    let mut told = request.clone();
    apply(&mut told, known(request), client, id, false).expect("it can be told");
    let lines = |name: &str| told.headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(lines("x-request-id"), [id.as_str()]);
    let peer = peer.map(|peer| HeaderValue::try_from(peer.to_string()).expect("a value"));
    let peers = Vec::from_iter(&peer);
    if client.is_trusted() {
        assert!(peers.is_empty() || lines("x-forwarded-for").len() == 1);
    } else {
        assert_eq!(lines("x-forwarded-for"), peers);
        assert_eq!(lines("x-real-ip"), peers);
        assert_eq!(lines("x-forwarded-proto"), ["http"]);
        assert!(lines("forwarded").is_empty() && lines("x-forwarded-host").is_empty());
    }
    for cookie in lines("cookie") {
        let crumbs = cookie.as_bytes().split(|byte| *byte == b';');
        let ours = format!("{ADMIN_COOKIE}=");
        assert!(!crumbs.map(<[u8]>::trim_ascii).any(|it| it.starts_with(ours.as_bytes())));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("forwarded", super::forwarded);
    }
}
