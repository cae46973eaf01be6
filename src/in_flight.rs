//! The number of requests and client connections in the whole process.
//!
//! Pingora sleeps its whole grace period at shutdown, even if nothing is in flight. These counts
//! let the process leave when the last connection has ended. A client whose connection ends with
//! the process learns it from its last answer, so the same place says that the process is draining.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::{Notify, watch};

/// The counts of the process; clones share them.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    requests: AtomicUsize,
    connections: AtomicUsize,
    /// Woken when the last connection ends.
    no_connections: Notify,
    is_draining: AtomicBool,
    /// Whether a connection without a request is to end.
    idle_ends: watch::Sender<bool>,
}

impl InFlight {
    /// Counts a request in, until the guard is dropped.
    pub fn enter(&self) -> InFlightGuard {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }

    /// Counts a client's connection in, until the guard is dropped.
    pub fn connect(&self) -> ConnectionGuard {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(self.clone())
    }

    /// The number of requests in flight now.
    #[must_use]
    pub fn requests(&self) -> usize {
        // Acquire pairs with the guard's release: a thread that reads zero sees the effects of all
        // requests.
        self.0.requests.load(Ordering::Acquire)
    }

    /// The number of client connections now, with or without a request in flight.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Acquire)
    }

    /// Makes every answer from now on the last one of its connection; it says so to the client.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Makes every connection end as soon as it has no request.
    pub fn end_idle(&self) {
        self.0.idle_ends.send_replace(true);
    }

    /// Resolves when connections without a request are to end.
    pub async fn idle_ends(&self) {
        let mut idle_ends = self.0.idle_ends.subscribe();
        // The sender lives as long as this value.
        let _ = idle_ends.wait_for(|is_so| *is_so).await;
    }

    /// Resolves when no client is connected.
    pub async fn no_connections(&self) {
        loop {
            let woken = self.0.no_connections.notified();
            if self.connections() == 0 {
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
    pub fn is_draining(&self) -> bool {
        self.0.0.is_draining.load(Ordering::Relaxed)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.requests.fetch_sub(1, Ordering::Release);
    }
}

/// One connection of a client.
#[derive(Debug)]
#[must_use = "dropping it counts the connection out"]
pub struct ConnectionGuard(InFlight);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if self.0.0.connections.fetch_sub(1, Ordering::Release) == 1 {
            self.0.0.no_connections.notify_waiters();
        }
    }
}
