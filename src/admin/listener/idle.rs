//! The connections that wait for their clients, so that one of them can make room.
//!
//! A client that holds many connections open, or a monitor that leaks them, must not keep others from
//! asking whether the process lives.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The connections that wait, in the order in which they began to.
#[derive(Debug, Default)]
pub(super) struct Idle {
    waiting: Mutex<Waiting>,
    /// Room was needed when no connection waited.
    is_room_needed: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    ends: BTreeMap<u64, Arc<Notify>>,
}

/// A connection that waits for its client, until this is dropped.
#[derive(Debug)]
pub(super) struct WaitingConnection<'a> {
    idle: &'a Idle,
    number: u64,
    end: Arc<Notify>,
}

impl Idle {
    /// Lists a connection as waiting for its client.
    pub(super) fn wait(&self) -> WaitingConnection<'_> {
        let end = Arc::new(Notify::new());
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        waiting.next += 1;
        if self.is_room_needed.swap(false, Ordering::Relaxed) {
            end.notify_one();
        } else {
            waiting.ends.insert(number, Arc::clone(&end));
        }
        WaitingConnection { idle: self, number, end }
    }

    /// Ends the connection that has waited longest. If none waits, the next one that would wait ends.
    pub(super) fn make_room(&self) {
        match self.waiting.lock().ends.pop_first() {
            Some((_, end)) => end.notify_one(),
            None => self.is_room_needed.store(true, Ordering::Relaxed),
        }
    }
}

impl WaitingConnection<'_> {
    /// Resolves when this connection is to make room.
    pub(super) async fn ended(&self) {
        self.end.notified().await;
    }
}

impl Drop for WaitingConnection<'_> {
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

    fn ended(wait: &WaitingConnection<'_>) -> bool {
        pin!(wait.ended()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_one_that_has_waited_for_longest_makes_room() {
        let idle = Idle::default();
        let first = idle.wait();
        let second = idle.wait();
        drop(first);
        let third = idle.wait();
        idle.make_room();
        assert_eq!((ended(&second), ended(&third)), (true, false));
        idle.make_room();
        assert!(ended(&third));
    }

    #[test]
    fn if_none_waits_the_next_one_makes_room() {
        let idle = Idle::default();
        idle.make_room();
        let next = idle.wait();
        let after = idle.wait();
        assert_eq!((ended(&next), ended(&after)), (true, false));
    }
}
