//! A client's connection with its limits, wrapped around the stream that Pingora accepted.
//!
//! Pingora limits single reads. That is not what a site needs: a client that sends a byte every
//! 59 seconds never runs into a limit for one read, and the only read that is always under way
//! while a request waits for its backend is the one that watches the client. So the limits live
//! where every byte passes:
//!
//! - a request's **header** has a deadline as a whole (answered 408, as nginx and HAProxy do);
//! - an **idle** connection is closed after the keep-alive time;
//! - a client that takes nothing of what we **write** is dropped;
//! - while a request waits for its **backend**, the read that watches the client also watches the
//!   clock. When the backend is late the read fails, Pingora ends the attempt, and
//!   [`ClientStream::backend_was_late`] tells this from a client that left. That is a limit on the
//!   first byte apart from the one on later gaps, and neither runs while the client still
//!   uploads, which one read timeout on the backend's connection cannot be.
//!
//! That last read must go on to the end of the request. Pingora stops reading when a client
//! pipelines; so a byte that comes too early is held back here and delivered with the next request.
//!
//! The hooks of a request reach it through `Session::stream`, by shared reference, which is why
//! the phase and deadline are atomics; there is no contention, since a connection is one task.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pingora_core::protocols::Stream;
use pingora_proxy::Session;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    early_bytes::EarlyBytes,
    patience::{LearnedLimit, Patience},
    request_line::RequestLine,
    timer::Timer,
};
use crate::clock;
use crate::config::ClientLimits;
use crate::count::ListenerCounts;
use crate::pool::Lease;

/// Sent to a client whose header did not end in time.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Nothing is due.
const NEVER: u64 = u64::MAX;

/// Every byte is for whoever reads.
const LET_THROUGH: usize = 0;
/// Enough to know that more has come.
const ONE_BYTE: usize = 1;
/// As much of a body as Pingora keeps for a retry.
const HOLD: usize = 64 * 1024;

/// What the connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// The rest of a request's header; at the start of a connection, all of it.
    Header,
    /// The first byte of the next request.
    KeepAlive,
    /// The end of a request; a deadline set now is the backend's.
    Request,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ClientStream {
    pub(super) inner: Stream,
    pub(super) limits: ClientLimits,
    /// Of the listener that it came in by.
    counts: Arc<ListenerCounts>,
    /// What instants are counted from.
    start: Instant,
    phase: AtomicU8,
    /// Milliseconds after `start` at which the phase must have ended, or [`NEVER`].
    deadline: AtomicU64,
    /// Milliseconds for which, once an answer has begun, nothing may move before the backend is
    /// late; 0 for no limit.
    gap: AtomicU64,
    /// Whether bytes have moved since the deadline was set. The clock is read once for all of them.
    has_moved: AtomicBool,
    late: AtomicBool,
    learned: LearnedLimit,
    /// How many bytes to hold back while only the end of the stream is of interest; 0 to let them
    /// through.
    watch: AtomicUsize,
    pub(super) early: EarlyBytes,
    /// How many bytes Pingora was given.
    delivered: u64,
    /// How many of those are requests that have begun; [`u64::MAX`] once that cannot be told.
    requested: AtomicU64,
    /// Whether anything has come on this connection.
    has_spoken: bool,
    request_line: RequestLine,
    read_timer: Timer,
    pub(super) write_timer: Timer,
    /// When a write that is stuck must be done.
    pub(super) write_deadline: Option<Instant>,
}

impl ClientStream {
    pub(crate) fn new(inner: Stream, limits: ClientLimits, counts: Arc<ListenerCounts>) -> Self {
        let start = clock::now();
        Self {
            inner,
            limits,
            counts,
            start,
            phase: AtomicU8::new(Phase::Header as u8),
            deadline: AtomicU64::new(millis(limits.header)),
            gap: AtomicU64::new(0),
            has_moved: AtomicBool::new(false),
            late: AtomicBool::new(false),
            learned: LearnedLimit::default(),
            watch: AtomicUsize::new(LET_THROUGH),
            early: EarlyBytes::default(),
            delivered: 0,
            requested: AtomicU64::new(0),
            has_spoken: false,
            request_line: RequestLine::default(),
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            write_deadline: None,
        }
    }

    /// The stream under a session, when it is one of ours: HTTP/1 on a listener of this process.
    pub(crate) fn of(session: &Session) -> Option<&Self> {
        session.stream()?.as_any().downcast_ref()
    }

    /// What is counted of the listener that it came in by.
    pub(crate) fn counts(&self) -> &ListenerCounts {
        &self.counts
    }

    /// A request's header is complete; the request has so many bytes with its body, if that is known.
    pub(crate) fn request_began(&self, bytes: Option<u64>) {
        let requested = self.requested.load(Ordering::Relaxed);
        let requested = requested.saturating_add(bytes.unwrap_or(u64::MAX));
        self.requested.store(requested, Ordering::Relaxed);
        self.late.store(false, Ordering::Relaxed);
        self.watch.store(LET_THROUGH, Ordering::Relaxed);
        self.expect_nothing();
        self.set_phase(Phase::Request);
    }

    /// The request's body is complete, too.
    pub(crate) fn request_is_whole(&self) {
        self.watch.store(ONE_BYTE, Ordering::Relaxed);
    }

    /// Nobody reads the request now; what comes of it is kept for who will.
    pub(crate) fn hold(&self, is_whole: bool) {
        let watch = if is_whole { ONE_BYTE } else { HOLD };
        self.expect_nothing();
        self.watch.store(watch, Ordering::Relaxed);
    }

    /// The request is read again.
    pub(crate) fn release(&self) {
        self.watch.store(LET_THROUGH, Ordering::Relaxed);
    }

    /// The request became a tunnel: what comes now belongs to the backend, whenever it comes.
    pub(crate) fn became_tunnel(&self) {
        self.watch.store(LET_THROUGH, Ordering::Relaxed);
        self.expect_nothing();
    }

    /// The request is over; the connection may carry another.
    pub(crate) fn request_ended(&self, now: Instant) {
        self.expect_nothing();
        if self.backend_was_late() {
            self.take_next();
        }
        self.watch.store(LET_THROUGH, Ordering::Relaxed);
        self.set_deadline(now + self.limits.keepalive);
        self.set_phase(Phase::KeepAlive);
    }

    /// The backend owes the first byte of its answer by then.
    pub(crate) fn expect_answer(&self, by: Instant) {
        self.learned.forget();
        self.set_deadline(by);
    }

    /// The backend usually answers by then. If it does not, `patience` decides.
    pub(super) fn expect_answer_soon(&self, by: Instant, patience: Patience) {
        self.learned.set(patience);
        self.set_deadline(by);
    }

    /// The backend of the next attempt, when a learned limit has ended this one.
    pub(crate) fn take_next(&self) -> Option<Lease> {
        self.learned.take_next()
    }

    /// The answer has begun; from here on the backend is late when it pauses for so long.
    pub(crate) fn expect_no_gap(&self, now: Instant, gap: Duration) {
        self.learned.forget();
        self.gap.store(millis(gap), Ordering::Relaxed);
        self.set_deadline(now + gap);
    }

    /// The backend asked for the body; it owes nothing until it has it.
    pub(crate) fn client_may_send(&self) {
        if self.watch.load(Ordering::Relaxed) == LET_THROUGH {
            self.client_goes_on();
        }
    }

    /// The client is still sending: as long as no answer has begun, the backend owes nothing.
    pub(crate) fn client_goes_on(&self) {
        if self.gap.load(Ordering::Relaxed) == 0 {
            self.expect_nothing();
        }
    }

    /// The backend owes nothing.
    pub(crate) fn expect_nothing(&self) {
        self.learned.forget();
        self.gap.store(0, Ordering::Relaxed);
        self.deadline.store(NEVER, Ordering::Relaxed);
    }

    /// Whether the read that failed did so because the backend was late. Asking clears it.
    pub(crate) fn backend_was_late(&self) -> bool {
        self.late.swap(false, Ordering::Relaxed)
    }

    /// Whether the request line has a control character in it. Pingora escapes those and goes on,
    /// so the parsed request does not show them. What a client pipelines behind another request
    /// is not looked at; escaped, it can do no harm.
    pub(crate) fn is_request_line_in_doubt(&self) -> bool {
        self.request_line.has_control()
    }

    /// Whether Pingora holds nothing of a next request. It keeps what it has read too much, and tells
    /// nobody.
    pub(super) fn is_drained(&self) -> bool {
        self.delivered == self.requested.load(Ordering::Relaxed)
    }

    fn is_client_sending(&self) -> bool {
        self.gap.load(Ordering::Relaxed) > 0 && self.watch.load(Ordering::Relaxed) == LET_THROUGH
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            phase if phase == Phase::Header as u8 => Phase::Header,
            phase if phase == Phase::KeepAlive as u8 => Phase::KeepAlive,
            _ => Phase::Request,
        }
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn set_deadline(&self, deadline: Instant) {
        let after = millis(deadline.saturating_duration_since(self.start));
        self.deadline.store(after, Ordering::Relaxed);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Ordering::Relaxed) {
            NEVER => None,
            after => Some(self.start + Duration::from_millis(after)),
        }
    }

    /// These bytes have come from the client.
    fn received(&mut self, bytes: &[u8]) {
        match self.phase() {
            Phase::Request => return self.moved(),
            Phase::Header => {}
            Phase::KeepAlive => {
                self.set_deadline(clock::now() + self.limits.header);
                self.set_phase(Phase::Header);
                self.request_line = RequestLine::default();
            }
        }
        self.has_spoken = true;
        self.request_line.read(bytes);
    }

    /// Reads what is Pingora's to have.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if !self.early.deliver(buf) {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        }
        if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            self.received(bytes);
            self.delivered += bytes.len() as u64;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when what the connection waits for took too long, with what a reader is told.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(deadline) = self.deadline() else { return Poll::Pending };
            ready!(self.read_timer.poll(deadline, cx));
            match self.learned.prolonged(clock::now()) {
                Some(deadline) => self.set_deadline(deadline),
                None => return Poll::Ready(self.expired(cx)),
            }
        }
    }

    /// Bytes have moved; the pause begins anew when nobody has anything to do.
    pub(super) fn moved(&self) {
        self.has_moved.store(true, Ordering::Relaxed);
    }

    /// Nobody has anything to do: if bytes have moved, the pause begins now.
    fn pause(&self) {
        if self.has_moved.swap(false, Ordering::Relaxed) {
            let gap = self.gap.load(Ordering::Relaxed);
            if gap > 0 {
                self.set_deadline(clock::now() + Duration::from_millis(gap));
            }
        }
    }

    /// The phase took too long.
    fn expired(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.deadline.store(NEVER, Ordering::Relaxed);
        match self.phase() {
            // An answer has begun, and the client has stopped sending: the backend may well be
            // waiting for it.
            Phase::Request if self.is_client_sending() => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the client was late"))
            }
            Phase::Request => {
                self.late.store(true, Ordering::Relaxed);
                Err(io::Error::new(io::ErrorKind::TimedOut, "the backend was late"))
            }
            Phase::Header if self.has_spoken => {
                // Once, and only if it fits: who is this slow is owed no more.
                let _ = Pin::new(&mut self.inner).poll_write(cx, REQUEST_TIMEOUT);
                let _ = Pin::new(&mut self.inner).poll_flush(cx);
                Ok(())
            }
            // Looks to Pingora as if the client had closed, which it answers by closing quietly.
            Phase::Header | Phase::KeepAlive => Ok(()),
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match this.watch.load(Ordering::Relaxed) {
            LET_THROUGH => this.poll_bytes(cx, buf),
            hold => this.early.poll_closed(&mut this.inner, hold, cx),
        };
        if result.is_ready() {
            return result;
        }
        this.pause();
        this.poll_expired(cx)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}
