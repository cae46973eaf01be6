//! What a client sends before anybody wants it.
//!
//! While a request waits, the only question to the client's stream is whether the client is still
//! there, and the only way to ask is to read; between two requests, whether there is another. What is
//! read that way is held here, and delivered first when somebody reads in earnest.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};

/// What is held is read in pieces of this size: most headers fit.
const CHUNK: usize = 4096;

/// Bytes that came too early.
#[derive(Debug, Default)]
pub(super) struct EarlyBytes(BytesMut);

impl EarlyBytes {
    /// Moves what fits. Returns whether there was anything.
    pub(super) fn deliver(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let fits = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0[..fits]);
        self.0.advance(fits);
        if self.0.is_empty() {
            // An idle connection keeps no memory for what came early once.
            self.0 = BytesMut::new();
        }
        true
    }

    /// Ready when there is something, which it says, or when nothing will come.
    pub(super) fn poll_something(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        if self.0.is_empty() {
            let mut chunk = [MaybeUninit::uninit(); CHUNK];
            let mut read = ReadBuf::uninit(&mut chunk);
            // One that broke is over like one that was closed: there is nobody to tell.
            let _ = ready!(Pin::new(stream).poll_read(cx, &mut read));
            self.0.extend_from_slice(read.filled());
        }
        Poll::Ready(!self.0.is_empty())
    }

    /// Ready only when the client has closed, or the connection is broken.
    ///
    /// Once as much as `most` is held nothing more is read, so that a client that closes behind
    /// its last request is not taken for one that left.
    pub(super) fn poll_closed(
        &mut self,
        stream: &mut Stream,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut chunk = [MaybeUninit::uninit(); CHUNK];
        while self.0.len() < most {
            let room = CHUNK.min(most - self.0.len());
            let mut read = ReadBuf::uninit(&mut chunk[..room]);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.0.extend_from_slice(read.filled());
        }
        Poll::Pending
    }
}
