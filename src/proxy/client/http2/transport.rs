//! A client's connection as the `h2` crate reads and writes it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::connection::Connection;

/// A connection: first what has come already, then what comes; and writes that must not be stuck.
#[derive(Debug)]
pub(super) struct Transport(pub(super) Box<Connection>);

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = &mut *self.get_mut().0;
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
        let connection = &mut *self.get_mut().0;
        let written = Pin::new(&mut connection.stream).poll_write(cx, data);
        connection.unless_stuck(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = &mut *self.get_mut().0;
        let written = Pin::new(&mut connection.stream).poll_write_vectored(cx, data);
        connection.unless_stuck(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = &mut *self.get_mut().0;
        let flushed = Pin::new(&mut connection.stream).poll_flush(cx);
        connection.unless_stuck(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = &mut *self.get_mut().0;
        let closed = Pin::new(&mut connection.stream).poll_shutdown(cx);
        connection.unless_stuck(cx, closed)
    }
}
