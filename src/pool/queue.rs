//! Where requests wait while every backend is full: bounded, and first in, first out.
//!
//! A place that comes free is handed to the first in line by whoever gives it back. Newcomers join
//! the line as long as there is one, so nobody overtakes. The request path looks at one number as
//! long as nobody waits.
//!
//! No wake-up is lost: who waits first joins the line and then looks for a place; who gives a place
//! back first gives it back and then looks at the line. One of the two sees the other.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering, fence},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Lease, PickRequest, Pool};
use crate::clock;

/// A place also comes free when a backend comes back, which nobody here does. Who waits looks so
/// often.
const LOOK: Duration = Duration::from_millis(50);

/// The requests of one pool that wait for a backend.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// How many wait, as the request path reads it.
    len: AtomicUsize,
    line: Mutex<VecDeque<Waiter>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    wanted: PickRequest<'static>,
    place: oneshot::Sender<Lease>,
}

/// Why a request gets no backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// No backend of the pool may take this request.
    NoneEligible,
    /// Every eligible backend is full; from [`Pool::wait`]: the queue is full, too.
    Full,
    /// No backend had a free place before the wait in the queue ended.
    QueueTimeout,
}

impl Queue {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Waits for a place, in line.
    pub(super) async fn wait(
        &self,
        pool: &Arc<Pool>,
        wanted: PickRequest<'static>,
        until: Instant,
    ) -> Result<Lease, Unavailable> {
        let (place, handed) = oneshot::channel();
        let number = self.join(pool.config.queue.size, wanted, place)?;
        // Leaves the line however this ends, also when the request is dropped while it waits.
        let _in_line = InLine { queue: self, number };
        self.serve(pool);
        let until = tokio::time::Instant::from_std(until);
        let mut handed = pin!(handed);
        loop {
            let look = until.min(tokio::time::Instant::from_std(clock::now() + LOOK));
            match tokio::time::timeout_at(look, &mut handed).await {
                Ok(Ok(lease)) => return Ok(lease),
                Ok(Err(_)) => return Err(Unavailable::QueueTimeout),
                Err(_) if look == until => return Err(Unavailable::QueueTimeout),
                Err(_) => self.serve(pool),
            }
        }
    }

    fn join(
        &self,
        size: usize,
        wanted: PickRequest<'static>,
        place: oneshot::Sender<Lease>,
    ) -> Result<u64, Unavailable> {
        let mut line = self.line.lock();
        if line.len() >= size {
            return Err(Unavailable::Full);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        line.push_back(Waiter { number, wanted, place });
        self.len.store(line.len(), Ordering::SeqCst);
        Ok(number)
    }

    /// Hands what is free to those who wait, the first in line first.
    pub(super) fn serve(&self, pool: &Arc<Pool>) {
        fence(Ordering::SeqCst);
        if self.len() == 0 {
            return;
        }
        // What nobody took is given back after the lock, since giving back comes here again.
        let mut left = vec![];
        let mut line = self.line.lock();
        let now = clock::now();
        let mut position = 0;
        while let Some(waiter) = line.get(position) {
            match pool.find(&waiter.wanted, now) {
                Ok(lease) => {
                    let Some(waiter) = line.remove(position) else { break };
                    left.extend(waiter.place.send(lease).err());
                }
                // Somebody behind may want what this one has tried already.
                Err(_) if waiter.wanted.has_tried() => position += 1,
                Err(_) => break,
            }
        }
        self.len.store(line.len(), Ordering::SeqCst);
        drop(line);
        drop(left);
    }

    fn leave(&self, number: u64) {
        let mut line = self.line.lock();
        line.retain(|waiter| waiter.number != number);
        self.len.store(line.len(), Ordering::SeqCst);
    }
}

/// A place in the line, left on drop.
struct InLine<'a> {
    queue: &'a Queue,
    number: u64,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.queue.leave(self.number);
    }
}
