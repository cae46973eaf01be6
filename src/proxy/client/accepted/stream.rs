//! The bytes of a client's connection.
//!
//! An enumeration, because a connection without TLS is most of them: what it costs must not depend on
//! what other connections may be.

use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pingora_core::protocols::{GetSocketDigest, SocketDigest, l4::stream::Stream};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::copies::short_slices;

/// A connection, ready for requests.
#[derive(Debug)]
pub(in super::super::super) enum ClientStream {
    Plain(Box<Stream>),
    Tls(Box<TlsStream<Box<Stream>>>),
}

impl ClientStream {
    /// What is known of the socket.
    pub(in super::super) fn socket_digest(&self) -> Option<Arc<SocketDigest>> {
        match self {
            Self::Plain(stream) => stream.get_socket_digest(),
            Self::Tls(stream) => stream.get_ref().0.get_socket_digest(),
        }
    }

    /// Writes like [`AsyncWrite::poll_write_vectored`]. Over TLS the records may wait for a flush, so that
    /// several of them go to the system together.
    pub(in super::super) fn poll_put(
        &mut self,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Self::Tls(stream) = self {
            let (_, session) = stream.get_mut();
            let taken = in_short_slices(data, |data| session.writer().write_vectored(data))?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
        // There is no session, or it holds as much as it may.
        Pin::new(self).poll_write_vectored(cx, data)
    }

    /// Ends what is sent, in the middle of an answer. Over TLS the usual goodbye would say that an answer
    /// which ends with its connection is complete (RFC 9112 section 9.8).
    pub(in super::super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.get_mut().0).poll_shutdown(cx),
        }
    }
}

/// The most slices that one write encrypts.
const SLICES: usize = 16;

/// Calls `write` with the beginning of the same bytes in slices that are short.
fn in_short_slices<T>(data: &[IoSlice<'_>], write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let short = data.iter().flat_map(|piece| short_slices(piece)).map(IoSlice::new);
    let count = slices.iter_mut().zip(short).map(|(place, slice)| *place = slice).count();
    write(&slices[..count])
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => {
                let data = ready!(Pin::new(&mut *stream).poll_fill_buf(cx))?;
                let taken = data.len().min(buffer.remaining());
                short_slices(&data[..taken]).for_each(|slice| buffer.put_slice(slice));
                Pin::new(stream).consume(taken);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Self::Tls(stream) => {
                in_short_slices(data, |data| Pin::new(stream).poll_write_vectored(cx, data))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_the_same_bytes_and_short() {
        let bytes: Vec<u8> = (0..60_000_u32).map(|number| (number / 7) as u8).collect();
        for lengths in [&[0][..], &[1], &[9, 16_375], &[2048, 2048], &[2047, 1, 0, 5000], &[60_000]]
        {
            let mut rest = &bytes[..];
            let pieces =
                lengths.iter().map(|length| IoSlice::new(rest.split_off(..*length).unwrap()));
            let pieces: Vec<_> = pieces.collect();
            in_short_slices(&pieces, |slices| {
                assert!(
                    slices.iter().all(|slice| (1..=2048).contains(&slice.len())),
                    "{lengths:?}"
                );
                let seen: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                assert!(bytes.starts_with(&seen), "{lengths:?}");
                assert_eq!(seen.len(), lengths.iter().sum::<usize>().min(16 * 2048), "{lengths:?}");
            });
        }
    }
}
