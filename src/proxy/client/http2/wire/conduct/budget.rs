//! What a client's frames may cost: one budget for all floods.
//!
//! A frame that moves no request forward costs something: a reset, a PING, a window that is opened by a
//! byte. Requests that are answered and bytes that move pay for such frames, and a moderate number each
//! second is free; so an ordinary client never notices, whatever it does beside its requests, and a
//! client that does nothing else has spent its budget within a second.

use std::time::Instant;

use super::super::frames::{Frame, Head, Kind};
use crate::count::Cut;

/// The budget of a new connection, and the most that can be saved up. All streams of a connection
/// can be cancelled at once. Each may have a backend by then: with three times as much, 20 connections that cancel take
/// 94 MiB instead of 24 until they are cut.
const FULL: u32 = 2048;
/// What each second adds.
const PER_SECOND: f64 = 128.0;

/// A request, answered or not.
const REQUEST: u32 = 4;
/// A stream that is cancelled: more than the request costs `lb` may have been done for it.
const RESET: u32 = 8;
/// A stream that is refused because too many are open.
const REFUSED: u32 = 8;
/// A frame that goes on with the fields of the one before it.
const CONTINUATION: u32 = 4;
/// A whole answer pays for its request and for the reset of another one.
const ANSWER: u32 = 16;
/// It is acknowledged, and changes every stream.
const SETTINGS: u32 = 16;
/// It is answered.
const PING: u32 = 4;
/// Data without data.
const EMPTY: u32 = 8;
/// A request that `lb` resets because it is malformed, when it has come, and again when it is reset: many
/// can come before one is reset.
const MALFORMED: u32 = 24;
/// A request whose fields are too large: thousands of them may have been decoded for it.
const TOO_LARGE: u32 = 256;
/// A request that is ended because its client sends or takes too little: it was held for as long as that
/// takes. Some may have stopped together, as when a page pauses.
const STALLED: u32 = 192;
/// Bytes of answers that pay for one window update.
const SENT_BYTES: u32 = 16;
/// Bytes of bodies that pay for one unit.
const RECEIVED_BYTES: u32 = 256;

/// RFC 9113 section 7.
pub(super) const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// Why a request was reset that the hooks have not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejection {
    /// It is malformed, or its stream broke the rules.
    Malformed,
    /// Too many were under way.
    TooMany,
}

impl Rejection {
    /// What a frame that was sent says of the request. An answer that breaks off is cancelled, and one
    /// that needs no body ends without an error.
    pub(super) fn of(sent: &Frame) -> Option<Self> {
        match (sent.head.kind, sent.error()) {
            (Kind::Reset, NO_ERROR | CANCEL) => None,
            (Kind::Reset, REFUSED_STREAM) => Some(Self::TooMany),
            (Kind::Reset, _) => Some(Self::Malformed),
            _ => None,
        }
    }
}

/// The budget of one connection.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    /// When time was last counted.
    counted: Instant,
    has_begun: bool,
    in_fields: bool,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: FULL, counted: now, has_begun: false, in_fields: false }
    }

    /// Whether a block of fields has begun whose end has not come.
    pub(super) fn is_in_fields(&self) -> bool {
        self.in_fields
    }

    /// A frame of the client has come. The clock is read only where the budget is spent otherwise.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn received(
        &mut self,
        head: &Head,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Cut> {
        if !std::mem::replace(&mut self.has_begun, true) && head.kind != Kind::Settings {
            // RFC 9113 section 3.4.
            return Err(Cut::Protocol);
        }
        if matches!(head.kind, Kind::Headers | Kind::Continuation) {
            self.in_fields = !head.ends_fields();
        }
        let (cost, why) = match head.kind {
            Kind::Data if head.length > 0 => {
                self.earn(head.length / RECEIVED_BYTES);
                return Ok(());
            }
            Kind::Data if head.ends_stream() => return Ok(()),
            Kind::Data => (EMPTY, Cut::EmptyFrames),
            Kind::Headers => {
                // A request alone is no reason: what becomes of it may be.
                self.left = self.left.saturating_sub(REQUEST);
                return Ok(());
            }
            Kind::Continuation => (CONTINUATION, Cut::Continuation),
            Kind::Reset => (RESET, Cut::Resets),
            Kind::Settings => (SETTINGS, Cut::Settings),
            Kind::Ping => (PING, Cut::Pings),
            Kind::WindowUpdate => (1, Cut::WindowUpdates),
            Kind::Priority | Kind::Push | Kind::GoAway | Kind::Unknown => (1, Cut::OtherFrames),
        };
        self.spend(cost, why, now)
    }

    /// A malformed request has come.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn malformed(&mut self, now: impl FnOnce() -> Instant) -> Result<(), Cut> {
        self.spend(MALFORMED, Cut::Malformed, now)
    }

    /// A request has come whose fields are too large.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn too_large(&mut self, now: impl FnOnce() -> Instant) -> Result<(), Cut> {
        self.spend(TOO_LARGE, Cut::FieldList, now)
    }

    /// This number of requests was ended because their client sent or took too little.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn stalled(
        &mut self,
        requests: u32,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Cut> {
        self.spend(STALLED.saturating_mul(requests), Cut::Stalled, now)
    }

    /// A frame was sent to the client.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn sent(&mut self, frame: &Frame, now: impl FnOnce() -> Instant) -> Result<(), Cut> {
        if frame.head.kind == Kind::Data {
            self.earn(frame.head.length / SENT_BYTES);
        }
        if frame.head.ends_stream() {
            self.earn(ANSWER);
        }
        match Rejection::of(frame) {
            None => Ok(()),
            Some(Rejection::TooMany) => self.spend(REFUSED, Cut::Requests, now),
            Some(Rejection::Malformed) => self.spend(MALFORMED, Cut::Malformed, now),
        }
    }

    fn earn(&mut self, earned: u32) {
        self.left = self.left.saturating_add(earned).min(FULL);
    }

    fn spend(&mut self, cost: u32, why: Cut, now: impl FnOnce() -> Instant) -> Result<(), Cut> {
        if self.left < cost {
            let now = now();
            let seconds = now.saturating_duration_since(self.counted).as_secs_f64();
            let earned = (seconds * PER_SECOND).min(f64::from(FULL)) as u32;
            // Less than one unit goes on counting.
            if earned > 0 {
                self.counted = now;
                self.earn(earned);
            }
        }
        self.left = self.left.checked_sub(cost).ok_or(why)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::super::frames::FrameScanner, *};
    use crate::clock;

    /// A frame with these flags and this payload.
    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Frame {
        let length = (payload.len() as u32).to_be_bytes();
        let bytes = [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat();
        FrameScanner::new().next(&mut &bytes[..]).unwrap()
    }

    /// A budget after the first frame, and its moment.
    fn begun() -> (Budget, Instant) {
        let now = clock::now();
        let mut budget = Budget::new(now);
        budget.received(&frame(4, 0, &[]).head, || now).unwrap();
        (budget, now)
    }

    /// How often this is possible, up to 10,000 times, and what ends it.
    fn count(mut once: impl FnMut() -> Result<(), Cut>) -> (u32, Option<Cut>) {
        for number in 0..10_000 {
            if let Err(cut) = once() {
                return (number, Some(cut));
            }
        }
        (10_000, None)
    }

    #[test]
    fn each_flood_ends_soon_and_says_what_it_is() {
        for (kind, flags, payload, cut) in [
            (3, 0, &[0, 0, 0, 8][..], Cut::Resets),
            (4, 0, &[], Cut::Settings),
            (6, 0, &[0; 8], Cut::Pings),
            (0, 0, &[], Cut::EmptyFrames),
            (8, 0, &[0, 0, 0, 1], Cut::WindowUpdates),
            (9, 0, &[], Cut::Continuation),
            (2, 0, &[0; 5], Cut::OtherFrames),
            (0xaa, 0, &[], Cut::OtherFrames),
        ] {
            let (mut budget, now) = begun();
            let frame = frame(kind, flags, payload);
            let (times, why) = count(|| budget.received(&frame.head, || now));
            assert!((100..=FULL).contains(&times), "{cut:?} after {times}");
            assert_eq!(why, Some(cut));
            // A moderate number each second goes on for ever.
            let mut later = now;
            let (_, why) = count(|| {
                later += Duration::from_secs(1);
                budget.received(&frame.head, || later)
            });
            assert_eq!(why, None, "{cut:?}");
        }
    }

    #[test]
    fn requests_that_are_answered_pay_for_those_that_are_not() {
        let (mut budget, now) = begun();
        let (ask, answer) = (frame(1, 5, &[]), frame(1, 5, &[]));
        let reset = frame(3, 0, &[0, 0, 0, 8]);
        let half = count(|| {
            budget.received(&ask.head, || now)?;
            budget.sent(&answer, || now)?;
            budget.received(&ask.head, || now)?;
            budget.received(&reset.head, || now)
        });
        assert_eq!(half, (10_000, None), "one of two is cancelled");
        let (times, why) = count(|| {
            budget.received(&ask.head, || now)?;
            budget.received(&reset.head, || now)
        });
        assert!((128..=200).contains(&times), "all streams may be cancelled at once: {times}");
        assert_eq!(why, Some(Cut::Resets));
    }

    #[test]
    fn bytes_that_move_pay_for_windows() {
        let (mut budget, now) = begun();
        let (window, data) = (frame(8, 0, &[0, 0, 0, 50]), frame(0, 0, &[0; 50]));
        let of_events = count(|| {
            budget.sent(&data, || now)?;
            budget.received(&window.head, || now)?;
            budget.received(&window.head, || now)
        });
        assert_eq!(of_events, (10_000, None), "each event of 50 bytes opens both windows");
        let byte = frame(0, 0, &[0]);
        let (_, why) = count(|| {
            budget.sent(&byte, || now)?;
            budget.received(&window.head, || now)
        });
        assert_eq!(why, Some(Cut::WindowUpdates));
    }

    #[test]
    fn only_resets_that_are_the_clients_fault_cost() {
        let (mut budget, now) = begun();
        for code in [0, 8] {
            assert_eq!(count(|| budget.sent(&frame(3, 0, &[0, 0, 0, code]), || now)).1, None);
        }
        let malformed = frame(3, 0, &[0, 0, 0, 1]);
        assert_eq!(count(|| budget.sent(&malformed, || now)).1, Some(Cut::Malformed));
        let (mut budget, now) = begun();
        let refused = frame(3, 0, &[0, 0, 0, 7]);
        let (times, why) = count(|| budget.sent(&refused, || now));
        assert!(times > 128, "a client may open more before it knows the limit: {times}");
        assert_eq!(why, Some(Cut::Requests));
    }

    #[test]
    fn requests_that_are_malformed_or_too_large_cost_when_they_come() {
        let (mut budget, now) = begun();
        let (times, why) = count(|| budget.malformed(|| now));
        assert!((50..=100).contains(&times), "{times}");
        assert_eq!(why, Some(Cut::Malformed));
        let (mut budget, now) = begun();
        // The answer to it pays for it in part.
        let answer = frame(1, 5, &[]);
        let (times, why) = count(|| {
            budget.too_large(|| now)?;
            budget.sent(&answer, || now)
        });
        assert!(times < 16, "{times}");
        assert_eq!(why, Some(Cut::FieldList));
    }

    #[test]
    fn a_few_requests_may_stall_together() {
        let (mut budget, now) = begun();
        let (times, why) = count(|| budget.stalled(1, || now));
        assert!((8..=16).contains(&times), "{times}");
        assert_eq!(why, Some(Cut::Stalled));
        assert_eq!(begun().0.stalled(128, || now), Err(Cut::Stalled));
        // One every other second goes on for ever.
        let (mut budget, mut later) = begun();
        let (_, why) = count(|| {
            later += Duration::from_secs(2);
            budget.stalled(1, || later)
        });
        assert_eq!(why, None);
    }

    #[test]
    fn settings_come_first() {
        let now = clock::now();
        let first = Budget::new(now).received(&frame(6, 0, &[0; 8]).head, || now);
        assert_eq!(first, Err(Cut::Protocol));
    }
}
