//! The requests that one connection has under way: how many, and why `lb` has cut the connection, if it has.
//!
//! They share the client's line, so what each may be expected to move depends on their number. They are
//! counted by the references to one value, so that none can be forgotten.

use std::sync::{Arc, OnceLock};

use crate::count::Cut;

/// The requests of one connection: each holds a clone, and the connection the original.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct UnderWay(Arc<OnceLock<Cut>>);

impl UnderWay {
    /// Returns the count.
    pub(in super::super) fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Notes why their connection is cut, before it is. The first reason is kept.
    pub(in super::super) fn are_cut(&self, why: Cut) {
        let _ = self.0.set(why);
    }

    /// Why their connection was cut, if it was.
    pub(in super::super) fn why_cut(&self) -> Option<Cut> {
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
