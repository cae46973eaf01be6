//! How a client behaves on its connection, as the bytes of its frames show, and when that is reason
//! enough to close it.
//!
//! The `h2` crate asks the transport for bytes, so the transport finds out; but only the task of the
//! connection can tell the client of it (GOAWAY). [`Signals`] is what the one tells the other.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    block::{Judgement, RefusedStream},
    budget::{Budget, NO_ERROR, Rejection},
    closing::Closing,
    farewell::Farewell,
    frames::{Frame, FrameScanner, Head, Kind},
};
use crate::clock;
use crate::count::{Cut, ListenerCounts};
use crate::field_lists::TOO_LARGE;
use crate::http1::Refusal;

/// The most refused requests that wait for the task of their connection. Of those that may be under way no more
/// than 128 do; the others were cancelled, or are refused by the `h2` crate as too many.
const REFUSED: usize = 1024;

/// The window of a stream if the client says nothing else (RFC 9113 section 6.9.2).
const FIRST_WINDOW: u32 = 65_535;

/// The reasons that the `h2` crate gives.
const REASONS: [(&str, Cut); 5] = [
    ("too_many_resets", Cut::Resets),
    ("too_many_internal_resets", Cut::Malformed),
    ("too_many_data_frames", Cut::EmptyFrames),
    ("too_many_continuations", Cut::Continuation),
    ("header_list_way_too_large", Cut::FieldList),
];

/// What the transport of a connection tells its task.
#[derive(Debug)]
pub(in super::super) struct Signals {
    closing: OnceLock<Closing>,
    is_cut: Notify,
    has_read: AtomicBool,
    has_refused: AtomicBool,
    /// The window of a new stream, for what is sent on it (RFC 9113 section 6.5.2).
    first_window: AtomicU32,
    /// The stream of a frame of a body that is not complete, and how much of it has come.
    frame: AtomicU64,
    stalled: AtomicU32,
    /// Locked only while there are any, which is rare.
    refused: Mutex<Vec<RefusedStream>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            closing: OnceLock::new(),
            is_cut: Notify::new(),
            has_read: AtomicBool::new(false),
            has_refused: AtomicBool::new(false),
            first_window: AtomicU32::new(FIRST_WINDOW),
            frame: AtomicU64::new(0),
            stalled: AtomicU32::new(0),
            refused: Mutex::default(),
        }
    }
}

impl Signals {
    /// The window of a new stream, in bytes, for what is sent on it.
    pub(in super::super) fn first_window(&self) -> u32 {
        self.first_window.load(Ordering::Relaxed)
    }

    /// How much has come of a frame of a body on this stream that is not complete, in bytes. The `h2` crate
    /// says nothing of it before it is.
    pub(in super::super) fn came_of_frame(&self, stream: u32) -> u64 {
        let frame = self.frame.load(Ordering::Relaxed);
        if frame >> 32 == u64::from(stream) { frame & u64::from(u32::MAX) } else { 0 }
    }

    /// Has the connection closed for this reason, unless it is closed for another already.
    pub(in super::super) fn cut(&self, why: impl Into<Closing>) {
        if self.closing.set(why.into()).is_ok() {
            self.is_cut.notify_one();
        }
    }

    /// Why the connection was closed, if `lb` did it.
    pub(in super::super) fn why(&self) -> Option<Closing> {
        self.closing.get().copied()
    }

    /// Waits until the connection is to be closed.
    pub(in super::super) async fn wait(&self) -> Closing {
        loop {
            if let Some(why) = self.why() {
                return why;
            }
            self.is_cut.notified().await;
        }
    }

    /// Notes that a request is to be refused. One that is cancelled before it is accepted stays here
    /// until a later one is.
    ///
    /// # Errors
    ///
    /// If there are too many: a request must not be served because its refusal was forgotten.
    fn refuse(&self, stream: RefusedStream) -> Result<(), Cut> {
        let mut all = self.refused.lock();
        if all.len() == REFUSED {
            return Err(Cut::Requests);
        }
        all.push(stream);
        self.has_refused.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Why the request on this stream is to be refused, if it is. Requests are accepted in the order of their
    /// streams.
    pub(in super::super) fn refusal(&self, stream: u32) -> Option<Refusal> {
        if !self.has_refused.load(Ordering::Relaxed) {
            return None;
        }
        let mut all = self.refused.lock();
        let refusal = all.iter().find(|refused| refused.stream == stream).map(|it| it.refusal);
        all.retain(|refused| refused.stream > stream);
        self.has_refused.store(!all.is_empty(), Ordering::Relaxed);
        refusal
    }

    /// Notes that this number of requests is ended, or held up, because their client sends or takes too little.
    pub(in super::super) fn stalled(&self, requests: u32) {
        self.stalled.fetch_add(requests, Ordering::Relaxed);
    }

    /// Whether the client has sent anything since the last time this was asked.
    pub(in super::super) fn take_has_read(&self) -> bool {
        self.has_read.swap(false, Ordering::Relaxed)
    }
}

/// The conduct of one client.
#[derive(Debug)]
pub(super) struct Conduct {
    sent: FrameScanner,
    budget: Budget,
    farewell: Farewell,
    /// How long a header may take.
    limit: Duration,
    /// When the header that has begun must be complete.
    by: Option<Instant>,
    signals: Arc<Signals>,
}

impl Conduct {
    pub(super) fn new(limit: Duration, signals: Arc<Signals>) -> Self {
        Self {
            sent: FrameScanner::new(),
            budget: Budget::new(clock::now()),
            farewell: Farewell::default(),
            limit,
            by: None,
            signals,
        }
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    pub(super) fn farewell(&mut self) -> &mut Farewell {
        &mut self.farewell
    }

    /// Bytes of the client have come.
    pub(super) fn has_read(&self) {
        self.signals.has_read.store(true, Ordering::Relaxed);
    }

    /// The head of a frame of the client has come.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn frame(&mut self, head: &Head) -> Result<(), Closing> {
        if !self.budget.is_in_fields() {
            self.by = None;
        }
        self.farewell.came(head)?;
        Ok(self.budget.received(head, clock::now)?)
    }

    /// This much of the payload of a frame of a body has come.
    pub(super) fn came_of_frame(&mut self, frame: &Head, came: u32) {
        let is_complete = came == frame.length;
        let value = if is_complete { 0 } else { u64::from(frame.stream) << 32 | u64::from(came) };
        self.signals.frame.store(value, Ordering::Relaxed);
    }

    /// The client has set the window of new streams.
    pub(super) fn set_first_window(&mut self, window: u32) {
        self.signals.first_window.store(window, Ordering::Relaxed);
    }

    /// A frame with fields was read.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn judged(&mut self, judgement: Judgement) -> Result<(), Closing> {
        match judgement {
            Judgement::Good => {}
            Judgement::Malformed => self.budget.malformed(clock::now)?,
            Judgement::Refused(stream) => {
                if stream.refusal == TOO_LARGE {
                    self.budget.too_large(clock::now)?;
                }
                self.signals.refuse(stream)?;
            }
        }
        Ok(())
    }

    /// No more bytes have come; `is_inside` says that a frame has begun that is to be complete soon.
    /// Returns until when to wait for more, if there is such a limit.
    pub(super) fn must_go_on_by(&mut self, is_inside: bool) -> Option<Instant> {
        if self.budget.is_in_fields() || is_inside {
            let limit = self.limit;
            return Some(*self.by.get_or_insert_with(|| clock::now() + limit));
        }
        self.by = None;
        None
    }

    /// Bytes were sent to the client. `reset` is told of each stream that they reset.
    pub(super) fn sent(
        &mut self,
        mut bytes: &[u8],
        counts: &ListenerCounts,
        mut reset: impl FnMut(u32),
    ) {
        while let Some(frame) = self.sent.next(&mut bytes) {
            if frame.head.kind == Kind::Reset {
                reset(frame.head.stream);
            }
            match Rejection::of(&frame) {
                Some(Rejection::Malformed) => counts.malformed_streams.one(),
                Some(Rejection::TooMany) => counts.refused_streams.one(),
                None if frame.head.kind == Kind::GoAway && frame.error() != NO_ERROR => {
                    self.signals.cut(reason(&frame));
                }
                None => {}
            }
            self.farewell.sent(&frame);
            if let Err(why) = self.pay_for(&frame) {
                self.signals.cut(why);
            }
        }
    }

    fn pay_for(&mut self, sent: &Frame) -> Result<(), Cut> {
        self.budget.sent(sent, clock::now)?;
        // A request that has stalled ends with a reset.
        if sent.head.kind == Kind::Reset {
            let stalled = self.signals.stalled.swap(0, Ordering::Relaxed);
            if stalled > 0 {
                self.budget.stalled(stalled, clock::now)?;
            }
        }
        Ok(())
    }
}

/// Why the `h2` crate closes the connection.
fn reason(frame: &Frame) -> Cut {
    let known = REASONS.iter().find(|(why, _)| frame.explains(why));
    known.map_or(Cut::Protocol, |(_, cut)| *cut)
}
