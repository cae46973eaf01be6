//! Reads from a connection that has nothing to say most of the time.
//!
//! A read that finds nothing should cost nothing, and what came should hold no more memory than its
//! bytes. So small reads go through a place on the stack; only a connection whose bytes fill that is
//! read into a large buffer.

use std::{
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// The most bytes of a small read: an ordinary head, with a small body.
pub(super) const SMALL: usize = 4096;

/// The size of the reads from one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pieces {
    /// Whether the last read filled its place, so that a larger one is worth it.
    are_large: bool,
}

impl Pieces {
    /// Reads at most this much behind what is in `input`. Ready with how much has come: 0 when the
    /// connection has ended.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        most: usize,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let read = if self.are_large && most > SMALL {
            poll_large(stream, most, input, cx)
        } else {
            poll_small(stream, most, input, cx)
        };
        if let Poll::Ready(Ok(read)) = read {
            self.are_large = read >= SMALL;
        }
        read
    }
}

/// Reads at most this much, and [`SMALL`], behind what is in `input`. Ready with how much has come: 0
/// when the connection has ended.
fn poll_small(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut place = [const { MaybeUninit::uninit() }; SMALL];
    let mut read = ReadBuf::uninit(&mut place[..most.min(SMALL)]);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    input.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}

/// Reads at most this much behind what is in `input`, for which room is made.
fn poll_large(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    input.reserve(most);
    let read = pin!(stream.read_buf(input)).poll(cx);
    if read.is_pending() && input.is_empty() {
        *input = BytesMut::new();
    }
    read
}

/// Takes the first bytes off. Without others behind them they are taken with their buffer, which then
/// need not be shared.
pub(super) fn take(input: &mut BytesMut, length: usize) -> BytesMut {
    if length == input.len() { std::mem::take(input) } else { input.split_to(length) }
}

/// Leaves the first bytes out, and the buffer if there are no others.
pub(super) fn skip(input: &mut BytesMut, length: usize) {
    input.advance(length);
    if input.is_empty() {
        *input = BytesMut::new();
    }
}
