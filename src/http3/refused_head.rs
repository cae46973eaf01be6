//! What can be read of the head of a request that is refused: it has its line in the access log, too.

use bytes::Bytes;
use http::Version;

use super::{FieldLine, HEADER_LIST, qpack};
use crate::http1::{Authority, Refusal, Refused};

/// The fields of a request that is refused, as far as they can be read.
#[derive(Debug)]
pub struct RefusedHead(Vec<FieldLine>);

impl RefusedHead {
    /// Reads a list of fields, or the beginning of one.
    #[must_use]
    pub fn read(list: Bytes) -> Self {
        Self(qpack::readable(list, HEADER_LIST.into()))
    }

    /// The refusal of the request with these fields. Method and target may be malformed.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> Refused<'_> {
        let host = self.first(b":authority").or_else(|| self.first(b"host"));
        Refused {
            refusal,
            method: self.first(b":method"),
            target: self.first(b":path"),
            // Pingora knows no later version for a session of its user's.
            version: Some(Version::HTTP_2),
            host: host.filter(|host| Authority::parse(host).is_some()),
        }
    }

    /// The first value of a field, if it has one that is not empty.
    fn first(&self, name: &[u8]) -> Option<&[u8]> {
        let line = self.0.iter().find(|line| line.name == name)?;
        Some(&line.value[..]).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"\0\0\xd1\x51\x02/p\x50\x03a.b\x21X\x01y";

    #[test]
    fn the_line_of_a_malformed_request_is_read() {
        let why = Refusal::bad("a field is malformed");
        let head = RefusedHead::read(Bytes::from_static(LIST));
        let refused = head.refused(why);
        assert_eq!((refused.method, refused.target), (Some(&b"GET"[..]), Some(&b"/p"[..])));
        assert_eq!((refused.host, refused.refusal), (Some(&b"a.b"[..]), why));
    }

    #[test]
    fn of_a_list_that_breaks_off_the_beginning_is_read() {
        let target_end = LIST.len() - 9;
        for end in 0..LIST.len() {
            let head = RefusedHead::read(Bytes::from_static(&LIST[..end]));
            let refused = head.refused(Refusal::bad("late"));
            assert_eq!(refused.method.is_some(), end > 2, "after {end} bytes");
            assert_eq!(refused.target.is_some(), end >= target_end, "after {end} bytes");
        }
    }
}
