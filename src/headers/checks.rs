//! What must be true of any fields that say where a request comes from, for the tests and for the target
//! in `fuzz/`.

use std::net::IpAddr;

use bytes::BytesMut;

use crate::config::PeerBlock;
use crate::headers::{
    ADMIN_COOKIE, Client, Peer, RequestId, TraceContext, TrustedProxies, apply, mark,
};
use crate::http1::{Fields, Known, RequestHead};

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
    let mut request = Fields::default();
    for line in rest.split(|byte| *byte == b'\n').take(90) {
        if let [name, value @ ..] = line {
            let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
            let value = value.trim_ascii();
            if !value.iter().any(is_control) {
                request.append(NAMES[usize::from(*name) % NAMES.len()].as_bytes(), value);
            }
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

fn check(received: &Fields, peer: Peer, trusted: &TrustedProxies) {
    let client = Client::identify(peer, received, trusted);
    let peers_own = match peer {
        Peer::Ip(address) => Some(address.to_canonical()),
        Peer::Unix | Peer::Unknown => None,
    };
    assert_eq!(client.is_trusted(), trusted.contains(peer));
    assert!(client.is_trusted() || client.real_ip() == peers_own);
    // Several lines are one list.
    let mut joined = Fields::default();
    let chains = received.all(Known::XForwardedFor).collect::<Vec<_>>();
    joined.add(Known::XForwardedFor, &chains.join(&b","[..]));
    assert_eq!(Client::identify(peer, &joined, trusted), client);

    let id = RequestId::of(received);
    assert!(!id.as_str().is_empty() && id.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    is_one_trace(received);

    let mut told = received.to_be_sent();
    apply(&mut told, received, &client, &id, false);
    is_told(&told, &client, &id, peers_own);
    // A proxy behind this one, which trusts it, finds the same client, unless there is none to find.
    let next = Client::identify(Peer::Ip(address(HERE)), &told, trusted);
    assert_eq!(next.real_ip(), client.real_ip().or(Some(address(HERE))));
    mark(&mut told);
    is_read_as_it_was_meant(&told);
}

fn is_told(told: &Fields, client: &Client, id: &RequestId, peer: Option<IpAddr>) {
    let lines = |known| told.all(known).collect::<Vec<_>>();
    assert_eq!(lines(Known::XRequestId), [id.as_str().as_bytes()]);
    let peer = peer.map(|peer| peer.to_string());
    let peers: Vec<_> = peer.iter().map(String::as_bytes).collect();
    if client.is_trusted() {
        assert!(peers.is_empty() || lines(Known::XForwardedFor).len() == 1);
    } else {
        assert_eq!(lines(Known::XForwardedFor), peers);
        assert_eq!(lines(Known::XRealIp), peers);
        assert_eq!(lines(Known::XForwardedProto), [b"http"]);
        assert!(!told.has(Known::Forwarded) && !told.has(Known::XForwardedHost));
    }
    for cookie in lines(Known::Cookie) {
        let crumbs = cookie.split(|byte| *byte == b';');
        let ours = format!("{ADMIN_COOKIE}=");
        assert!(!crumbs.map(<[u8]>::trim_ascii).any(|it| it.starts_with(ours.as_bytes())));
    }
}

/// The next service finds the trace that came, or the one that begins here, and in one that is recorded a
/// span of ours as its caller.
fn is_one_trace(received: &Fields) {
    let came = TraceContext::of(received);
    let sampled = came.as_ref().and_then(TraceContext::is_sampled);
    let trace = came.clone().unwrap_or_else(TraceContext::start);
    for (trace, is_recorded) in [(trace.clone().unrecorded(), false), (trace.recorded(), true)] {
        let mut told = received.to_be_sent();
        trace.apply(&mut told, 1);
        let next = TraceContext::of(&told).expect("it names a trace");
        assert_eq!(next.id(), trace.id());
        assert_eq!(next.is_sampled(), Some(is_recorded));
        let is_callers = came.is_some() && next.caller() == trace.caller();
        assert_eq!(is_callers, !is_recorded && sampled == Some(false));
        assert!(came.is_some() || !told.has(Known::TraceState));
    }
}

/// What is written has these lines and no others.
fn is_read_as_it_was_meant(told: &Fields) {
    let mut bytes = BytesMut::from(&b"GET / HTTP/1.0\r\n"[..]);
    told.write(&mut bytes);
    bytes.extend_from_slice(b"\r\n");
    let head = RequestHead::parse(&bytes).expect("a head");
    assert!(told.iter().eq(head.fields.iter().copied()), "{}", bytes.escape_ascii());
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("forwarded", super::forwarded);
    }
}
