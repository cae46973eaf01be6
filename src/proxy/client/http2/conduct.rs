//! How a client behaves on its connection, as the bytes of its frames show, and when that is reason
//! enough to close it.
//!
//! The `h2` crate asks the transport for bytes, so the transport finds out; but only the task of the
//! connection can tell the client of it (GOAWAY). [`Signals`] is what the one tells the other.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    budget::{Budget, NO_ERROR, Rejection},
    frames::{Frame, FrameScanner, Kind},
};
use crate::clock;
use crate::count::{Cut, ListenerCounts};

/// The preface that frames of a client come after, in bytes.
const PREFACE: u32 = 24;
/// The reasons that the `h2` crate gives.
const REASONS: [(&str, Cut); 5] = [
    ("too_many_resets", Cut::Resets),
    ("too_many_internal_resets", Cut::Malformed),
    ("too_many_data_frames", Cut::EmptyFrames),
    ("too_many_continuations", Cut::Continuation),
    ("header_list_way_too_large", Cut::FieldList),
];

/// What the transport of a connection tells its task.
#[derive(Debug, Default)]
pub(super) struct Signals {
    cut: OnceLock<Cut>,
    is_cut: Notify,
    has_read: AtomicBool,
}

impl Signals {
    /// Has the connection closed for this reason, unless it is closed for another already.
    pub(super) fn cut(&self, why: Cut) {
        if self.cut.set(why).is_ok() {
            self.is_cut.notify_one();
        }
    }

    /// Why the connection was closed, if `lb` did it.
    pub(super) fn why(&self) -> Option<Cut> {
        self.cut.get().copied()
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn wait(&self) -> Cut {
        loop {
            if let Some(why) = self.why() {
                return why;
            }
            self.is_cut.notified().await;
        }
    }

    /// Whether the client has sent anything since the last time this was asked.
    pub(super) fn take_has_read(&self) -> bool {
        self.has_read.swap(false, Ordering::Relaxed)
    }
}

/// The frames of a connection in both directions, as far as they have come.
#[derive(Debug)]
pub(super) struct Conduct {
    received: FrameScanner,
    sent: FrameScanner,
    budget: Budget,
    /// How long a header may take.
    limit: Duration,
    /// When the header that has begun must be complete.
    by: Option<Instant>,
    signals: Arc<Signals>,
}

impl Conduct {
    pub(super) fn new(limit: Duration, signals: Arc<Signals>) -> Self {
        Self {
            received: FrameScanner::after(PREFACE),
            sent: FrameScanner::after(0),
            budget: Budget::new(clock::now()),
            limit,
            by: None,
            signals,
        }
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Bytes of the client have come. Returns whether they may be processed.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> bool {
        self.signals.has_read.store(true, Ordering::Relaxed);
        while let Some(frame) = self.received.next(&mut bytes) {
            if !self.budget.is_in_fields() {
                self.by = None;
            }
            if let Err(why) = self.budget.received(&frame, clock::now) {
                self.signals.cut(why);
                return false;
            }
        }
        true
    }

    /// No more bytes have come. Returns until when to wait for more, if there is such a limit.
    pub(super) fn must_go_on_by(&mut self) -> Option<Instant> {
        if self.budget.is_in_fields() || self.received.is_inside() {
            let limit = self.limit;
            return Some(*self.by.get_or_insert_with(|| clock::now() + limit));
        }
        self.by = None;
        None
    }

    /// Bytes were sent to the client.
    pub(super) fn sent(&mut self, mut bytes: &[u8], counts: &ListenerCounts) {
        while let Some(frame) = self.sent.next(&mut bytes) {
            match Rejection::of(&frame) {
                Some(Rejection::Malformed) => counts.malformed_streams.one(),
                Some(Rejection::TooMany) => counts.refused_streams.one(),
                None if frame.kind == Kind::GoAway && frame.error() != NO_ERROR => {
                    self.signals.cut(reason(&frame));
                }
                None => {}
            }
            if let Err(why) = self.budget.sent(&frame, clock::now) {
                self.signals.cut(why);
            }
        }
    }
}

/// Why the `h2` crate closes the connection.
fn reason(frame: &Frame) -> Cut {
    let known = REASONS.iter().find(|(why, _)| frame.explains(why));
    known.map_or(Cut::Protocol, |(_, cut)| *cut)
}
