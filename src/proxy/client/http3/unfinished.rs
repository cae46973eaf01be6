//! How much of fields whose end has not come one connection may have.
//!
//! In HTTP/2 the fields of one request come without a break. Here every request has a stream of its own, so
//! that a client can begin the fields of all of them, and the limit on one does not limit the sum.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The most, in bytes: those of 96 requests of 2 KiB at a time, or of three of the largest. Clients send the
/// fields of one request after those of another, so that even large ones stay far below it.
const MOST: usize = 192 * 1024;

/// The sum for one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct UnfinishedFields(Arc<AtomicUsize>);

impl UnfinishedFields {
    /// The share of one request, which is given back when it is dropped.
    pub(super) fn share(&self) -> Share {
        Share { sum: self.clone(), bytes: 0 }
    }
}

/// What one request has of the sum.
#[derive(Debug)]
pub(super) struct Share {
    sum: UnfinishedFields,
    bytes: usize,
}

impl Share {
    /// Notes that the request has this number of bytes now. Returns whether there is room for more than it had;
    /// for less there always is, whatever others have.
    pub(super) fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes <= before {
            if bytes < before {
                self.sum.0.fetch_sub(before - bytes, Ordering::Relaxed);
            }
            return true;
        }
        let more = bytes - before;
        self.sum.0.fetch_add(more, Ordering::Relaxed) + more <= MOST
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_a_request_has_its_fields_or_ends() {
        let fields = UnfinishedFields::default();
        let (mut one, mut other) = (fields.share(), fields.share());
        assert!(one.set(MOST - 10) && other.set(10));
        assert!(one.set(MOST - 10), "no more than before");
        assert!(!other.set(11));
        assert!(one.set(MOST - 10) && one.set(MOST - 11), "the other one is to blame");
        assert!(one.set(0), "all of it has come");
        assert!(other.set(10) && one.set(MOST - 10));
        assert!(one.set(0) && other.set(MOST));
        drop(other);
        assert!(one.set(MOST));
        drop(one);
        assert_eq!(fields.0.load(Ordering::Relaxed), 0);
    }
}
