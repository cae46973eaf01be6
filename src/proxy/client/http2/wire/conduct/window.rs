//! The window of a connection for what its client sends (RFC 9113 section 5.2.1).
//!
//! All bodies share it. If backends do not take some of them, nothing may be sent of the others, which is not
//! their client's fault. The `h2` crate does not show this window.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::super::frames::{Frame, Head, Kind};

/// The window at first, in bytes (RFC 9113 section 6.9.2).
const FIRST: i64 = 65_535;

/// How much may come.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    bytes: i64,
}

impl Default for ReceiveWindow {
    fn default() -> Self {
        Self { bytes: FIRST }
    }
}

impl ReceiveWindow {
    /// The head of a frame of the client has come.
    pub(super) fn came(&mut self, head: &Head, room: &Room, now: impl FnOnce() -> Instant) {
        if head.kind == Kind::Data && head.length > 0 {
            self.bytes -= i64::from(head.length);
            if self.bytes <= 0 {
                room.is_used_up(now());
            }
        }
    }

    /// A frame was sent to the client.
    pub(super) fn sent(&mut self, frame: &Frame, room: &Room, now: impl FnOnce() -> Instant) {
        if frame.head.kind == Kind::WindowUpdate && frame.head.stream == 0 {
            let before = self.bytes;
            self.bytes += i64::from(frame.number());
            if before <= 0 && self.bytes > 0 {
                room.is_there(now());
            }
        }
    }
}

/// Whether a client may send more of its bodies, and for how long it could not.
#[derive(Debug, Default)]
pub(in super::super::super) struct Room {
    /// Whether it has ever been used up, which is rare.
    was_used_up: AtomicBool,
    used_up: Mutex<UsedUp>,
}

#[derive(Debug, Default)]
struct UsedUp {
    /// All such time before.
    total: Duration,
    since: Option<Instant>,
}

impl Room {
    fn is_used_up(&self, now: Instant) {
        self.used_up.lock().since.get_or_insert(now);
        self.was_used_up.store(true, Ordering::Relaxed);
    }

    fn is_there(&self, now: Instant) {
        let mut used_up = self.used_up.lock();
        if let Some(since) = used_up.since.take() {
            used_up.total += now.duration_since(since);
        }
    }

    /// For how long there was none, in all, and whether there is none now.
    pub(in super::super::super) fn blocked(
        &self,
        now: impl FnOnce() -> Instant,
    ) -> (Duration, bool) {
        if !self.was_used_up.load(Ordering::Relaxed) {
            return (Duration::ZERO, false);
        }
        let used_up = self.used_up.lock();
        let current = used_up.since.map(|since| now().saturating_duration_since(since));
        (used_up.total + current.unwrap_or_default(), current.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::frames::{END_STREAM, FrameScanner},
        *,
    };
    use crate::clock;

    fn frames(parts: &[(Kind, u32, u32)]) -> Vec<Frame> {
        let mut bytes = Vec::new();
        for (kind, stream, by) in parts {
            bytes.extend(Head { kind: *kind, length: 4, flags: 0, stream: *stream }.bytes());
            bytes.extend(by.to_be_bytes());
        }
        let mut scanner = FrameScanner::new();
        let mut rest = &bytes[..];
        std::iter::from_fn(|| scanner.next(&mut rest)).collect()
    }

    #[test]
    fn time_is_counted_until_the_window_is_opened() {
        let (mut window, room) = (ReceiveWindow::default(), Room::default());
        let begin = clock::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let blocked = |now| {
            let (total, is_now) = room.blocked(|| at(now));
            (total.as_secs(), is_now)
        };
        let data = |length| Head { kind: Kind::Data, length, flags: END_STREAM, stream: 1 };
        window.came(&data(65_534), &room, || at(0));
        assert_eq!(blocked(1), (0, false));
        window.came(&data(0), &room, || at(1));
        window.came(&data(1), &room, || at(1));
        assert_eq!(blocked(2), (1, true));
        window.came(&data(10), &room, || at(2));
        for frame in frames(&[
            (Kind::WindowUpdate, 1, 100),
            (Kind::Reset, 0, 100),
            (Kind::WindowUpdate, 0, 10),
        ]) {
            window.sent(&frame, &room, || at(3));
        }
        assert_eq!(blocked(4), (3, true));
        window.sent(&frames(&[(Kind::WindowUpdate, 0, 1)])[0], &room, || at(5));
        window.sent(&frames(&[(Kind::WindowUpdate, 0, 1)])[0], &room, || at(6));
        assert_eq!(blocked(7), (4, false));
        window.came(&data(2), &room, || at(7));
        assert_eq!(blocked(9), (6, true));
    }
}
