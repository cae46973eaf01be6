//! One request in HTTP/1 and its answer, as Pingora drives it.
//!
//! Pingora asks for pieces of the body, tells the answer in tasks, and reads on while it waits for
//! the backend, to notice a client that leaves. That last read is also where the backend's limits
//! are watched: it is under way whenever nothing else is.
//!
//! The connection outlives the session. It goes [`Home`] when the session is dropped, if it can carry
//! another request: whether it can is known here and not by Pingora, which would close it after
//! every error.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        Digest,
        http::{
            HttpTask,
            custom::{CustomMessageWrite, server::Session},
        },
        l4::socket::SocketAddr,
    },
};

use super::{
    answer::{Answer, Form},
    body::{BodyReader, left},
    connection::Connection,
    home::{Home, Returned},
    receive::Request,
    replay::{REPLAYED, Replay},
};

/// What comes behind a whole request is read in pieces of this size.
const PIECE: usize = 4096;

/// One request and its answer.
pub(in super::super) struct Http1Session {
    header: RequestHeader,
    /// Until the session is dropped.
    exchange: Option<Exchange>,
    home: Arc<Home>,
}

/// A request and its answer on their connection.
struct Exchange {
    connection: Box<Connection>,
    body: BodyReader,
    answer: Answer,
    replay: Replay,
    wants_tunnel: bool,
    /// The client waits for `100 Continue` before it sends the body, and has not got it.
    waits_to_send: bool,
}

impl Http1Session {
    /// The session of a request; the connection goes home when it is dropped.
    pub(in super::super) fn new(
        connection: Box<Connection>,
        request: Request,
        home: Arc<Home>,
    ) -> Self {
        let facts = connection.link.facts();
        let answer = Answer::new(Form {
            protocol: facts.protocol,
            is_head: request.header.method == Method::HEAD,
            wants_tunnel: facts.wants_tunnel,
            keeps_alive: request.keeps_alive && facts.refusal.is_none(),
        });
        let exchange = Exchange {
            connection,
            body: request.body,
            answer,
            replay: Replay::default(),
            wants_tunnel: facts.wants_tunnel,
            waits_to_send: facts.expects_continue,
        };
        Self { header: request.header, exchange: Some(exchange), home }
    }

    fn exchange(&mut self) -> Result<&mut Exchange> {
        self.exchange.as_mut().ok_or_else(left)
    }
}

impl Drop for Http1Session {
    fn drop(&mut self) {
        let Some(Exchange { connection, body, answer, .. }) = self.exchange.take() else { return };
        connection.link.request_ended();
        if answer.is_complete() {
            self.home.put(Returned { connection, body, keeps_alive: answer.keeps_alive() });
        }
    }
}

impl Exchange {
    fn write_header(&mut self, header: Box<ResponseHeader>, end: bool) {
        if header.status == StatusCode::CONTINUE {
            self.waits_to_send = false;
        }
        let is_final = !header.status.is_informational();
        let mut closes = self.connection.link.is_last();
        if is_final && self.is_body_withheld() {
            // Whether the client sends it all the same is not known, so that what comes next could
            // be either (RFC 9110 section 10.1.1).
            self.body.give_up();
            closes = true;
        }
        self.answer.write_header(header, end, closes, &mut self.connection.output);
        if self.answer.is_tunnel() {
            self.body.become_tunnel();
        }
    }

    /// Whether the client has sent nothing of the body, and waits for leave to send it.
    fn is_body_withheld(&self) -> bool {
        self.waits_to_send && self.body.bytes() == 0 && self.connection.is_idle()
    }

    async fn write(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut has_ended = false;
        for task in tasks {
            has_ended |= task.is_end();
            match task {
                HttpTask::Header(header, end) => self.write_header(header, end),
                HttpTask::Body(Some(piece), _) | HttpTask::UpgradedBody(Some(piece), _) => {
                    self.answer.write_piece(piece, &mut self.connection).await?;
                }
                // Trailers of backends are dropped with their announcement.
                HttpTask::Body(None, _)
                | HttpTask::UpgradedBody(None, _)
                | HttpTask::Trailer(_)
                | HttpTask::Done => {}
                HttpTask::Failed(error) => {
                    self.connection.flush().await?;
                    return Err(error);
                }
            }
        }
        // Where the length says so the answer ends, whatever the backend does after it.
        has_ended |= self.answer.is_complete();
        if has_ended {
            self.answer.write_end(&mut self.connection.output);
            if self.answer.is_tunnel() {
                self.body.give_up();
            }
        }
        self.connection.flush().await?;
        Ok(has_ended)
    }

    async fn finish(&mut self) -> Result<()> {
        self.answer.write_end(&mut self.connection.output);
        self.connection.flush().await
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let piece = ready!(self.body.poll_piece(&mut self.connection, cx));
        if let Ok(Some(piece)) = &piece {
            self.replay.sent(piece);
        }
        Poll::Ready(piece)
    }

    /// Ready only when the client has left. What it sends meanwhile is kept; once there is enough of it
    /// nothing more is read, so that a client that closes behind its last request is not taken for one
    /// that left.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let enough = if self.body.is_done() { 1 } else { REPLAYED };
        while self.connection.input.len() < enough {
            match ready!(self.connection.poll_fill(cx, PIECE)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(left())),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    fn poll_piece_or_left(
        &mut self,
        is_piece_wanted: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>>> {
        let reads = is_piece_wanted && !self.body.is_done();
        let read = if reads { self.poll_piece(cx) } else { self.poll_left(cx) };
        if read.is_ready() {
            return read;
        }
        ready!(self.connection.poll_late(cx));
        if reads && self.connection.link.is_answering() {
            // The backend may well be waiting for the rest of the request.
            self.connection.link.take_late();
            let why = "the client stopped sending";
            return Poll::Ready(Err(Error::explain(ErrorType::ReadTimedout, why).into_down()));
        }
        Poll::Ready(Err(Error::explain(ErrorType::ReadTimedout, "the backend was late")))
    }
}

#[async_trait]
impl Session for Http1Session {
    fn req_header(&self) -> &RequestHeader {
        &self.header
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.header
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        let exchange = self.exchange()?;
        poll_fn(|cx| exchange.poll_piece(cx)).await
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        let exchange = self.exchange()?;
        poll_fn(|cx| exchange.poll_piece_or_left(!no_body_expected, cx)).await
    }

    /// What is left of the body is the connection's business, once the answer is written.
    async fn drain_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write_response_header(
        &mut self,
        header: Box<ResponseHeader>,
        end: bool,
    ) -> Result<()> {
        self.exchange()?.write(vec![HttpTask::Header(header, end)]).await.map(|_| ())
    }

    async fn write_response_header_ref(
        &mut self,
        header: &ResponseHeader,
        end: bool,
    ) -> Result<()> {
        self.write_response_header(Box::new(header.clone()), end).await
    }

    async fn write_body(&mut self, piece: Bytes, end: bool) -> Result<()> {
        self.exchange()?.write(vec![HttpTask::Body(Some(piece), end)]).await.map(|_| ())
    }

    async fn write_trailers(&mut self, _: HeaderMap) -> Result<()> {
        Ok(())
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.exchange()?.write(tasks).await
    }

    async fn finish(&mut self) -> Result<()> {
        self.exchange()?.finish().await
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    /// The connection is closed when the session is dropped without a complete answer.
    async fn shutdown(&mut self, _: u32, _: &str) {}

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.exchange.as_ref()?.answer.header()
    }

    fn is_body_done(&mut self) -> bool {
        self.exchange.as_ref().is_none_or(|exchange| exchange.body.is_done())
    }

    fn is_body_empty(&mut self) -> bool {
        self.exchange.as_ref().is_none_or(|exchange| exchange.body.is_empty())
    }

    fn is_upgrade_req(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.wants_tunnel)
    }

    fn was_upgraded(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.answer.is_tunnel())
    }

    fn body_bytes_sent(&self) -> usize {
        self.exchange.as_ref().map_or(0, |exchange| exchange.answer.bytes() as usize)
    }

    fn body_bytes_read(&self) -> usize {
        self.exchange.as_ref().map_or(0, |exchange| exchange.body.bytes() as usize)
    }

    fn digest(&self) -> Option<&Digest> {
        self.exchange.as_ref().map(|exchange| &exchange.connection.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.exchange.as_mut().map(|exchange| &mut exchange.connection.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest()?.socket_digest.as_ref()?.peer_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.digest()?.socket_digest.as_ref()?.local_addr()
    }

    fn enable_retry_buffering(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.replay.begin();
        }
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.replay.is_too_large())
    }

    /// A body that ended is something to send again, also one that turned out to be empty.
    fn get_retry_buffer(&self) -> Option<Bytes> {
        let exchange = self.exchange.as_ref()?;
        exchange.replay.kept().filter(|kept| !kept.is_empty() || exchange.body.is_done())
    }

    fn request_summary(&self) -> String {
        format!("{} {}", self.header.method, self.header.uri)
    }

    /// Nobody asks.
    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        Bytes::new()
    }

    // Limits of single reads and writes, which this connection has better ones for.
    fn set_read_timeout(&mut self, _: Option<Duration>) {}

    fn get_read_timeout(&self) -> Option<Duration> {
        None
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) {}

    fn get_write_timeout(&self) -> Option<Duration> {
        None
    }

    fn set_total_drain_timeout(&mut self, _: Option<Duration>) {}

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        None
    }

    // Messages beside requests, which HTTP/1 has not.
    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
