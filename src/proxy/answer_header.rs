//! The header of an answer on its way to the client, whether a backend gave it or `lb` itself.
//!
//! Pingora is shown a header with the status alone, so that nothing goes through its maps: hooks and
//! sessions hand each other the fields beside it.

use std::collections::VecDeque;

use http::StatusCode;

use crate::http1::Fields;

/// The header of an answer.
#[derive(Debug, Clone)]
pub(super) struct AnswerHeader {
    pub(super) status: StatusCode,
    /// The phrase behind the status, if it is not the usual one.
    reason: Option<Box<[u8]>>,
    pub(super) fields: Fields,
}

impl AnswerHeader {
    pub(super) fn new(status: StatusCode, fields: Fields) -> Self {
        Self { status, reason: None, fields }
    }

    /// The header with this phrase behind the status. It must have no line end.
    pub(super) fn with_reason(mut self, reason: &[u8]) -> Self {
        self.reason = (reason != self.reason()).then(|| reason.into());
        self
    }

    /// The phrase behind the status.
    pub(super) fn reason(&self) -> &[u8] {
        let usual = || self.status.canonical_reason().unwrap_or_default().as_bytes();
        self.reason.as_deref().unwrap_or_else(usual)
    }

    /// Whether another header follows, of the same answer.
    pub(super) fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Headers of one answer that wait for their turn: those of 1xx answers, then the final one.
#[derive(Debug, Default)]
pub(super) struct AnswerHeaders {
    interim: VecDeque<Box<AnswerHeader>>,
    last: Option<Box<AnswerHeader>>,
}

impl AnswerHeaders {
    pub(super) fn put(&mut self, header: Box<AnswerHeader>) {
        if header.is_interim() {
            self.interim.push_back(header);
        } else {
            self.last = Some(header);
        }
    }

    /// The one that came first.
    pub(super) fn take(&mut self) -> Option<Box<AnswerHeader>> {
        self.interim.pop_front().or_else(|| self.last.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_in_the_order_in_which_they_came() {
        let mut headers = AnswerHeaders::default();
        let statuses = [StatusCode::EARLY_HINTS, StatusCode::PROCESSING, StatusCode::OK];
        for status in statuses {
            headers.put(Box::new(AnswerHeader::new(status, Fields::default())));
        }
        let taken = std::iter::from_fn(|| headers.take()).map(|header| header.status);
        assert_eq!(taken.collect::<Vec<_>>(), statuses);
        let switch = AnswerHeader::new(StatusCode::SWITCHING_PROTOCOLS, Fields::default());
        headers.put(Box::new(switch));
        assert!(headers.take().is_some_and(|header| !header.is_interim()));
    }

    #[test]
    fn a_phrase_stays_as_it_came() {
        let header = AnswerHeader::new(StatusCode::OK, Fields::default());
        assert_eq!(header.reason(), b"OK");
        for reason in [&b"OK"[..], b"", b"Fine", b"\xff"] {
            assert_eq!(header.clone().with_reason(reason).reason(), reason);
        }
    }
}
