//! One request and its answer on a connection to a backend, as Pingora drives them.
//!
//! Pingora asks for the answer, and that is when everything is done here: what there is of the request
//! is written, and what has come of the answer is taken. So the head of a request and a body that is at
//! hand are one write. A write that fails is not the end: a backend may have answered before it closed.

use std::{
    future::poll_fn,
    io,
    os::fd::AsRawFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_core::Stream as Messages;
use http::{HeaderMap, Method};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        Digest, UniqueIDType,
        http::custom::{BodyWrite, CustomMessageWrite, client::Session},
        l4::socket::SocketAddr,
    },
};
use tokio::{io::AsyncWrite, net::TcpStream};

use super::{
    super::{
        client::{ClientLink, NoMessages},
        reading::{self, Pieces},
        transit::Written,
        watch::Timer,
    },
    answer::{self, Expected},
    body::AnswerReader,
    request::{self, BodyWriter, Framing, OutgoingRequest},
};
use crate::clock;
use crate::http1::AnswerEnd;

/// The most that is read of an answer at once. A client that reads slowly holds as much, beside what
/// Pingora has for a request.
const PIECE: usize = 24 * 1024;

/// The session of one request.
pub struct BackendSession {
    stream: TcpStream,
    link: Option<Arc<ClientLink>>,
    framing: Framing,
    expected: Expected,
    /// What has come and was not taken yet.
    input: BytesMut,
    pieces: Pieces,
    end: AnswerEnd,
    /// The status of the answer, without its fields.
    header: Option<ResponseHeader>,
    body: AnswerReader,
    trailers: Option<HeaderMap>,
    keeps_alive: bool,
    /// Whether all of the request was written.
    is_sent: bool,
    /// How long the backend may take nothing of the request.
    write_limit: Option<Duration>,
    write_deadline: Option<Instant>,
    timer: Timer,
}

impl BackendSession {
    pub(super) fn on(stream: TcpStream) -> Self {
        Self {
            stream,
            link: None,
            framing: Framing::Length(0),
            expected: Expected::default(),
            input: BytesMut::new(),
            pieces: Pieces::default(),
            end: AnswerEnd::default(),
            header: None,
            body: AnswerReader::Ended,
            trailers: None,
            keeps_alive: false,
            is_sent: false,
            write_limit: None,
            write_deadline: None,
            timer: Timer::default(),
        }
    }

    /// The connection, if it can carry another request.
    pub(super) fn into_reusable(self) -> Option<TcpStream> {
        let is_complete = self.body.has_ended() && self.is_sent && self.input.is_empty();
        (self.keeps_alive && is_complete).then_some(self.stream)
    }

    fn link(&self) -> Result<&Arc<ClientLink>> {
        self.link.as_ref().ok_or_else(no_link)
    }

    /// Writes what there is of the request. Ready when the request will not be written further: it is
    /// complete, or the backend takes no more of it.
    ///
    /// # Errors
    ///
    /// When the backend has taken nothing for too long.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_sent {
            return Poll::Ready(Ok(()));
        }
        let Some(link) = &self.link else { return Poll::Ready(Ok(())) };
        let stream = &mut self.stream;
        let written = link
            .transit()
            .write(cx, |cx, slices| Pin::new(&mut *stream).poll_write_vectored(cx, slices));
        match written {
            Ok(Written::Request) => {
                self.is_sent = true;
                Poll::Ready(Ok(()))
            }
            Ok(Written::All) => {
                self.write_deadline = None;
                Poll::Pending
            }
            Ok(Written::Stuck { has_moved }) => self.poll_stuck(cx, has_moved),
            Ok(Written::Broken) => Poll::Ready(Ok(())),
            Err(_) => {
                link.transit().break_off();
                Poll::Ready(Ok(()))
            }
        }
    }

    fn poll_stuck(&mut self, cx: &mut Context<'_>, has_moved: bool) -> Poll<Result<()>> {
        let Some(limit) = self.write_limit else { return Poll::Pending };
        if has_moved || self.write_deadline.is_none() {
            self.write_deadline = Some(clock::now() + limit);
            if let Some(link) = &self.link {
                link.moved();
            }
        }
        let Some(deadline) = self.write_deadline else { return Poll::Pending };
        if self.timer.poll(deadline, cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(link) = &self.link {
            link.transit().break_off();
        }
        let why = "the backend takes nothing of the request";
        Poll::Ready(Err(Error::explain(ErrorType::WriteTimedout, why).into_up()))
    }

    /// Reads once, at most this much, and writes on. Ready with how much has come: 0 when the backend
    /// has closed.
    fn poll_fill(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Result<usize>> {
        let written = self.poll_write(cx);
        let read = self.pieces.poll_read(&mut self.stream, most, &mut self.input, cx);
        match (read, written) {
            (Poll::Ready(read), _) => Poll::Ready(read.map_err(broken)),
            (Poll::Pending, Poll::Ready(Err(late))) if self.header.is_none() => {
                Poll::Ready(Err(late))
            }
            (Poll::Pending, _) => Poll::Pending,
        }
    }

    /// Ready with the length of a head that has come.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        loop {
            match self.end.find(&self.input) {
                Err(error) => return Poll::Ready(Err(answer::invalid(error))),
                Ok(Some(length)) => return Poll::Ready(Ok(length)),
                Ok(None) => {}
            }
            if std::task::ready!(self.poll_fill(cx, reading::SMALL))? == 0 {
                return Poll::Ready(Err(closed("before its answer")));
            }
        }
    }

    /// The next piece of the body, with its end if that has come; `None` behind the end, once nothing
    /// more of the request is to be written.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            if self.body.has_ended() {
                return self.poll_rest_of_request(cx);
            }
            if !self.link()?.transit().takes_more(cx) {
                // The answer waits for the client, the request does not.
                let _ = self.poll_write(cx);
                return Poll::Pending;
            }
            let (piece, trailers) = self.body.take(&mut self.input)?;
            self.trailers = trailers;
            if let Some(piece) = piece {
                self.link()?.transit().came(piece.len());
                return Poll::Ready(Ok(Some(piece)));
            }
            if self.body.has_ended() {
                return Poll::Ready(Ok(Some(Bytes::new())));
            }
            if self.is_tunnel() && self.poll_write(cx).is_ready() {
                // The client has left the tunnel.
                self.body = AnswerReader::Ended;
                return Poll::Ready(Ok(None));
            }
            let most = self.body.wants().min(PIECE);
            if std::task::ready!(self.poll_fill(cx, most))? == 0 {
                self.keeps_alive = false;
                let is_tunnel = self.is_tunnel();
                if !self.body.close() {
                    return Poll::Ready(Err(closed("within its answer")));
                }
                if is_tunnel {
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    fn is_tunnel(&self) -> bool {
        matches!(self.framing, Framing::Tunnel)
    }

    /// The answer has ended, the request perhaps not.
    fn poll_rest_of_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if self.trailers.is_some() || self.is_tunnel() {
            return Poll::Ready(Ok(None));
        }
        self.poll_write(cx).map(|_| Ok(None))
    }
}

impl std::fmt::Debug for BackendSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendSession").field("stream", &self.stream).finish_non_exhaustive()
    }
}

fn no_link() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a request without its link")
}

fn broken(error: io::Error) -> Box<Error> {
    Error::because(ErrorType::ReadError, "while the answer was read", error).into_up()
}

fn closed(when: &'static str) -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, when).into_up()
}

#[async_trait]
impl Session for BackendSession {
    /// Only puts the head down: it is written when the answer is asked for.
    async fn write_request_header(
        &mut self,
        mut request: Box<RequestHeader>,
        is_bodiless: bool,
    ) -> Result<()> {
        let outgoing = request.extensions_mut().remove::<OutgoingRequest>();
        let OutgoingRequest { link, fields } = outgoing.ok_or_else(no_link)?;
        let facts = link.facts();
        let (head, framing) =
            request::head(&request, &fields, !is_bodiless, facts.asks_for_trailers);
        link.transit().begin(head);
        self.link = Some(link);
        self.framing = framing;
        self.expected = Expected {
            is_head: request.method == Method::HEAD,
            wants_tunnel: facts.wants_tunnel,
            passes_trailers: facts.takes_trailers,
        };
        Ok(())
    }

    fn take_request_body_writer(&mut self) -> Option<Box<dyn BodyWrite>> {
        let link = Arc::clone(self.link.as_ref()?);
        Some(Box::new(BodyWriter::new(link, self.framing)))
    }

    async fn read_response_header(&mut self) -> Result<()> {
        self.end = AnswerEnd::default();
        let length = poll_fn(|cx| self.poll_head(cx)).await?;
        let head = &mut self.input[..length];
        let begun = answer::read(head, self.end.is_folded(), self.expected)?;
        reading::skip(&mut self.input, length);
        if matches!(begun.body, AnswerReader::Tunnel) {
            self.framing = Framing::Tunnel;
            self.is_sent = false;
            self.write_limit = None;
            self.link()?.transit().reopen();
        }
        // Pingora clones what it is shown; the hooks take the header itself from the link.
        let mut shown = ResponseHeader::build_no_case(begun.header.status, Some(0))?;
        shown.set_version(begun.version);
        self.header = Some(shown);
        self.link()?.transit().put_header(begun.header);
        self.body = begun.body;
        self.keeps_alive = begun.keeps_alive;
        Ok(())
    }

    fn response_header(&self) -> Option<&ResponseHeader> {
        self.header.as_ref()
    }

    async fn read_response_body(&mut self) -> Result<Option<Bytes>> {
        let piece = poll_fn(|cx| self.poll_piece(cx)).await;
        if piece.is_err() {
            self.link()?.transit().end_answer();
        }
        piece
    }

    /// Whether this was the end of the answer, which may still have trailers.
    async fn check_response_end_or_error(&mut self, _: bool) -> Result<bool> {
        let is_interim = self.header.as_ref().is_some_and(|it| it.status.is_informational());
        Ok(self.body.has_ended() && !is_interim && self.trailers.is_none())
    }

    async fn read_trailers(&mut self) -> Result<Option<HeaderMap>> {
        self.link()?.transit().end_answer();
        Ok(self.trailers.take())
    }

    fn response_finished(&self) -> bool {
        self.body.has_ended()
    }

    fn was_upgraded(&self) -> bool {
        self.is_tunnel()
    }

    fn set_write_timeout(&mut self, limit: Option<Duration>) {
        self.write_limit = limit;
    }

    /// The client's session watches how long the backend takes.
    fn set_read_timeout(&mut self, _: Option<Duration>) {}

    /// A connection is closed by dropping it.
    async fn shutdown(&mut self, _: u32, _: &str) {}

    fn digest(&self) -> Option<&Digest> {
        None
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        None
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        None
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        None
    }

    fn fd(&self) -> UniqueIDType {
        self.stream.as_raw_fd()
    }

    // The body goes through its writer.
    async fn write_request_body(&mut self, _: Bytes, _: bool) -> Result<()> {
        Ok(())
    }

    async fn finish_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    // Messages beside requests, which HTTP has not.
    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Messages<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        Some(Box::new(NoMessages::of(self.link.as_ref()?)))
    }

    async fn drain_custom_messages(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        Some(Box::new(()))
    }
}
