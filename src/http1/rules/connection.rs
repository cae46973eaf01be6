//! The options of `Connection`, and the fields that end with a connection (RFC 9110 section 7.6.1).

use http::Version;

use super::{known::Known, syntax};

/// The fields that belong to one connection whether `Connection` names them or not.
pub const HOP_BY_HOP: [Known; 7] = [
    Known::Connection,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::Te,
    Known::Trailer,
    Known::TransferEncoding,
    Known::Upgrade,
];

/// Whether this field belongs to one connection.
#[must_use]
pub const fn is_hop_by_hop(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::Te
            | Known::Trailer
            | Known::TransferEncoding
            | Known::Upgrade
    )
}

/// Whether this field of a request goes no further than the proxy that it was sent to: the
/// hop-by-hop fields, credentials for a proxy, and the offer to go on in HTTP/2.
#[must_use]
pub const fn is_for_proxy(known: Known) -> bool {
    is_hop_by_hop(known)
        || matches!(
            known,
            Known::Http2Settings | Known::ProxyAuthenticate | Known::ProxyAuthorization
        )
}

/// The options of all lines of `Connection`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// `close` was among the options.
    pub close: bool,
    /// `keep-alive` was among the options.
    pub keep_alive: bool,
    /// `upgrade` was among the options.
    pub upgrade: bool,
    /// An option is a field that goes no further: see [`nominated`].
    pub nominates: bool,
}

impl Connection {
    /// Adds the options of one more line.
    pub fn read(&mut self, value: &[u8]) {
        for option in options(value) {
            match option {
                _ if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                _ if option.eq_ignore_ascii_case(b"close") => self.close = true,
                _ if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                _ => self.nominates |= may_be_nominated(option),
            }
        }
    }

    /// Whether the connection may have another message, if nothing else ends it. `close` outweighs
    /// `keep-alive`.
    #[must_use]
    pub fn keeps_alive(self, version: Version) -> bool {
        !self.close && (self.keep_alive || version != Version::HTTP_10)
    }
}

/// The names of the fields that a line of `Connection` removes, in upper or lower case.
///
/// Fields that the proxy itself reads are never among them: otherwise a client could remove the
/// fields in which a trusted proxy in front of this one describes it, or the length of a body.
pub fn nominated(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    options(value).filter(|option| may_be_nominated(option))
}

/// Whether a line of `TE` says that its sender accepts trailers.
#[must_use]
pub fn takes_trailers(te: &[u8]) -> bool {
    options(te).any(|option| option.eq_ignore_ascii_case(b"trailers"))
}

fn may_be_nominated(option: &[u8]) -> bool {
    let is_state = option.eq_ignore_ascii_case(b"close");
    !is_state && Known::of(option).is_none() && syntax::is_token(option)
}

/// The elements of one line, as they were spelled and without empty ones.
fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(syntax::trim).filter(|option| !option.is_empty())
}
