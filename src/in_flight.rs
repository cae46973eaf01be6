//! The number of requests and client connections in the whole process.
//!
//! Pingora sleeps its whole grace period at shutdown, even if nothing is in flight. These counts
//! let the process leave when the last connection has ended. A client whose connection ends with
//! the process learns it from its last answer, so the same place says that the process is draining.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time,
};

/// How long connections may take to end that have to be ended one by one.
const PARTING: Duration = Duration::from_millis(100);

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
    ends: watch::Sender<Ends>,
}

/// Which connections are to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    #[default]
    None,
    /// Those without a request.
    Idle,
    /// All that do not end with the process by themselves.
    All,
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
        self.0.ends.send_modify(|ends| *ends = Ends::Idle.max(*ends));
    }

    /// Resolves when connections without a request are to end.
    pub async fn idle_ends(&self) {
        self.reached(Ends::Idle).await;
    }

    /// Ends the connections that are left before the process ends, whatever they have under way. The system does it
    /// for those of TCP; a client of QUIC would wait for its own limits.
    pub async fn end_all(&self) {
        self.0.ends.send_replace(Ends::All);
        // Those of TCP do not hear of it.
        let _ = time::timeout(PARTING, self.no_connections()).await;
    }

    /// Resolves when a connection that does not end with the process is to end, whatever it has under way.
    pub async fn all_end(&self) {
        self.reached(Ends::All).await;
    }

    async fn reached(&self, which: Ends) {
        let mut ends = self.0.ends.subscribe();
        // The sender lives as long as this value.
        let _ = ends.wait_for(|ends| *ends >= which).await;
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
