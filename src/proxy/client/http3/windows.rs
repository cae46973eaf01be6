//! How much of a connection's bodies may be ahead, in either direction.
//!
//! With TCP the system holds what was not taken yet. Here it is in the memory of `lb`: what a client has
//! sent and its backend has not taken, and what was sent to a client and not acknowledged. So both windows are
//! narrow until bytes have moved, which a client that only fills them cannot show.
//!
//! All that a client sends shares one window, heads too. Bodies that no backend takes would fill it, and nothing
//! else could be sent at all; so it is widened by what a few such bodies can hold.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;
use quinn::{Connection, TransportConfig, VarInt};

/// The bytes ahead on a new connection.
const NARROW: u32 = 256 * 1024;
/// The bytes ahead where bytes have moved: with a round trip of 100 ms it allows 160 Mbit/s.
pub(super) const WIDE: u32 = 2 << 20;
/// The number of bytes that have to move. A sender that begins slowly has at most half of what it has sent on
/// its way, and so notices nothing of the narrow window.
const PROOF: u64 = 2 * NARROW as u64;

/// How much of one body a client may send ahead.
const STREAM: u32 = 1 << 20;
/// The most bodies that widen the window: it stays a matter of some MiB.
const HELD: usize = 4;
/// Less than this between two looks, in bytes, is next to nothing: the window hardly opens.
const MOVES: u64 = 64 * 1024;

/// Bytes of bodies that have moved on one connection, and bodies that do not.
#[derive(Debug, Default)]
pub(super) struct Windows {
    received: AtomicU64,
    sent: AtomicU64,
    /// Bodies of which more may have come than was taken.
    held: AtomicUsize,
    widened: Mutex<Widened>,
}

/// For how many such bodies the window is wide enough, and since when.
#[derive(Debug, Clone, Copy, Default)]
struct Widened {
    bodies: usize,
    since: Option<Instant>,
    /// How often the client had said until then that it finds no room.
    blocked: u64,
}

/// Whether more may have come of a body than was taken. It is counted as long as that is so.
#[derive(Debug)]
pub(super) struct BodyHold {
    windows: Arc<Windows>,
    is_held: bool,
}

impl BodyHold {
    /// Says whether it is so now.
    pub(super) fn set(&mut self, is_held: bool) {
        match (self.is_held, is_held) {
            (false, true) => self.windows.held.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.windows.held.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
        self.is_held = is_held;
    }
}

impl Drop for BodyHold {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// The window of one connection for what its client sends, as it was at the last look.
#[derive(Debug, Default)]
pub(super) struct ReceiveWindow {
    received: u64,
    /// By how many bodies it is widened.
    held: usize,
}

impl ReceiveWindow {
    /// Looks at the bodies of a connection, from time to time; `blocked` is how often its client has said that it
    /// finds no room (RFC 9000 section 19.12). Returns what its window is to be, in bytes; `None`
    /// if that is what it always is.
    pub(super) fn look(&mut self, windows: &Windows, blocked: u64, now: Instant) -> Option<u32> {
        let received = windows.received.load(Ordering::Relaxed);
        let has_moved = received - self.received >= MOVES;
        self.received = received;
        let held = match windows.held.load(Ordering::Relaxed).min(HELD) {
            0 => 0,
            held if !has_moved => held.max(self.held),
            _ => self.held,
        };
        let was_held = std::mem::replace(&mut self.held, held);
        if held != was_held {
            let mut widened = windows.widened.lock();
            widened.bodies = held;
            if held > was_held {
                (widened.since, widened.blocked) = (Some(now), blocked);
            }
        }
        let usual = if received < PROOF { NARROW } else { WIDE };
        (held > 0 || was_held > 0).then_some(usual + held as u32 * STREAM)
    }
}

impl Windows {
    /// Sets the windows of a new connection.
    pub(super) fn begin(transport: &mut TransportConfig) {
        transport
            .stream_receive_window(VarInt::from_u32(STREAM))
            .receive_window(VarInt::from_u32(NARROW))
            .send_window(NARROW.into());
    }

    /// Since when there is room for bodies beside those that are held: `now` if there is none, as the client says
    /// (see [`ReceiveWindow::look`]). `None` if there always was.
    pub(super) fn room(&self, blocked: u64, now: Instant) -> Option<Instant> {
        let widened = *self.widened.lock();
        let are_more = self.held.load(Ordering::Relaxed) > widened.bodies;
        if are_more && blocked > widened.blocked { Some(now) } else { widened.since }
    }

    /// A body of which nothing has come.
    pub(super) fn hold(self: &Arc<Self>) -> BodyHold {
        BodyHold { windows: Arc::clone(self), is_held: false }
    }

    /// A backend takes bytes of the client.
    pub(super) fn received(&self, bytes: u64, quic: &Connection) {
        if is_passed(&self.received, bytes) {
            quic.set_receive_window(VarInt::from_u32(WIDE));
        }
    }

    /// Bytes were given to the connection, which takes them as earlier ones are acknowledged.
    pub(super) fn sent(&self, bytes: u64, quic: &Connection) {
        if is_passed(&self.sent, bytes) {
            quic.set_send_window(WIDE.into());
        }
    }
}

/// Adds bytes. Returns whether these complete the proof.
fn is_passed(moved: &AtomicU64, bytes: u64) -> bool {
    let before = moved.fetch_add(bytes, Ordering::Relaxed);
    before < PROOF && before + bytes >= PROOF
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn the_proof_is_complete_once() {
        let moved = AtomicU64::new(0);
        let times = (0..100).filter(|_| is_passed(&moved, PROOF / 10)).count();
        assert_eq!((times, moved.into_inner()), (1, PROOF / 10 * 100));
    }

    #[test]
    fn bodies_that_nobody_takes_widen_the_window_until_they_are_taken() {
        let (windows, mut window) = (Arc::new(Windows::default()), ReceiveWindow::default());
        let now = clock::now();
        assert_eq!(window.look(&windows, 0, now), None);
        let mut bodies: Vec<_> = (0..2).map(|_| windows.hold()).collect();
        assert_eq!(window.look(&windows, 0, now), None);
        assert_eq!(windows.room(1, now), None);
        bodies[0].set(true);
        assert_eq!((windows.room(0, now), windows.room(1, now)), (None, Some(now)));
        assert_eq!(window.look(&windows, 0, now), Some(NARROW + STREAM));
        // It does not close beside one that moves, nor open for it.
        windows.received.fetch_add(PROOF, Ordering::Relaxed);
        bodies[1].set(true);
        assert_eq!(window.look(&windows, 0, now), Some(WIDE + STREAM));
        windows.received.fetch_add(MOVES - 1, Ordering::Relaxed);
        assert_eq!(window.look(&windows, 0, now), Some(WIDE + 2 * STREAM));
        bodies[0].set(false);
        assert_eq!(window.look(&windows, 0, now), Some(WIDE + 2 * STREAM));
        let later = now + Duration::from_secs(1);
        assert_eq!(windows.room(1, later), Some(now));
        drop(bodies);
        assert_eq!(window.look(&windows, 0, now), Some(WIDE));
        assert_eq!(window.look(&windows, 0, now), None);
        let mut many: Vec<_> = (0..99).map(|_| windows.hold()).collect();
        many.iter_mut().for_each(|body| body.set(true));
        assert_eq!(window.look(&windows, 0, now), Some(WIDE + HELD as u32 * STREAM));
        assert_eq!(windows.room(1, later), Some(later), "there is none for others");
    }
}
