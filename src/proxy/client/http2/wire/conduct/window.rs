//! The window of a connection for what its client sends (RFC 9113 section 5.2.1).
//!
//! All bodies share it. If backends do not take some of them, nothing may be sent of the others, which is not
//! their client's fault. The `h2` crate does not show this window.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
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
    pub(super) fn came(&mut self, head: &Head, room: &Room) {
        if head.kind == Kind::Data && head.length > 0 {
            self.bytes -= i64::from(head.length);
            if self.bytes <= 0 {
                room.is_used_up();
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

/// Since when a client may send more of its bodies.
#[derive(Debug, Default)]
pub(in super::super::super) struct Room {
    /// Whether it has ever been used up, which is rare.
    was_used_up: AtomicBool,
    /// `None` while it is.
    since: Mutex<Option<Instant>>,
}

impl Room {
    fn is_used_up(&self) {
        *self.since.lock() = None;
        self.was_used_up.store(true, Ordering::Relaxed);
    }

    fn is_there(&self, now: Instant) {
        *self.since.lock() = Some(now);
    }

    /// Since when there is room, at this moment: `now` if there is none. `None` if there always was.
    pub(in super::super::super) fn since(&self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let was_used_up = self.was_used_up.load(Ordering::Relaxed);
        was_used_up.then(|| self.since.lock().unwrap_or_else(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn there_is_room_again_once_the_window_is_opened() {
        let (mut window, room) = (ReceiveWindow::default(), Room::default());
        let begin = clock::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let data = |length| Head { kind: Kind::Data, length, flags: END_STREAM, stream: 1 };
        window.came(&data(65_534), &room);
        assert_eq!(room.since(|| at(1)), None);
        window.came(&data(0), &room);
        window.came(&data(1), &room);
        assert_eq!(room.since(|| at(2)), Some(at(2)));
        window.came(&data(10), &room);
        for frame in frames(&[
            (Kind::WindowUpdate, 1, 100),
            (Kind::Reset, 0, 100),
            (Kind::WindowUpdate, 0, 10),
        ]) {
            window.sent(&frame, &room, || at(3));
        }
        assert_eq!(room.since(|| at(4)), Some(at(4)));
        window.sent(&frames(&[(Kind::WindowUpdate, 0, 1)])[0], &room, || at(5));
        window.sent(&frames(&[(Kind::WindowUpdate, 0, 1)])[0], &room, || at(6));
        assert_eq!(room.since(|| at(7)), Some(at(5)));
        window.came(&data(2), &room);
        assert_eq!(room.since(|| at(8)), Some(at(8)));
    }
}
