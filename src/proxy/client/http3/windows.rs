//! How much of a connection's bodies may be ahead, in either direction.
//!
//! With TCP the system holds what was not taken yet. Here it is in the memory of `lb`: what a client has
//! sent and its backend has not taken, and what was sent to a client and not acknowledged. So both windows are
//! narrow until bytes have moved, which a client that only fills them cannot show.

use std::sync::atomic::{AtomicU64, Ordering};

use quinn::{Connection, TransportConfig, VarInt};

/// The bytes ahead on a new connection.
const NARROW: u32 = 256 * 1024;
/// The bytes ahead where bytes have moved: with a round trip of 100 ms it allows 160 Mbit/s.
const WIDE: u32 = 2 << 20;
/// The number of bytes that have to move. A sender that begins slowly has at most half of what it has sent on
/// its way, and so notices nothing of the narrow window.
const PROOF: u64 = 2 * NARROW as u64;

/// Bytes of bodies that have moved on one connection.
#[derive(Debug, Default)]
pub(super) struct Windows {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Windows {
    /// Sets the windows of a new connection.
    pub(super) fn begin(transport: &mut TransportConfig) {
        transport.receive_window(VarInt::from_u32(NARROW)).send_window(NARROW.into());
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
    use super::*;

    #[test]
    fn the_proof_is_complete_once() {
        let moved = AtomicU64::new(0);
        let times = (0..100).filter(|_| is_passed(&moved, PROOF / 10)).count();
        assert_eq!((times, moved.into_inner()), (1, PROOF / 10 * 100));
    }
}
