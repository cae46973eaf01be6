//! A client's connection as the `h2` crate reads and writes it, with an eye on its frames.
//!
//! What it reads is what `inbound.rs` makes of the client's bytes.
//!
//! It is closed in two steps: the system takes back what the client has not read yet when bytes
//! arrive that nothing reads, and a client acknowledges more than answers.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::super::connection::Connection;
use super::{
    conduct::{Conduct, Signals},
    inbound::Inbound,
};
use crate::clock;
use crate::count::Cut;

/// How long a client may take to notice that nothing more will come.
pub(in super::super) const GOODBYE: Duration = Duration::from_secs(2);

/// A connection that first yields the bytes that were read already, and whose writes must not be
/// stuck.
#[derive(Debug)]
pub(in super::super) struct Transport {
    connection: Box<Connection>,
    conduct: Conduct,
    inbound: Inbound,
    /// Frames of ours, of which the rest comes before anything of the `h2` crate.
    refusals: BytesMut,
    /// Whether the last write was part of a body, behind which more may be written at once.
    has_put_much: bool,
    /// When to stop waiting for the client to close, once nothing more is written.
    goodbye: Option<Instant>,
    discarded: usize,
}

impl Transport {
    pub(in super::super) fn new(connection: Box<Connection>, signals: Arc<Signals>) -> Self {
        let conduct = Conduct::new(connection.limits.header, signals);
        Self {
            connection,
            conduct,
            inbound: Inbound::new(),
            refusals: BytesMut::new(),
            has_put_much: false,
            goodbye: None,
            discarded: 0,
        }
    }

    /// Reads what has come already, or what comes next.
    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = &mut *self.connection;
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

    /// Hands on what is there in place of bytes that have come.
    fn give_ready(&mut self, buffer: &mut ReadBuf<'_>) {
        let ready = self.inbound.ready();
        let most = ready.len().min(buffer.remaining());
        if most > 0 {
            buffer.put_slice(&ready[..most]);
            self.inbound.has_read(most);
        }
    }

    /// Writes the frames of ours.
    fn poll_refusals(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusals.is_empty() {
            let bytes = std::mem::take(&mut self.refusals);
            let written = Pin::new(&mut self.connection.stream).poll_write(cx, &bytes);
            let written = self.wrote(cx, written, [&bytes[..]]);
            self.refusals = bytes;
            let written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusals.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Notes which of these bytes were written, and how long a client may accept nothing.
    fn wrote<'a>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        data: impl IntoIterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &written {
            let mut left = *written;
            for piece in data {
                let part = left.min(piece.len());
                let Self { conduct, inbound, connection, .. } = self;
                let reset = |stream| inbound.reset_here(stream);
                conduct.sent(&piece[..part], connection.link.counts(), reset);
                left -= part;
            }
        }
        let written = self.connection.unless_stuck(cx, written);
        if let Poll::Ready(Err(error)) = &written
            && error.kind() == io::ErrorKind::TimedOut
        {
            self.conduct.signals().cut(Cut::TookNothing);
        }
        written
    }
}

/// The room that a client fills only if it sends faster than it is read, in bytes; less is filled by a
/// slow one, too.
const WIDE: usize = 1024;
/// A write of this size is part of a body, and not flushed at once.
const MUCH: usize = 4096;
/// Bytes that come after the last answer are read and discarded in pieces of this size.
const PIECE: usize = 4096;
/// The most bytes that are discarded so that the client can read its last answer.
const DISCARDED: usize = 256 * 1024;

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.conduct.signals().why().is_some() {
            // The task of the connection has been woken to close it.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        loop {
            this.give_ready(buffer);
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            let room = buffer.remaining();
            let Poll::Ready(read) = this.poll_bytes(cx, buffer) else { break };
            read?;
            let bytes = &mut buffer.filled_mut()[before..];
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.conduct.has_read();
            let goes_on = bytes.len() == room && room >= WIDE;
            match this.inbound.take(bytes, goes_on, &mut this.conduct) {
                Ok(passed) => buffer.set_filled(before + passed),
                Err(why) => {
                    buffer.set_filled(before);
                    this.conduct.signals().cut(why);
                    return Poll::Pending;
                }
            }
        }
        if let Some(by) = this.conduct.must_go_on_by(this.inbound.is_inside()) {
            ready!(this.connection.read_timer.poll(by, cx));
            this.conduct.signals().cut(Cut::HeaderLate);
        }
        Poll::Pending
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_refusals(cx))?;
        this.has_put_much = false;
        let written = Pin::new(&mut this.connection.stream).poll_write(cx, data);
        this.wrote(cx, written, [data])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_refusals(cx))?;
        let written = this.connection.stream.poll_put(cx, data);
        this.has_put_much = matches!(written, Poll::Ready(Ok(MUCH..)));
        this.wrote(cx, written, data.iter().map(|piece| &**piece))
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The `h2` crate flushes behind each frame, and once more when it has no other.
        if std::mem::take(&mut this.has_put_much) {
            return Poll::Ready(Ok(()));
        }
        if this.refusals.is_empty() {
            this.refusals = this.conduct.farewell().take_refusals();
        }
        ready!(this.poll_refusals(cx))?;
        let connection = &mut *this.connection;
        let flushed = Pin::new(&mut connection.stream).poll_flush(cx);
        connection.unless_stuck(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, goodbye, discarded, .. } = self.get_mut();
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
            match connection.poll_fill(cx, PIECE) {
                Poll::Ready(Ok(more @ 1..)) if *discarded < DISCARDED => *discarded += more,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return connection.read_timer.poll(by, cx).map(Ok),
            }
        }
    }
}
