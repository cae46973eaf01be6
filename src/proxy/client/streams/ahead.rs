//! What has come of a body and was not asked for yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::copies::short_slices;

/// Pieces are joined up to this length, in bytes: for small ones Pingora's turn for each costs more than a copy. One
/// that has it by itself goes on as it is: large pieces are written together in any case (`transit.rs`), and a copy
/// costs more than the turn.
pub(in super::super) const PIECE: usize = 8 << 10;

/// Pieces of a body, in order.
#[derive(Debug, Default)]
pub(in super::super) struct Ahead {
    pieces: VecDeque<Bytes>,
    /// Behind them, small ones as one.
    tail: BytesMut,
    length: usize,
}

impl Ahead {
    /// The number of bytes.
    pub(in super::super) fn len(&self) -> usize {
        self.length
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether more would not become a part of the first piece.
    pub(in super::super) fn is_enough(&self) -> bool {
        !self.pieces.is_empty() || self.tail.len() >= PIECE
    }

    pub(in super::super) fn push(&mut self, data: Bytes) {
        self.length += data.len();
        if data.len() < PIECE {
            short_slices(&data).for_each(|slice| self.tail.extend_from_slice(slice));
            if self.tail.len() < PIECE {
                return;
            }
        }
        let tail = self.take_tail();
        self.pieces.extend(tail);
        if data.len() >= PIECE {
            self.pieces.push_back(data);
        }
    }

    /// Takes the first piece, not empty.
    pub(in super::super) fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front().or_else(|| self.take_tail())?;
        self.length -= piece.len();
        Some(piece)
    }

    pub(in super::super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn take_tail(&mut self) -> Option<Bytes> {
        (!self.tail.is_empty()).then(|| std::mem::take(&mut self.tail).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_become_one_and_large_ones_are_not_copied() {
        let bytes = Bytes::from((0..4 * PIECE).map(|number| number as u8).collect::<Vec<_>>());
        let (mut ahead, mut at) = (Ahead::default(), 0);
        let lengths = [PIECE, 10, 0, PIECE - 11, 5, 1, 2, 1, PIECE + 7, 3];
        for length in lengths {
            ahead.push(bytes.slice(at..at + length));
            at += length;
        }
        assert!(ahead.is_enough());
        let (mut popped, mut rest) = (Vec::new(), &bytes[..at]);
        while let Some(piece) = ahead.pop() {
            assert_eq!(rest.split_off(..piece.len()), Some(&piece[..]));
            assert_eq!(ahead.len(), rest.len());
            // One that was not copied.
            assert_eq!(bytes.as_ptr_range().contains(&piece.as_ptr()), popped.len() % 3 == 0);
            popped.push(piece.len());
        }
        assert_eq!(popped, [PIECE, PIECE - 1 + 5, 4, PIECE + 7, 3]);
        assert!(ahead.is_empty() && !ahead.is_enough());
    }
}
