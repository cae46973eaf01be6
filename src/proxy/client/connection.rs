//! One connection of a client: its bytes in both directions, and how long they may take.
//!
//! A connection that waits holds next to nothing. What is read goes into a buffer that exists only
//! while there is something in it, since most connections wait most of the time.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf, Bytes, BytesMut};
use pingora_core::{Error, ErrorType, Result, protocols::Digest};
use tokio::io::AsyncWrite;

use super::{
    super::{reading::Pieces, watch::Timer},
    accepted::{ClientStream, ConnectionContext},
    link::ClientLink,
};
use crate::clock;
use crate::config::ClientLimits;
use crate::count::Protocol;

/// Data up to this size is copied: what is read gets a buffer of its size, and what is to be written
/// goes behind what waits to be written already. More is worth a buffer of its own.
const COPIED: usize = 4096;
/// A written buffer up to this size is kept for the next answer.
const KEPT: usize = 16 * 1024;

/// A client's connection.
#[derive(Debug)]
pub(in super::super) struct Connection {
    pub(super) stream: ClientStream,
    pub(super) limits: ClientLimits,
    pub(super) link: Arc<ClientLink>,
    pub(super) digest: Digest,
    /// Bytes that have been read and not consumed yet.
    pub(super) input: BytesMut,
    pieces: Pieces,
    /// Bytes that are waiting to be written.
    pub(super) output: BytesMut,
    /// When the current phase (the wait for a header, or the header itself) must have ended.
    pub(super) deadline: Instant,
    /// Whether a request has come on it.
    pub(super) has_asked: bool,
    /// Whether the client sends nothing more: it has closed, or the connection broke.
    pub(super) has_left: bool,
    pub(super) read_timer: Timer,
    write_timer: Timer,
    /// When a write that is stuck must be done.
    write_deadline: Option<Instant>,
}

impl Connection {
    /// Takes over a connection of which `input` has come already.
    ///
    /// # Errors
    ///
    /// Pingora's error if it cannot create a header; not known to happen.
    pub(in super::super) fn new(
        stream: ClientStream,
        input: BytesMut,
        context: ConnectionContext,
    ) -> Result<Self> {
        let limits = context.settings.client;
        let link = Arc::new(ClientLink::new(context, Protocol::Http11));
        let digest = Digest {
            proxy_digest: Some(link.digest()?),
            socket_digest: stream.socket_digest(),
            ..Digest::default()
        };
        Ok(Self {
            stream,
            limits,
            link,
            digest,
            input,
            pieces: Pieces::default(),
            output: BytesMut::new(),
            deadline: clock::now() + limits.header,
            has_asked: false,
            has_left: false,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            write_deadline: None,
        })
    }

    /// Whether nothing of a next request has come.
    pub(in super::super) fn is_idle(&self) -> bool {
        self.input.is_empty()
    }

    /// Reads once, at most `most` bytes. Ready with the number of bytes read; 0 if the client has
    /// closed.
    ///
    /// Most reads find nothing. So a small piece is read onto the stack, and only what has come gets
    /// memory of its own, of its own size.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let read = self.pieces.poll_read(&mut self.stream, most, &mut self.input, cx);
        self.has_left |= matches!(read, Poll::Ready(Ok(0) | Err(_)));
        read
    }

    /// Ready when the time for the header, or for waiting for one, is over.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.read_timer.poll(self.deadline, cx)
    }

    /// Queues `data` behind what is waiting already, and writes all of it.
    pub(super) async fn send(&mut self, data: Bytes) -> Result<()> {
        if data.len() <= COPIED {
            self.output.extend_from_slice(&data);
            return Ok(());
        }
        let mut data = data;
        poll_fn(|cx| self.poll_send(cx, &mut data)).await.map_err(broken)
    }

    /// Writes everything that is waiting.
    pub(super) async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await.map_err(broken)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<io::Result<()>> {
        while !data.is_empty() {
            let slices = [IoSlice::new(&self.output), IoSlice::new(data)];
            let slices = if self.output.is_empty() { &slices[1..] } else { &slices };
            let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
            if written.is_pending() && self.output.is_empty() {
                // A client that reads slowly costs no more than the piece that it is given.
                self.output = BytesMut::new();
            }
            let written = ready!(self.unless_stuck(cx, written))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let own = written.min(self.output.len());
            self.output.advance(own);
            data.advance(written - own);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.output);
            let written = ready!(self.unless_stuck(cx, written))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
        }
        if self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        } else {
            self.output.clear();
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_stuck(cx, flushed)
    }

    /// The result of a write, or an error if the client has accepted nothing for too long.
    pub(super) fn unless_stuck<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_deadline = None;
            self.link.moved();
            return result;
        }
        let write = self.limits.write;
        let deadline = *self.write_deadline.get_or_insert_with(|| clock::now() + write);
        ready!(self.write_timer.poll(deadline, cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }

    /// Reads and discards everything until the client closes.
    pub(super) async fn ignore(&mut self) {
        self.input.clear();
        while let Ok(1..) = poll_fn(|cx| self.poll_fill(cx, KEPT)).await {
            self.input.clear();
        }
    }

    /// Tells the client that nothing more will come.
    pub(super) async fn close_output(&mut self) {
        let closed = poll_fn(|cx| {
            let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
            self.unless_stuck(cx, closed)
        });
        // A client that is gone needs no goodbye.
        let _ = closed.await;
    }

    /// Tells the client that nothing more will come, although there was more to come.
    pub(super) async fn cut_output(&mut self) {
        let _ = poll_fn(|cx| self.stream.poll_cut(cx)).await;
    }
}

/// Maps a failed write to an error whose source is the client.
fn broken(error: io::Error) -> Box<Error> {
    let etype = match error.kind() {
        io::ErrorKind::TimedOut => ErrorType::WriteTimedout,
        _ => ErrorType::WriteError,
    };
    Error::because(etype, "while the answer was written", error).into_down()
}
