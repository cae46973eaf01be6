//! The counts of one listener.
//!
//! A request is counted for its listener, its pool, and the backend of each attempt, each in the
//! module that knows it, when the request or the attempt ends.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{
    ConnectionRefusal, Counter, Cut, DurationHistogram, DurationSnapshot, Handshake, OncePerSecond,
    Protocol, Shards, StatusClass, StatusClassCounts,
};

/// Counts of one listener since the process began.
#[derive(Debug)]
pub struct ListenerCounts {
    address: Box<str>,
    connections: AtomicUsize,
    /// Connections that were accepted.
    pub accepted: Counter,
    refused: [Counter; ConnectionRefusal::ALL.len()],
    /// Decides which connections that are refused are logged.
    pub refusals_log: OncePerSecond,
    handshakes: [Counter; Handshake::ALL.len()],
    /// Of handshakes that came about.
    handshake_time: DurationHistogram,
    /// Decides which handshakes that fail are logged.
    pub handshakes_log: OncePerSecond,
    cuts: [Counter; Cut::ALL.len()],
    /// Decides which connections that are cut are logged.
    pub cuts_log: OncePerSecond,
    /// Requests in HTTP/2 and 3 that were reset because they were malformed.
    pub malformed_streams: Counter,
    /// Requests in HTTP/2 and 3 that were reset because too many were under way on their connection.
    pub refused_streams: Counter,
    /// Handshakes of QUIC whose clients were told to prove their address first.
    pub retries: Counter,
    /// Requests that were refused because they had come round in a circle of proxies.
    pub loops: Counter,
    requests: Shards<Requests>,
    serves_http3: AtomicBool,
}

#[derive(Debug, Default)]
struct Requests {
    responses: [StatusClassCounts; Protocol::ALL.len()],
    received: Counter,
    sent: Counter,
}

impl ListenerCounts {
    /// The counts of the listener with this address in the configuration, all zero.
    #[must_use]
    pub fn new(address: impl Into<Box<str>>, now: Instant) -> Self {
        Self {
            address: address.into(),
            connections: AtomicUsize::new(0),
            accepted: Counter::default(),
            refused: Default::default(),
            refusals_log: OncePerSecond::new(now),
            handshakes: Default::default(),
            handshake_time: DurationHistogram::default(),
            handshakes_log: OncePerSecond::new(now),
            cuts: Default::default(),
            cuts_log: OncePerSecond::new(now),
            malformed_streams: Counter::default(),
            refused_streams: Counter::default(),
            retries: Counter::default(),
            loops: Counter::default(),
            requests: Shards::default(),
            serves_http3: AtomicBool::new(false),
        }
    }

    /// Notes that this process reads packets of UDP on the address: a reload cannot begin it.
    pub fn begin_http3(&self) {
        self.serves_http3.store(true, Ordering::Relaxed);
    }

    /// Whether clients of HTTP/3 are heard.
    #[must_use]
    pub fn serves_http3(&self) -> bool {
        self.serves_http3.load(Ordering::Relaxed)
    }

    /// Returns the address in the configuration.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Counts a client's connection until the guard is dropped.
    pub fn connect(&self) -> ConnectionGuard<'_> {
        self.accepted.one();
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(self)
    }

    /// Returns the number of clients that are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection that was closed before its first request.
    pub fn refused(&self, why: ConnectionRefusal) {
        self.refused[why as usize].one();
    }

    /// Returns the number of connections that were refused, in the order of
    /// [`ConnectionRefusal::ALL`].
    #[must_use]
    pub fn refusals(&self) -> [u64; ConnectionRefusal::ALL.len()] {
        self.refused.each_ref().map(Counter::get)
    }

    /// Counts a handshake that has ended.
    pub fn shaken(&self, how: Handshake, took: Duration) {
        self.handshakes[how as usize].one();
        if matches!(how, Handshake::Full | Handshake::Resumed) {
            self.handshake_time.observe(took);
        }
    }

    /// Returns the number of handshakes that have ended, in the order of [`Handshake::ALL`].
    #[must_use]
    pub fn handshakes(&self) -> [u64; Handshake::ALL.len()] {
        self.handshakes.each_ref().map(Counter::get)
    }

    /// Returns how long handshakes took that came about.
    #[must_use]
    pub fn handshake_time(&self) -> DurationSnapshot {
        self.handshake_time.get()
    }

    /// Counts a connection in HTTP/2 or 3 that was cut.
    pub fn cut(&self, why: Cut) {
        self.cuts[why as usize].one();
    }

    /// Returns the number of connections that were cut, in the order of [`Cut::ALL`].
    #[must_use]
    pub fn cuts(&self) -> [u64; Cut::ALL.len()] {
        self.cuts.each_ref().map(Counter::get)
    }

    /// Counts a request that has ended, with the bytes of its body and of the body of its answer.
    pub fn request_ended(
        &self,
        protocol: Protocol,
        answered: StatusClass,
        received: u64,
        sent: u64,
    ) {
        let requests = self.requests.mine();
        requests.responses[protocol as usize].one(answered);
        if received > 0 {
            requests.received.add(received);
        }
        requests.sent.add(sent);
    }

    /// Returns the number of requests that have ended, in the order of [`StatusClass::ALL`].
    #[must_use]
    pub fn responses(&self) -> [u64; StatusClass::ALL.len()] {
        StatusClassCounts::sum(self.requests.iter().flat_map(|requests| &requests.responses))
    }

    /// Like [`ListenerCounts::responses`], of the requests in this protocol.
    #[must_use]
    pub fn responses_in(&self, protocol: Protocol) -> [u64; StatusClass::ALL.len()] {
        StatusClassCounts::sum(
            self.requests.iter().map(|requests| &requests.responses[protocol as usize]),
        )
    }

    /// Returns the bytes of bodies that clients have sent.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.requests.iter().map(|requests| requests.received.get()).sum()
    }

    /// Returns the bytes of bodies that were sent to clients.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.requests.iter().map(|requests| requests.sent.get()).sum()
    }
}

/// A connection that is counted.
#[derive(Debug)]
#[must_use = "dropping it counts the connection out"]
pub struct ConnectionGuard<'a>(&'a ListenerCounts);

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
