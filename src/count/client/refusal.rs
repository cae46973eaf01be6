//! Why a connection was closed before its first request, in the words that log and metrics share.

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum ConnectionRefusal {
    /// Its peer is none of the proxies that may send a header of the PROXY protocol.
    NoProxy,
    /// It does not begin with such a header.
    ProxyHeaderMissing,
    /// It begins with one that breaks the rules, or that ends too soon.
    ProxyHeaderMalformed,
    /// The header did not come in time.
    ProxyHeaderLate,
}

impl ConnectionRefusal {
    /// Every reason, in order.
    pub const ALL: [Self; 4] = [
        Self::NoProxy,
        Self::ProxyHeaderMissing,
        Self::ProxyHeaderMalformed,
        Self::ProxyHeaderLate,
    ];

    /// The reason in one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoProxy => "no_proxy",
            Self::ProxyHeaderMissing => "proxy_header_missing",
            Self::ProxyHeaderMalformed => "proxy_header_malformed",
            Self::ProxyHeaderLate => "proxy_header_late",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place() {
        for (place, refusal) in ConnectionRefusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place, "{}", refusal.word());
        }
    }
}
