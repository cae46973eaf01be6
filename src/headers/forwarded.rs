//! The client's address, and the headers that tell it to the backend.
//!
//! The rule is trust first: what a request says about its origin counts only when it comes from a
//! proxy that the configuration trusts. From other clients every such line is replaced by the facts
//! of the connection.
//!
//! The client's own address is found by walking `X-Forwarded-For` from right to left. Each proxy
//! appends the address of its peer, so the right end is the most recent. The right-most address
//! that is not a trusted proxy was observed by a proxy we trust; everything to its left can be
//! forged.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use crate::config::PeerBlock;
use crate::digits::Ipv4Text;
use crate::http1::{Fields, Known};

/// Bits of the prefix `::ffff:0:0/96`, in which IPv6 carries IPv4.
const MAPPED_PREFIX: u8 = 96;

/// The proxies whose statements about the client are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Box<[IpNet]>,
    /// Those that connect to a Unix socket.
    unix: bool,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// At this address.
    Ip(IpAddr),
    /// A process that has connected to a Unix socket.
    Unix,
    /// Not told by the system, or by the proxy that opened the connection.
    Unknown,
}

impl Peer {
    /// Its address, if it has one; an IPv4-mapped address as IPv4.
    fn address(self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.to_canonical()),
            Self::Unix | Self::Unknown => None,
        }
    }
}

impl TrustedProxies {
    /// Networks of IPv4-mapped addresses count as the IPv4 networks that they mean.
    #[must_use]
    pub fn new(peers: &[PeerBlock]) -> Self {
        let network = |peers: &PeerBlock| match peers {
            PeerBlock::Net(network) => Some(canonical(*network)),
            PeerBlock::Unix => None,
        };
        let networks = peers.iter().filter_map(network).collect();
        Self { networks, unix: peers.contains(&PeerBlock::Unix) }
    }

    /// Whether the peer is a trusted proxy. An IPv4-mapped address counts as IPv4.
    #[must_use]
    pub fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Ip(address) => {
                let address = address.to_canonical();
                self.networks.iter().any(|network| network.contains(&address))
            }
            Peer::Unix => self.unix,
            Peer::Unknown => false,
        }
    }
}

fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    v6.addr()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(MAPPED_PREFIX))
        .and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok())
        .map_or(network, IpNet::V4)
}

/// The client of a request, identified once when the request arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address, where it has one.
    peer: Option<IpAddr>,
    is_trusted: bool,
    real_ip: Option<IpAddr>,
}

impl Client {
    /// Identifies the client by the peer of the connection and the fields as received.
    #[must_use]
    pub fn identify(peer: Peer, fields: &Fields, trusted: &TrustedProxies) -> Self {
        let is_trusted = trusted.contains(peer);
        let peer = peer.address();
        let real_ip = if is_trusted { first_untrusted(peer, fields, trusted) } else { peer };
        Self { peer, is_trusted, real_ip }
    }

    /// The nearest address that is not a trusted proxy; the farthest one when all of them are; `None`
    /// if no address is known.
    #[must_use]
    pub fn real_ip(&self) -> Option<IpAddr> {
        self.real_ip
    }

    /// Whether the request's own statements about its origin are believed.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.is_trusted
    }
}

/// An entry that cannot be read ends the walk at the last address before it: a trusted proxy wrote
/// the entry, but everything beyond it is uncertain.
fn first_untrusted(
    peer: Option<IpAddr>,
    fields: &Fields,
    trusted: &TrustedProxies,
) -> Option<IpAddr> {
    let mut farthest = peer;
    let lines = fields.all(Known::XForwardedFor).rev();
    let entries = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
    for entry in entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty()) {
        match address(entry) {
            None => return farthest,
            Some(address) if !trusted.contains(Peer::Ip(address)) => return Some(address),
            Some(address) => farthest = Some(address),
        }
    }
    farthest
}

/// Reads an entry: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:80`.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => text.parse().ok().or_else(|| text.parse().ok().map(|with: SocketAddr| with.ip())),
    };
    address.map(|address| address.to_canonical())
}

/// Tells the backend the client's address and what the client asked for: changes what is sent, given
/// what was received.
pub(super) fn set(sent: &mut Fields, received: &Fields, client: &Client, is_tls: bool) {
    let keeps = |known| client.is_trusted && received.has(known);
    if !client.is_trusted {
        sent.remove(Known::Forwarded);
        sent.remove(Known::XForwardedHost);
    }
    let peer = client.peer.map(AddressText::new);
    match &peer {
        Some(peer) if keeps(Known::XForwardedFor) => {
            sent.replace(Known::XForwardedFor, &chain(received, peer.as_bytes()));
        }
        Some(peer) => sent.replace(Known::XForwardedFor, peer.as_bytes()),
        None if client.is_trusted => {}
        None => sent.remove(Known::XForwardedFor),
    }
    if !keeps(Known::XForwardedHost)
        && let Some(host) = received.first(Known::Host)
    {
        sent.replace(Known::XForwardedHost, host);
    }
    if !keeps(Known::XForwardedProto) {
        sent.replace(Known::XForwardedProto, if is_tls { b"https" } else { b"http" });
    }
    if !keeps(Known::XRealIp) {
        match (client.real_ip, &peer) {
            (Some(real_ip), _) if client.peer != Some(real_ip) => {
                sent.replace(Known::XRealIp, AddressText::new(real_ip).as_bytes());
            }
            (Some(_), Some(peer)) => sent.replace(Known::XRealIp, peer.as_bytes()),
            _ => sent.remove(Known::XRealIp),
        }
    }
}

/// The `X-Forwarded-For` of a trusted peer, with its own address appended.
fn chain(received: &Fields, peer: &[u8]) -> Vec<u8> {
    let lines = received.all(Known::XForwardedFor).map(<[u8]>::trim_ascii);
    let entries = lines.filter(|line| !line.is_empty()).chain([peer]);
    entries.collect::<Vec<_>>().join(&b", "[..])
}

/// An address as text.
enum AddressText {
    V4(Ipv4Text),
    V6(String),
}

impl AddressText {
    fn new(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(Ipv4Text::new(address)),
            IpAddr::V6(address) => Self::V6(address.to_string()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::V4(text) => text.as_bytes(),
            Self::V6(text) => text.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::{request, written};

    const STRANGER: &str = "203.0.113.9";
    const PROXY: &str = "10.0.0.1";

    fn trusted() -> TrustedProxies {
        let networks = ["10.0.0.0/8", "::ffff:192.168.0.0/120", "fd00::/8"];
        TrustedProxies::new(&networks.map(|network| PeerBlock::Net(network.parse().unwrap())))
    }

    fn identify(peer: &str, request: &Fields) -> Client {
        Client::identify(Peer::Ip(peer.parse().unwrap()), request, &trusted())
    }

    fn real_ip(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        identify(peer, &request(&lines)).real_ip().unwrap().to_string()
    }

    /// The lines that a backend receives, sorted.
    fn forwarded(peer: &str, lines: &[(&str, &str)], is_tls: bool) -> Vec<String> {
        let received = request(lines);
        let mut sent = received.clone();
        set(&mut sent, &received, &identify(peer, &received), is_tls);
        let mut lines = written(&sent);
        lines.sort();
        lines
    }

    #[test]
    fn the_real_ip_is_the_first_untrusted_address_from_the_right() {
        let cases: &[(&str, &[&str], &str)] = &[
            (STRANGER, &[], STRANGER),
            (STRANGER, &["1.2.3.4"], STRANGER),
            (PROXY, &[], PROXY),
            (PROXY, &["1.2.3.4"], "1.2.3.4"),
            (PROXY, &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (PROXY, &["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            (PROXY, &["6.6.6.6", "1.2.3.4", "10.9.9.9, 10.8.8.8"], "1.2.3.4"),
            (PROXY, &["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
            (PROXY, &["1.2.3.4:567"], "1.2.3.4"),
            (PROXY, &["2001:db8::1"], "2001:db8::1"),
            (PROXY, &["[2001:db8::1]"], "2001:db8::1"),
            (PROXY, &["[2001:db8::1]:567"], "2001:db8::1"),
            (PROXY, &[" \t1.2.3.4\t "], "1.2.3.4"),
            (PROXY, &["1.2.3.4,,", "", " , "], "1.2.3.4"),
            ("fd00::1", &["1.2.3.4"], "1.2.3.4"),
        ];
        for (peer, lines, expected) in cases {
            assert_eq!(real_ip(peer, lines), *expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn garbage_ends_the_walk_at_the_last_good_address() {
        let garbage = [
            "unknown",
            "_hidden",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.4:99999",
            "[1.2.3.4]",
            "[2001:db8::1",
            "\"1.2.3.4\"",
            "1.2.3.4 6.6.6.6",
            "for=1.2.3.4",
            "١.2.3.4",
        ];
        for entry in garbage {
            assert_eq!(real_ip(PROXY, &[entry]), PROXY, "{entry}");
            let line = format!("6.6.6.6, {entry}, 10.9.9.9");
            assert_eq!(real_ip(PROXY, &[&line]), "10.9.9.9", "{entry}");
        }
        let mut request = request(&[]);
        request.add(Known::XForwardedFor, b"6.6.6.6, \xff\xfe");
        assert_eq!(identify(PROXY, &request).real_ip(), Some(PROXY.parse().unwrap()));
    }

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        assert_eq!(real_ip("::ffff:203.0.113.9", &["1.2.3.4"]), STRANGER);
        assert_eq!(real_ip("::ffff:10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(real_ip("192.168.1.1", &["1.2.3.4"]), "192.168.1.1");
        assert_eq!(real_ip("192.168.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(real_ip(PROXY, &["1.2.3.4, ::ffff:10.9.9.9"]), "1.2.3.4");
        assert_eq!(real_ip(PROXY, &["[::ffff:1.2.3.4]:80"]), "1.2.3.4");
        let lines = forwarded("::ffff:203.0.113.9", &[], false);
        assert!(lines.contains(&"X-Forwarded-For: 203.0.113.9".to_owned()), "{lines:?}");
    }

    #[test]
    fn an_address_is_written_as_the_standard_library_does() {
        for address in ["192.0.2.1", "::1", "2001:db8::ff"] {
            assert_eq!(AddressText::new(address.parse().unwrap()).as_bytes(), address.as_bytes());
        }
    }

    #[test]
    fn a_peer_without_an_address_is_believed_only_if_its_kind_is_trusted() {
        let said = [("X-Forwarded-For", "6.6.6.6, 1.2.3.4"), ("X-Real-IP", "6.6.6.6")];
        let told = |peer, trusted: &[PeerBlock]| {
            let received = request(&said);
            let client = Client::identify(peer, &received, &TrustedProxies::new(trusted));
            let mut sent = received.clone();
            set(&mut sent, &received, &client, false);
            let chain = sent.first(Known::XForwardedFor).map(<[u8]>::to_owned);
            (client.real_ip().map(|ip| ip.to_string()), chain, sent.has(Known::XRealIp))
        };
        let nothing = (None, None, false);
        assert_eq!(told(Peer::Unix, &[]), nothing);
        assert_eq!(told(Peer::Unknown, &[PeerBlock::Unix]), nothing);
        let believed = (Some("1.2.3.4".into()), Some("6.6.6.6, 1.2.3.4".into()), true);
        assert_eq!(told(Peer::Unix, &[PeerBlock::Unix]), believed);
    }

    #[test]
    fn an_untrusted_clients_headers_are_replaced_line_by_line() {
        let lies = [
            ("Host", "example.com:8080"),
            ("x-forwarded-for", "6.6.6.6"),
            ("X-FORWARDED-FOR", "10.0.0.1"),
            ("X-Forwarded-Host", "evil"),
            ("X-Forwarded-Host", "worse"),
            ("x-forwarded-proto", "https"),
            ("X-Forwarded-Proto", "https"),
            ("X-Real-IP", "6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("Forwarded", "for=6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("Accept", "*/*"),
        ];
        let expected = [
            "Accept: */*",
            "Host: example.com:8080",
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Host: example.com:8080",
            "X-Forwarded-Proto: http",
            "X-Real-IP: 203.0.113.9",
        ];
        assert_eq!(forwarded(STRANGER, &lies, false), expected);
    }

    #[test]
    fn without_a_host_there_is_no_forwarded_host() {
        let lines = forwarded("2001:db8::1", &[("X-Forwarded-Host", "evil")], true);
        let expected =
            ["X-Forwarded-For: 2001:db8::1", "X-Forwarded-Proto: https", "X-Real-IP: 2001:db8::1"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_appended() {
        let said = [
            ("Host", "internal"),
            ("X-Forwarded-For", "6.6.6.6, 1.2.3.4"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", " 10.9.9.9 "),
            ("X-Forwarded-Host", "example.com"),
            ("X-Forwarded-Proto", "https"),
            ("X-Real-IP", "1.2.3.4"),
            ("Forwarded", "for=1.2.3.4"),
        ];
        let expected = [
            "Forwarded: for=1.2.3.4",
            "Host: internal",
            "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.9.9.9, 10.0.0.1",
            "X-Forwarded-Host: example.com",
            "X-Forwarded-Proto: https",
            "X-Real-IP: 1.2.3.4",
        ];
        assert_eq!(forwarded(PROXY, &said, false), expected);
    }

    #[test]
    fn headers_that_a_trusted_proxy_leaves_out_are_filled_in() {
        let said = [("Host", "example.com"), ("X-Forwarded-For", "1.2.3.4")];
        let expected = [
            "Host: example.com",
            "X-Forwarded-For: 1.2.3.4, 10.0.0.1",
            "X-Forwarded-Host: example.com",
            "X-Forwarded-Proto: http",
            "X-Real-IP: 1.2.3.4",
        ];
        assert_eq!(forwarded(PROXY, &said, false), expected);
    }
}
