//! The protocol of a request, in the words that log and metrics share.

/// The protocol that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Protocol {
    /// RFC 1945.
    Http10,
    /// RFC 9112.
    Http11,
    /// RFC 9113.
    Http2,
    /// RFC 9114.
    Http3,
}

impl Protocol {
    /// Every protocol, in order.
    pub const ALL: [Self; 4] = [Self::Http10, Self::Http11, Self::Http2, Self::Http3];

    /// The protocol as a request line has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
            Self::Http3 => "HTTP/3.0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place() {
        for (place, protocol) in Protocol::ALL.into_iter().enumerate() {
            assert_eq!(protocol as usize, place, "{}", protocol.word());
        }
    }
}
