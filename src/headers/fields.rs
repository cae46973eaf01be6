//! The fields of requests that this module reads and writes.
//!
//! The client's session has compared every name that came with those that the proxy asks about, and
//! has kept the answer as a set. So a field that did not come is neither looked for nor removed, and
//! one that is added is not looked for first: each look into a header map costs a hash of the name.

use http::{HeaderMap, HeaderValue};
use pingora::{Result, http::RequestHeader};

use crate::http1::{Known, KnownFields};

/// A field of requests: which one it is, and its name in the usual spelling.
#[derive(Debug)]
pub(super) struct Name(pub(super) Known, pub(super) &'static str);

/// The fields of a request as they came.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedFields<'a> {
    map: &'a HeaderMap,
    known: KnownFields,
}

impl<'a> ReceivedFields<'a> {
    /// The fields in this map, of which those in `known` are known. Every known field that is
    /// in the map must be in `known`.
    #[must_use]
    pub fn new(map: &'a HeaderMap, known: KnownFields) -> Self {
        Self { map, known }
    }

    /// All lines of a field, in order.
    pub(super) fn all(
        self,
        name: &Name,
    ) -> impl DoubleEndedIterator<Item = &'a HeaderValue> + use<'a> {
        let lines = self.known.has(name.0).then(|| self.map.get_all(name.1));
        lines.into_iter().flatten()
    }

    /// The line of a field that came exactly once.
    pub(super) fn only(self, name: &Name) -> Option<&'a HeaderValue> {
        let mut lines = self.all(name);
        lines.next().filter(|_| lines.next().is_none())
    }
}

/// Gives a request this one line of a field, in the place of those that came.
///
/// # Errors
///
/// When the header cannot be stored, which no request that was parsed can cause.
pub(super) fn replace(
    request: &mut RequestHeader,
    received: KnownFields,
    name: &Name,
    value: HeaderValue,
) -> Result<()> {
    if received.has(name.0) {
        return request.insert_header(name.1, value);
    }
    debug_assert!(!request.headers.contains_key(name.1), "{} is in the map", name.1);
    request.append_header(name.1, value).map(|_| ())
}

/// Takes all lines of a field that came out of a request.
pub(super) fn remove(request: &mut RequestHeader, received: KnownFields, name: &Name) {
    if received.has(name.0) {
        request.remove_header(name.1);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The known fields of a request, as the client's session finds them.
    pub(in crate::headers) fn known(request: &RequestHeader) -> KnownFields {
        let names = request.headers.keys().map(|name| name.as_str().as_bytes());
        names.filter_map(Known::of).collect()
    }

    pub(in crate::headers) fn received(request: &RequestHeader) -> ReceivedFields<'_> {
        ReceivedFields::new(&request.headers, known(request))
    }

    #[test]
    fn a_field_that_did_not_come_is_not_looked_for() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.append_header("Cookie", "a=1").unwrap();
        let unseen = ReceivedFields::new(&request.headers, KnownFields::default());
        let name = Name(Known::Cookie, "Cookie");
        assert_eq!(unseen.all(&name).count(), 0);
        assert_eq!(received(&request).only(&name).unwrap(), "a=1");
        request.append_header("Cookie", "b=2").unwrap();
        assert_eq!(received(&request).all(&name).count(), 2);
        assert!(received(&request).only(&name).is_none());
    }
}
