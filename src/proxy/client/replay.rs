//! What has been sent of a request's body, kept for another attempt as long as it is small.

use bytes::{Bytes, BytesMut};

/// The most of a body that is kept. As Pingora keeps for its own sessions.
pub(super) const REPLAYED: usize = 64 * 1024;

/// A body, as far as it has been sent.
#[derive(Debug, Default)]
pub(super) enum Replay {
    /// No attempt has begun.
    #[default]
    Off,
    /// All of it that was sent.
    Kept(BytesMut),
    /// It was too large to keep.
    TooLarge,
}

impl Replay {
    /// From now on what is sent is kept.
    pub(super) fn begin(&mut self) {
        if matches!(self, Self::Off) {
            *self = Self::Kept(BytesMut::new());
        }
    }

    /// This piece is sent.
    pub(super) fn sent(&mut self, piece: &[u8]) {
        if let Self::Kept(kept) = self {
            if kept.len() + piece.len() > REPLAYED {
                *self = Self::TooLarge;
            } else {
                kept.extend_from_slice(piece);
            }
        }
    }

    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge)
    }

    /// What a next attempt sends first, if it can send it.
    pub(super) fn kept(&self) -> Option<Bytes> {
        match self {
            Self::Kept(kept) => Some(Bytes::copy_from_slice(kept)),
            Self::Off | Self::TooLarge => None,
        }
    }
}
