//! A client's connection as the `h2` crate reads and writes it.
//!
//! It is closed in two steps: the system takes back what the client has not read yet when bytes
//! arrive that nothing reads, and a client acknowledges more than answers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::connection::Connection;
use crate::clock;

/// How long a client may take to notice that nothing more will come.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

/// A connection that first yields the bytes that were read already, and whose writes must not be
/// stuck.
#[derive(Debug)]
pub(super) struct Transport {
    connection: Box<Connection>,
    /// When to stop waiting for the client to close, once nothing more is written.
    goodbye: Option<Instant>,
}

impl Transport {
    pub(super) fn new(connection: Box<Connection>) -> Self {
        Self { connection, goodbye: None }
    }
}

/// Bytes that come after the last answer are read and discarded in pieces of this size.
const DISCARDED: usize = 4096;

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = &mut *self.get_mut().connection;
        let input = &mut connection.input;
        if input.is_empty() {
            return Pin::new(&mut connection.stream).poll_read(cx, buffer);
        }
        let most = input.len().min(buffer.remaining());
        buffer.put_slice(&input[..most]);
        input.advance(most);
        if input.is_empty() {
            *input = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let connection = &mut *self.get_mut().connection;
        let written = Pin::new(&mut connection.stream).poll_write(cx, data);
        connection.unless_stuck(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = &mut *self.get_mut().connection;
        let written = Pin::new(&mut connection.stream).poll_write_vectored(cx, data);
        connection.unless_stuck(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = &mut *self.get_mut().connection;
        let flushed = Pin::new(&mut connection.stream).poll_flush(cx);
        connection.unless_stuck(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, goodbye } = self.get_mut();
        let by = match *goodbye {
            Some(by) => by,
            None => {
                let closed = Pin::new(&mut connection.stream).poll_shutdown(cx);
                ready!(connection.unless_stuck(cx, closed))?;
                *goodbye.insert(clock::now() + GOODBYE)
            }
        };
        loop {
            connection.input.clear();
            match connection.poll_fill(cx, DISCARDED) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return connection.read_timer.poll(by, cx).map(Ok),
            }
        }
    }
}
