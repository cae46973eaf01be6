//! The part of a request's body that has been sent, kept for another attempt as long as it is
//! small.

use bytes::{Bytes, BytesMut};

/// The most bytes of a body that are kept: as many as Pingora keeps for its own sessions.
pub(super) const REPLAYED: usize = 64 * 1024;

/// A body, as far as it has been sent.
#[derive(Debug, Default)]
pub(super) enum Replay {
    /// No attempt has begun.
    #[default]
    Off,
    /// Every byte that was sent.
    Kept(BytesMut),
    /// The body was too large to keep.
    TooLarge,
}

impl Replay {
    /// Keeps all pieces that are sent from now on.
    pub(super) fn begin(&mut self) {
        if matches!(self, Self::Off) {
            *self = Self::Kept(BytesMut::new());
        }
    }

    /// Notes that this piece is sent.
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

    /// The bytes that another attempt sends first; `None` if they are not all kept.
    pub(super) fn kept(&self) -> Option<Bytes> {
        match self {
            Self::Kept(kept) => Some(Bytes::copy_from_slice(kept)),
            Self::Off | Self::TooLarge => None,
        }
    }
}
