//! The queue between threads that log and the thread that writes: lines go in, emptied buffers come
//! back.
//!
//! # No lock
//!
//! A request that logs must not wait for another that was descheduled while it did, so a line is
//! handed over through a ring in which each thread takes the next free slot. The writer takes all
//! waiting lines as one batch, writes them with one call, and gives the buffers back through a
//! second ring, so that a line costs a copy and, as long as the writer keeps up, no allocation.
//!
//! # Bounded in bytes
//!
//! Memory must not run out, and clients determine the length of a line. Every buffer has room for
//! [`KEPT`] bytes and a line counts as at least that many, so the bound is on allocated bytes, and
//! the ring has a slot for every line that the bound lets in.
//!
//! # Woken only when asleep
//!
//! Waking a thread is a system call. The writer says that it is idle and then checks once more for
//! work; a thread that adds work checks afterwards whether the writer is idle. With a fence between
//! the two steps on both sides, one of them sees the other.

use std::time::{Duration, Instant};

use crate::clock;
use crate::sync::{
    ArrayQueue, AtomicBool, AtomicU64, AtomicUsize, Condvar, Mutex, OnceLock, Ordering, fence,
    thread::{self, Thread},
};

/// The most bytes of access log lines that may wait for the writer.
const CAPACITY: usize = 8 * 1024 * 1024;
/// The capacity that a buffer for one line keeps when it is given back, in bytes. Few lines are
/// longer.
pub(super) const KEPT: usize = 1024;
/// The most emptied buffers that are kept: more than one batch fills at any usual load.
const SPARE: usize = 1024;
/// The capacity that the buffer for a batch keeps until the next one, in bytes.
const BATCH_KEPT: usize = 256 * 1024;

/// Lines on their way to the writer, which is one thread at a time.
#[derive(Debug)]
pub(super) struct Queue {
    /// The most bytes that may wait.
    capacity: usize,
    lines: ArrayQueue<Vec<u8>>,
    spare: ArrayQueue<Vec<u8>>,
    /// The sum of the [`cost`] of all waiting lines.
    waiting: AtomicUsize,
    dropped: AtomicU64,
    reopen: AtomicBool,
    close: AtomicBool,
    /// Whether the writer sleeps until there is something to do, and must be woken.
    is_idle: AtomicBool,
    /// The writer's thread, known from the first [`Queue::take`] on.
    writer: OnceLock<Thread>,
    has_ended: AtomicBool,
    /// Guards the wait of [`Queue::close`] for the writer's end, and nothing else.
    ending: Mutex<()>,
    end: Condvar,
}

impl Default for Queue {
    fn default() -> Self {
        Self::holding(CAPACITY)
    }
}

impl Queue {
    /// A queue in which this many bytes may wait.
    pub(super) fn holding(capacity: usize) -> Self {
        // A slot for each line that the bytes allow.
        let slots = capacity / KEPT;
        Self {
            capacity,
            lines: ArrayQueue::new(slots),
            spare: ArrayQueue::new(SPARE.min(slots)),
            waiting: AtomicUsize::default(),
            dropped: AtomicU64::default(),
            reopen: AtomicBool::default(),
            close: AtomicBool::default(),
            is_idle: AtomicBool::default(),
            writer: OnceLock::new(),
            has_ended: AtomicBool::default(),
            ending: Mutex::default(),
            end: Condvar::new(),
        }
    }
}

/// What the writer must do after a batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orders {
    /// Open the file again.
    pub(super) reopen: bool,
    /// End; no batch follows.
    pub(super) close: bool,
}

/// The side of threads that log or give orders.
impl Queue {
    /// Appends a line, or drops and counts it if there is no room. Never blocks. The lines of one
    /// thread stay in order.
    pub(super) fn push(&self, line: &[u8]) {
        if self.is_closed() || !self.append(line) {
            self.drop_lines(1);
            return;
        }
        self.wake();
        // This load is behind the fence in `append`: either it sees the end, or the end has seen
        // the line.
        if self.has_ended.load(Ordering::Relaxed) {
            self.discard();
        }
    }

    /// Appends a line; returns whether there was room.
    fn append(&self, line: &[u8]) -> bool {
        let cost = cost(line);
        let admit = |waiting: usize| (waiting + cost <= self.capacity).then_some(waiting + cost);
        // Acquires what `pop` has released, so that the emptied slot is visible.
        if self.waiting.fetch_update(Ordering::Acquire, Ordering::Relaxed, admit).is_err() {
            return false;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.reserve_exact(cost);
        buffer.extend_from_slice(line);
        let appended = self.lines.push(buffer).is_ok();
        if !appended {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
        }
        appended
    }

    /// Orders the writer to open its file again once it has written all earlier lines.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        self.wake();
    }

    /// Orders the writer to end and waits until it has, or until the deadline. Returns whether it
    /// has ended.
    pub(super) fn close(&self, deadline: Instant) -> bool {
        self.close.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        // Needed even if the writer is not idle, because it may be waiting for lines to gather.
        self.unpark();
        let mut ending = self.ending.lock();
        while !self.has_ended() && !self.end.wait_until(&mut ending, deadline).timed_out() {}
        self.has_ended()
    }

    /// Whether [`Queue::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.close.load(Ordering::Acquire)
    }

    /// Whether the writer has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Counts lines that were lost.
    pub(super) fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Lines lost since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Wakes the writer if it is idle. Called after the work for the writer has been stored.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        // The swap lets only one of many threads wake the writer; the load spares the others a
        // write.
        if self.is_idle.load(Ordering::Relaxed) && self.is_idle.swap(false, Ordering::AcqRel) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

/// The writer's side.
impl Queue {
    /// Exchanges the batch for the lines that wait. Sleeps while there is nothing to do, but not
    /// longer than `patience`.
    pub(super) fn take(&self, batch: &mut Vec<u8>, patience: Option<Duration>) -> Orders {
        batch.clear();
        batch.shrink_to(BATCH_KEPT);
        self.writer.get_or_init(thread::current);
        self.sleep(patience);
        // Orders first: every line that was pushed before one of them is then among the lines.
        let orders =
            Orders { reopen: self.reopen.swap(false, Ordering::AcqRel), close: self.is_closed() };
        // Takes only lines that are there now; otherwise a batch would have no end while lines come
        // fast enough.
        for _ in 0..self.lines.len() {
            let Some(line) = self.pop() else { break };
            batch.extend_from_slice(&line);
            self.give_back(line);
        }
        orders
    }

    /// Lets lines gather until then; they do not wake the writer. Returns early when closed.
    pub(super) fn gather(&self, until: Instant) {
        while !self.is_closed() {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
    }

    /// Marks the writer as ended. Lines that are pushed later are lost.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        self.discard();
        // A thread in `close` either sees the end or is waiting already.
        drop(self.ending.lock());
        self.end.notify_all();
    }

    fn sleep(&self, patience: Option<Duration>) {
        if self.has_work() {
            return;
        }
        let deadline = patience.map(|patience| clock::now() + patience);
        loop {
            // Exchanged on both sides, so that the order of these changes is known to each.
            self.is_idle.swap(true, Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if self.has_work() {
                break;
            }
            let Some(deadline) = deadline else {
                thread::park();
                continue;
            };
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        self.is_idle.store(false, Ordering::Relaxed);
    }

    fn has_work(&self) -> bool {
        !self.lines.is_empty() || self.reopen.load(Ordering::Relaxed) || self.is_closed()
    }

    fn pop(&self) -> Option<Vec<u8>> {
        let line = self.lines.pop()?;
        self.waiting.fetch_sub(cost(&line), Ordering::Release);
        Some(line)
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        buffer.shrink_to(KEPT);
        // A buffer for which there is no room is freed.
        let _ = self.spare.push(buffer);
    }

    /// Counts lines that will not be written.
    fn discard(&self) {
        while self.pop().is_some() {
            self.drop_lines(1);
        }
    }
}

/// The share of [`CAPACITY`] that a line takes: the memory of its buffer.
fn cost(line: &[u8]) -> usize {
    line.len().max(KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: usize = CAPACITY / KEPT;

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let queue = Queue::default();
        let mut batch = Vec::new();
        queue.push(b"one\n");
        queue.push(b"two\n");
        assert_eq!(queue.take(&mut batch, None), Orders::default());
        assert_eq!(batch, b"one\ntwo\n");
        queue.push(b"three\n");
        queue.take(&mut batch, None);
        assert_eq!(batch, b"three\n");
    }

    #[test]
    fn a_full_queue_drops_the_line_and_counts_it() {
        let queue = Queue::default();
        let line = vec![b'x'; CAPACITY / 2];
        queue.push(&line);
        queue.push(&line);
        queue.push(b"one too many\n");
        queue.push(b"and another\n");
        assert_eq!(queue.dropped(), 2);
        let mut batch = Vec::new();
        queue.take(&mut batch, None);
        assert_eq!(batch.len(), CAPACITY);
        queue.push(b"room again\n");
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn orders_wake_the_writer_and_a_closed_queue_takes_nothing() {
        let queue = Queue::default();
        let mut batch = Vec::new();
        queue.push(b"before\n");
        queue.reopen();
        let now = crate::clock::now();
        assert!(!queue.close(now), "there is no writer to end");
        queue.push(b"after\n");
        assert_eq!(queue.take(&mut batch, None), Orders { reopen: true, close: true });
        assert_eq!(batch, b"before\n");
        assert_eq!(queue.dropped(), 1);
        queue.end();
        assert!(queue.close(now));
    }

    /// Far longer than any step of a test takes, so that a broken test ends.
    const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));
    /// Far longer than a wake-up takes, and shorter than the writer's own sleep.
    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn short_lines_fill_the_memory_that_they_take() {
        let queue = Queue::default();
        queue.push(&vec![b'x'; CAPACITY / 2]);
        (0..SLOTS / 2).for_each(|_| queue.push(b"\n"));
        assert_eq!(queue.dropped(), 0);
        queue.push(b"\n");
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn emptied_buffers_come_back_and_a_long_line_keeps_no_memory() {
        let queue = Queue::default();
        let mut batch = Vec::new();
        queue.push(&[b'x'; 100 * KEPT]);
        queue.take(&mut batch, None);
        let buffer = queue.spare.pop().unwrap();
        assert!(buffer.is_empty() && buffer.capacity() <= KEPT, "{}", buffer.capacity());
        let memory = buffer.as_ptr();
        queue.spare.push(buffer).unwrap();
        queue.push(&[b'x'; KEPT]);
        assert!(queue.spare.is_empty());
        queue.take(&mut batch, None);
        let buffer = queue.spare.pop().unwrap();
        assert_eq!(buffer.as_ptr(), memory);
    }

    #[test]
    fn a_line_that_comes_too_late_is_counted() {
        let queue = Queue::default();
        queue.push(b"before the end, after the last batch\n");
        queue.end();
        assert_eq!(queue.dropped(), 1);
        queue.push(b"after the end, by one who did not see it coming\n");
        assert_eq!(queue.dropped(), 2);
        assert!(!queue.has_work());
    }

    #[test]
    fn every_line_wakes_a_writer_that_sleeps() {
        let queue = Queue::default();
        thread::scope(|scope| {
            let (taken, is_taken) = std::sync::mpsc::channel();
            scope.spawn(|| {
                let (taken, mut batch) = (taken, Vec::new());
                for _ in 0..2000 {
                    queue.take(&mut batch, PATIENCE);
                    taken.send(batch.clone()).unwrap();
                }
            });
            for number in 0..2000 {
                let line = format!("{number}\n");
                queue.push(line.as_bytes());
                let batch = is_taken.recv_timeout(SOON).expect("the writer was not woken");
                assert_eq!(batch, line.as_bytes());
            }
        });
    }

    #[test]
    fn lines_of_one_thread_stay_in_order_among_those_of_others() {
        // All lines fit, even if the writer is late.
        const LINES: usize = SLOTS / 3;
        let queue = &Queue::default();
        let mut next = [0; 3];
        thread::scope(|scope| {
            for thread in 0..next.len() {
                let push = move |line: usize| queue.push(format!("{thread} {line}\n").as_bytes());
                scope.spawn(move || (0..LINES).for_each(push));
            }
            let mut batch = Vec::new();
            while next.iter().sum::<usize>() < next.len() * LINES {
                queue.take(&mut batch, PATIENCE);
                assert!(!batch.is_empty(), "lines are missing");
                for line in std::str::from_utf8(&batch).unwrap().lines() {
                    let (thread, line) = line.split_once(' ').unwrap();
                    let next = &mut next[thread.parse::<usize>().unwrap()];
                    assert_eq!(line.parse(), Ok(*next));
                    *next += 1;
                }
            }
        });
        assert_eq!(queue.dropped(), 0);
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn patience_ends_a_sleep() {
        let queue = Queue::default();
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, Some(Duration::from_millis(1))), Orders::default());
        assert!(batch.is_empty());
    }
}
