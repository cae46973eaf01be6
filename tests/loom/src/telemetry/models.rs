//! The queue of the logs.

use loom::{sync::Arc, thread};

use super::queue::Queue;
use crate::clock;

/// The capacity of the queue; two lines are more.
const CAPACITY: usize = 8 * 1024;

/// A writer that sleeps is woken by every line, and has them all.
pub fn every_line_wakes_the_writer() {
    let queue = Arc::new(Queue::holding(CAPACITY));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(b"line\n"))
        })
        .collect();
    let (mut batch, mut lines) = (Vec::new(), 0);
    while lines < threads.len() {
        // After a missed wake-up this would never return.
        queue.take(&mut batch, None);
        lines += batch.iter().filter(|byte| **byte == b'\n').count();
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
    assert_eq!(queue.dropped(), 0);
}

/// Each line is either written or counted as lost at the end.
pub fn no_line_is_forgotten_at_the_end() {
    let queue = Arc::new(Queue::holding(CAPACITY));
    let writer = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            let (mut batch, mut written) = (Vec::new(), 0);
            loop {
                let orders = queue.take(&mut batch, None);
                written += batch.iter().filter(|byte| **byte == b'\n').count() as u64;
                if orders.close {
                    break;
                }
            }
            queue.end();
            written
        })
    };
    let logging = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.push(b"line\n"))
    };
    assert!(queue.close(clock::now()), "it has ended");
    logging.join().expect("it ends");
    let written = writer.join().expect("it ends");
    assert_eq!(written + queue.dropped(), 1);
}

/// An order wakes a writer that sleeps. No lock is on its way, so only the fences order it.
pub fn every_order_wakes_the_writer() {
    let queue = Arc::new(Queue::holding(CAPACITY));
    let ordering = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.reopen())
    };
    let mut batch = Vec::new();
    while !queue.take(&mut batch, None).reopen {}
    ordering.join().expect("it ends");
}
