//! What has come of a request's body, kept for the next attempt as long as it is small.
//!
//! Every attempt begins with what is kept. That is also how a body that was read before the first
//! attempt gets to its backend.

use bytes::{Bytes, BytesMut};

/// The most bytes of a body that are kept: as many as Pingora keeps for its own sessions.
pub(super) const REPLAYED: usize = 64 * 1024;

/// A body, as far as it has come.
#[derive(Debug, Default)]
pub(super) enum Replay {
    /// No attempt has begun.
    #[default]
    Off,
    /// Every byte that has come.
    Kept {
        /// These bytes.
        body: BytesMut,
        /// A piece that begins before this many bytes is kept whatever its size, since no attempt has
        /// sent it.
        ahead: usize,
    },
    /// The body was too large to keep.
    TooLarge,
}

impl Replay {
    /// Keeps all pieces that come from now on. This many bytes may come before an attempt begins.
    pub(super) fn begin(&mut self, ahead: usize) {
        if matches!(self, Self::Off) {
            *self = Self::Kept { body: BytesMut::new(), ahead };
        }
    }

    /// Notes that this piece has come.
    pub(super) fn came(&mut self, piece: &[u8]) {
        if let Self::Kept { body, ahead } = self {
            if body.len() >= *ahead && body.len() + piece.len() > REPLAYED {
                *self = Self::TooLarge;
            } else {
                body.extend_from_slice(piece);
            }
        }
    }

    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge)
    }

    /// The bytes that the next attempt sends first; `None` if they are not all kept.
    pub(super) fn kept(&self) -> Option<Bytes> {
        match self {
            Self::Kept { body, .. } => Some(Bytes::copy_from_slice(body)),
            Self::Off | Self::TooLarge => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_as_long_as_it_is_small() {
        let mut replay = Replay::default();
        replay.came(b"lost");
        replay.begin(0);
        replay.came(&[b'a'; REPLAYED]);
        replay.begin(0);
        assert_eq!(replay.kept().unwrap().len(), REPLAYED);
        replay.came(b"a");
        assert!(replay.is_too_large() && replay.kept().is_none());
    }

    #[test]
    fn bytes_that_no_attempt_has_sent_are_kept_in_any_amount() {
        let mut replay = Replay::default();
        replay.begin(REPLAYED * 2);
        replay.came(&[b'a'; REPLAYED * 2 - 1]);
        replay.came(&[b'b'; REPLAYED]);
        assert_eq!(replay.kept().unwrap().len(), REPLAYED * 3 - 1);
        replay.came(b"c");
        assert!(replay.is_too_large(), "an attempt sends this");
    }
}
