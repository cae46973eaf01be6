//! The requests that one connection has under way: how many, and why `lb` has ended the connection, if it has.
//!
//! They share the client's line, so what each may be expected to move depends on their number. They are
//! counted by the references to one value, so that none can be forgotten.

use std::sync::{Arc, OnceLock};

use crate::count::Cut;

/// Why `lb` has ended a connection that had requests under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) enum WhyEnded {
    /// Its client costs too much, or breaks the rules.
    Cut(Cut),
    /// The process ends.
    Stopped,
}

/// The requests of one connection: each holds a clone, and the connection the original.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct UnderWay(Arc<OnceLock<WhyEnded>>);

impl UnderWay {
    /// Returns the count.
    pub(in super::super) fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Notes why `lb` ends their connection, before it does. The first reason is kept.
    pub(in super::super) fn end(&self, why: WhyEnded) {
        let _ = self.0.set(why);
    }

    /// Why `lb` has ended their connection, if it has.
    pub(in super::super) fn why_ended(&self) -> Option<WhyEnded> {
        self.0.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_until_it_ends() {
        let connection = UnderWay::default();
        let requests = [connection.clone(), connection.clone()];
        assert_eq!((connection.count(), requests[0].count()), (2, 2));
        drop(requests);
        assert_eq!(connection.count(), 0);
    }
}
