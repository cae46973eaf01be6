//! The queue between requests that end and the thread that exports.
//!
//! It is a ring without a lock, bounded in records, and a record is bounded in bytes
//! ([`shortened`](super::shortened)). Nothing wakes the thread: it looks at the queue several times a
//! second, so that a request pays for one exchange of a number, and no system call.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time};

use super::record::RequestRecord;
use crate::count::Counter;
use crate::sync::{ArrayQueue, AtomicBool, Condvar, Mutex, Ordering};

/// The most records that wait: with usual requests 6 MB, with the longest ones 30.
const CAPACITY: usize = 8192;

/// The spans since the start.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// Spans that the collector has taken.
    pub exported: Counter,
    /// Spans of requests that ended while the queue was full.
    pub overflowed: Counter,
    /// Spans that the collector has not taken.
    pub refused: Counter,
}

impl SpanCounts {
    /// Spans that no collector has got.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.overflowed.get() + self.refused.get()
    }
}

/// Records on their way to the thread that exports them.
#[derive(Debug)]
pub(super) struct Queue {
    records: ArrayQueue<Box<RequestRecord>>,
    counts: Arc<SpanCounts>,
    is_closed: AtomicBool,
    /// Wakes the thread when the queue is closed, or to be closed sooner.
    closing: Notify,
    ending: Mutex<Ending>,
    end: Condvar,
}

#[derive(Debug, Default)]
struct Ending {
    /// When records that still wait are given up.
    deadline: Option<Instant>,
    has_ended: bool,
}

impl Queue {
    pub(super) fn new(counts: Arc<SpanCounts>) -> Self {
        Self {
            records: ArrayQueue::new(CAPACITY),
            counts,
            is_closed: AtomicBool::default(),
            closing: Notify::new(),
            ending: Mutex::default(),
            end: Condvar::new(),
        }
    }

    pub(super) fn counts(&self) -> &Arc<SpanCounts> {
        &self.counts
    }

    /// Appends a record, or drops it and counts its spans if there is no room.
    pub(super) fn push(&self, record: Box<RequestRecord>) {
        if let Err(record) = self.records.push(record) {
            self.counts.overflowed.add(record.spans());
        }
    }

    /// The number of records that wait.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The record that has waited for longest.
    pub(super) fn pop(&self) -> Option<Box<RequestRecord>> {
        self.records.pop()
    }

    /// Orders the thread to end when it has exported what waits, and to give up then. Does not wait.
    pub(super) fn close(&self, deadline: Instant) {
        let mut ending = self.ending.lock();
        ending.deadline = Some(ending.deadline.map_or(deadline, |known| known.min(deadline)));
        drop(ending);
        self.is_closed.store(true, Ordering::Release);
        self.closing.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Waits until the thread has ended, or until the deadline.
    pub(super) fn wait_for_end(&self, deadline: Instant) {
        let mut ending = self.ending.lock();
        while !ending.has_ended && !self.end.wait_until(&mut ending, deadline).timed_out() {}
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ending.lock().has_ended
    }

    /// Waits for this long, or until the queue is closed.
    pub(super) async fn pause(&self, length: Duration) {
        let _ = time::timeout(length, self.closing.notified()).await;
    }

    /// Waits until the queue was closed and its deadline is over.
    pub(super) async fn give_up(&self) {
        loop {
            let deadline = self.ending.lock().deadline;
            let over = async {
                match deadline {
                    Some(deadline) => time::sleep_until(deadline.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                () = self.closing.notified() => {}
            }
        }
    }

    /// Counts what still waits as not taken.
    pub(super) fn discard(&self) {
        while let Some(record) = self.pop() {
            self.counts.refused.add(record.spans());
        }
    }

    /// Marks the thread as ended.
    pub(super) fn end(&self) {
        self.ending.lock().has_ended = true;
        self.end.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::tracing::record::tests::record;

    #[test]
    fn a_full_queue_drops_the_record_and_counts_its_spans() {
        let queue = Queue::new(Arc::default());
        let push = || queue.push(Box::new(record()));
        (0..CAPACITY).for_each(|_| push());
        assert_eq!(queue.counts().dropped(), 0);
        push();
        assert_eq!((queue.counts().overflowed.get(), queue.counts().refused.get()), (2, 0));
        assert!(queue.pop().is_some());
        push();
        assert_eq!(queue.counts().overflowed.get(), 2);
        queue.discard();
        assert_eq!(queue.counts().refused.get(), 2 * CAPACITY as u64);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_is_closed_again_is_given_up_at_the_earlier_deadline() {
        let queue = Queue::new(Arc::default());
        let now = clock::now();
        queue.close(now + Duration::from_secs(3600));
        assert!(queue.is_closed() && !queue.has_ended());
        queue.close(now);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(queue.give_up());
        queue.end();
        queue.wait_for_end(now);
        assert!(queue.has_ended());
    }
}
