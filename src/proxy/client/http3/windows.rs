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
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use quinn::{Connection, TransportConfig, VarInt};

use super::super::pace::Blocked;

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
    /// Whether the client has ever found no room, which is rare.
    was_blocked: AtomicBool,
    look: Mutex<Look>,
}

/// What is known of the window for what the client sends from the last look at it.
#[derive(Debug, Default)]
struct Look {
    received: u64,
    /// Whether bodies moved before it.
    moves: bool,
    /// For how many bodies that are held the window has been widened. It is never narrowed: `quinn` would count
    /// each time that it is widened again.
    held: usize,
    /// How often the client had said by then that it finds no room (RFC 9000 section 19.12).
    said: u64,
    /// For how long it found none.
    blocked: Duration,
}

impl Look {
    /// Whether the client finds no room for what it would send.
    fn is_blocked(&self, held: usize, said: impl FnOnce() -> u64) -> bool {
        held > self.held && !self.moves && said() > self.said
    }

    /// The window, in bytes, where this number of bytes has been received.
    fn window(&self, received: u64) -> u32 {
        let usual = if received < PROOF { NARROW } else { WIDE };
        usual + self.held as u32 * STREAM
    }
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

impl Windows {
    /// Sets the windows of a new connection.
    pub(super) fn begin(transport: &mut TransportConfig) {
        transport
            .stream_receive_window(VarInt::from_u32(STREAM))
            .receive_window(VarInt::from_u32(NARROW))
            .send_window(NARROW.into());
    }

    /// Looks at bodies that do not move, after each such `time`; `said` is how often the client has said that it
    /// finds no room. Returns what the window is to be, in bytes, if it is to be widened.
    pub(super) fn look(&self, said: u64, time: Duration) -> Option<u32> {
        let received = self.received.load(Ordering::Relaxed);
        let held = self.held.load(Ordering::Relaxed);
        let mut look = self.look.lock();
        look.moves = received - look.received >= MOVES;
        look.received = received;
        if look.is_blocked(held, || said) {
            look.blocked += time;
            self.was_blocked.store(true, Ordering::Relaxed);
        }
        let held = held.min(HELD);
        if look.moves || held <= look.held {
            return None;
        }
        (look.held, look.said) = (held, said);
        Some(look.window(received))
    }

    /// For how long the client found no room for its bodies beside those that are held; `said` as in
    /// [`Self::look`].
    pub(super) fn blocked(&self, said: impl FnOnce() -> u64) -> Blocked {
        let held = self.held.load(Ordering::Relaxed);
        if held == 0 && !self.was_blocked.load(Ordering::Relaxed) {
            return Blocked::NEVER;
        }
        let look = self.look.lock();
        Blocked { total: look.blocked, is_now: look.is_blocked(held, said) }
    }

    /// A body of which nothing has come.
    pub(super) fn hold(self: &Arc<Self>) -> BodyHold {
        BodyHold { windows: Arc::clone(self), is_held: false }
    }

    /// A backend takes bytes of the client.
    pub(super) fn received(&self, bytes: u64, quic: &Connection) {
        if is_passed(&self.received, bytes) {
            let window = self.look.lock().window(PROOF);
            quic.set_receive_window(VarInt::from_u32(window));
        }
    }

    /// All bytes of answers that were given to the connection.
    pub(super) fn all_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
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
    use super::*;

    #[test]
    fn the_proof_is_complete_once() {
        let moved = AtomicU64::new(0);
        let times = (0..100).filter(|_| is_passed(&moved, PROOF / 10)).count();
        assert_eq!((times, moved.into_inner()), (1, PROOF / 10 * 100));
    }

    const TIME: Duration = Duration::from_secs(2);

    #[test]
    fn bodies_that_nobody_takes_widen_the_window() {
        let windows = Arc::new(Windows::default());
        assert_eq!(windows.look(0, TIME), None);
        let mut bodies: Vec<_> = (0..2).map(|_| windows.hold()).collect();
        assert_eq!(windows.look(0, TIME), None);
        bodies[0].set(true);
        assert_eq!(windows.look(0, TIME), Some(NARROW + STREAM));
        bodies[1].set(true);
        windows.received.fetch_add(PROOF, Ordering::Relaxed);
        assert_eq!(windows.look(0, TIME), None, "one of them moves");
        windows.received.fetch_add(MOVES - 1, Ordering::Relaxed);
        assert_eq!(windows.look(0, TIME), Some(WIDE + 2 * STREAM));
        // It stays as wide, however often bodies are held.
        drop(bodies);
        let mut many: Vec<_> = (0..99).map(|_| windows.hold()).collect();
        for is_held in [false, true, false, true] {
            many[..2].iter_mut().for_each(|body| body.set(is_held));
            assert_eq!(windows.look(0, TIME), None);
        }
        many.iter_mut().for_each(|body| body.set(true));
        assert_eq!(windows.look(0, TIME), Some(WIDE + HELD as u32 * STREAM));
        assert_eq!(windows.look(0, TIME), None);
    }

    #[test]
    fn a_client_is_blocked_if_it_says_so_beside_bodies_that_do_not_move() {
        let windows = Arc::new(Windows::default());
        assert_eq!(windows.blocked(|| 1), Blocked::NEVER);
        let mut bodies: Vec<_> = (0..6).map(|_| windows.hold()).collect();
        bodies[0].set(true);
        let blocked = |said| {
            let Blocked { total, is_now } = windows.blocked(|| said);
            (total.as_secs(), is_now)
        };
        assert_eq!((blocked(0), blocked(1)), ((0, false), (0, true)));
        windows.look(1, TIME);
        assert_eq!((blocked(1), blocked(2)), ((2, false), (2, false)), "it has room now");
        bodies.iter_mut().for_each(|body| body.set(true));
        windows.look(1, TIME);
        assert_eq!((blocked(1), blocked(2)), ((2, false), (2, true)), "there are more than four");
        windows.received.fetch_add(MOVES, Ordering::Relaxed);
        windows.look(2, TIME);
        assert_eq!(blocked(2), (2, false), "it gets room as others move");
        drop(bodies);
        assert_eq!(blocked(2), (2, false));
    }
}
