//! Which connections wait for their clients, so that one of them can make room.
//!
//! Somebody who holds many connections open, or a monitor that leaks them, must not keep others
//! from asking whether the process lives.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Those that wait, in the order in which they began to.
#[derive(Debug, Default)]
pub(super) struct Idle {
    waiting: Mutex<Waiting>,
    /// Somebody found nobody to end.
    is_wanted: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    ends: BTreeMap<u64, Arc<Notify>>,
}

/// A wait; over when dropped.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    idle: &'a Idle,
    number: u64,
    end: Arc<Notify>,
}

impl Idle {
    /// The connection waits for its client from now on.
    pub(super) fn wait(&self) -> Wait<'_> {
        let end = Arc::new(Notify::new());
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        waiting.next += 1;
        if self.is_wanted.swap(false, Ordering::Relaxed) {
            end.notify_one();
        } else {
            waiting.ends.insert(number, Arc::clone(&end));
        }
        Wait { idle: self, number, end }
    }

    /// Ends the connection that has waited for longest; where none does, the next that would.
    pub(super) fn make_room(&self) {
        match self.waiting.lock().ends.pop_first() {
            Some((_, end)) => end.notify_one(),
            None => self.is_wanted.store(true, Ordering::Relaxed),
        }
    }
}

impl Wait<'_> {
    /// Resolves when this connection is to make room.
    pub(super) async fn is_over(&self) {
        self.end.notified().await;
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.idle.waiting.lock().ends.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    fn is_over(wait: &Wait<'_>) -> bool {
        pin!(wait.is_over()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_one_that_has_waited_for_longest_makes_room() {
        let idle = Idle::default();
        let first = idle.wait();
        let second = idle.wait();
        drop(first);
        let third = idle.wait();
        idle.make_room();
        assert_eq!((is_over(&second), is_over(&third)), (true, false));
        idle.make_room();
        assert!(is_over(&third));
    }

    #[test]
    fn where_nobody_waits_the_next_one_makes_room() {
        let idle = Idle::default();
        idle.make_room();
        let next = idle.wait();
        let after = idle.wait();
        assert_eq!((is_over(&next), is_over(&after)), (true, false));
    }
}
