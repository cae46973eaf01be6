//! How a client behaves on its connection, as the bytes of its frames show, and when that is reason
//! enough to close it.

mod awaited;
mod budget;
mod farewell;
mod signals;
mod window;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use self::{
    budget::{Budget, NO_ERROR, Rejection},
    farewell::Farewell,
    window::ReceiveWindow,
};
use super::{
    block::Judgement,
    closing::Closing,
    frames::{Frame, FrameScanner, Head, Kind},
};
use crate::clock;
use crate::count::{Cut, ListenerCounts};
use crate::field_lists::TOO_LARGE;

pub(in super::super) use awaited::Mark;
pub(in super::super) use signals::Signals;

/// The reasons that the `h2` crate gives.
const REASONS: [(&str, Cut); 5] = [
    ("too_many_resets", Cut::Resets),
    ("too_many_internal_resets", Cut::Malformed),
    ("too_many_data_frames", Cut::EmptyFrames),
    ("too_many_continuations", Cut::Continuation),
    ("header_list_way_too_large", Cut::FieldList),
];

/// The conduct of one client.
#[derive(Debug)]
pub(super) struct Conduct {
    sent: FrameScanner,
    budget: Budget,
    window: ReceiveWindow,
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
            window: ReceiveWindow::default(),
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
        self.window.came(head, self.signals.room(), clock::now);
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
            self.window.sent(&frame, self.signals.room(), clock::now);
            self.signals.awaited().written(&frame.head);
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
