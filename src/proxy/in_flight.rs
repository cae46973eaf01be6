//! How many requests are in flight in the whole process.
//!
//! Pingora sleeps its whole grace period at shutdown, whatever is in flight. This count lets the
//! process leave when the last request is done. A client whose connection ends with the process
//! learns it from its last answer, so the same place says that the process is stopping.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The count; clones share it.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    count: AtomicUsize,
    /// Woken when the count falls to zero.
    none: Notify,
    is_stopping: AtomicBool,
}

impl InFlight {
    /// Counts a request in, until the guard is dropped.
    pub fn enter(&self) -> InFlightGuard {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }

    /// Requests in flight now.
    #[must_use]
    pub fn count(&self) -> usize {
        // Acquire pairs with the guard's release: who reads zero sees what the requests did.
        self.0.count.load(Ordering::Acquire)
    }

    /// From now on an answer is the last one of its connection, and says so.
    pub fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Resolves when no request is in flight.
    pub async fn none(&self) {
        loop {
            let woken = self.0.none.notified();
            if self.count() == 0 {
                return;
            }
            woken.await;
        }
    }
}

/// One request in flight.
#[derive(Debug)]
#[must_use = "dropping it counts the request out"]
pub struct InFlightGuard(InFlight);

impl InFlightGuard {
    /// Whether the answer to this request is the last one of its connection.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.0.is_stopping.load(Ordering::Relaxed)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if self.0.0.count.fetch_sub(1, Ordering::Release) == 1 {
            self.0.0.none.notify_waiters();
        }
    }
}
