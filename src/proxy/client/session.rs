//! One request and its answer, as Pingora drives them, in any protocol.
//!
//! Pingora asks for pieces of the body, hands over the answer as tasks, and reads on while it waits
//! for the backend, to notice a client that leaves. That last read is also where the backend's
//! limits are watched: it is under way whenever nothing else is.
//!
//! The differences between the protocols are in [`Exchange`].

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
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
    super::{
        transit::Room,
        watch::{Timer, Wait},
    },
    body::left,
    link::ClientLink,
    replay::Replay,
};

/// What carries one request and its answer.
pub(in super::super) trait Exchange: Send + Sync + Unpin + 'static {
    /// The digest by which hooks find the link.
    fn digest(&self) -> &Digest;
    fn digest_mut(&mut self) -> &mut Digest;
    /// The link, and the timer by which the client and the backend are waited for.
    fn link_and_timer(&mut self) -> (&Arc<ClientLink>, &mut Timer);

    /// The next piece of the body, never empty; `None` at its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>>;
    /// Ready only when the client has left. Bytes that it sends meanwhile are kept.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Box<Error>>;
    /// Whether the header says that there is no body.
    fn is_body_empty(&self) -> bool;
    /// Whether all of the body has been read.
    fn is_body_done(&self) -> bool;
    /// Bytes of the body that have been read.
    fn bytes_read(&self) -> u64;

    /// Writes a part of the answer. Returns whether that was the end of it.
    fn write(&mut self, tasks: Vec<HttpTask>) -> impl Future<Output = Result<bool>> + Send;
    /// Writes the end of the answer, if it has none yet.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// The header of the final answer, once it has been written.
    fn answer(&self) -> Option<&ResponseHeader>;
    /// Bytes of the answer's body that have been written.
    fn bytes_written(&self) -> u64;
    /// Whether the request asks for a tunnel.
    fn wants_tunnel(&self) -> bool;
    /// Whether the request has become a tunnel.
    fn is_tunnel(&self) -> bool;

    /// The request has ended, well or not.
    fn end(self);
}

/// The session of one request.
pub(in super::super) struct ClientSession<E: Exchange> {
    header: RequestHeader,
    /// Present until the session is dropped.
    exchange: Option<E>,
    /// The part of the body that has been read, for the next attempt.
    replay: Replay,
}

impl<E: Exchange> ClientSession<E> {
    /// The session of the request with this header.
    pub(super) fn of(header: RequestHeader, exchange: E) -> Self {
        Self { header, exchange: Some(exchange), replay: Replay::default() }
    }

    fn exchange(&mut self) -> Result<&mut E> {
        self.exchange.as_mut().ok_or_else(left)
    }

    fn link(&mut self) -> Result<&Arc<ClientLink>> {
        Ok(self.exchange()?.link_and_timer().0)
    }

    /// Whether all of the body that can be sent on has been read.
    fn is_body_over(&mut self) -> bool {
        self.exchange.as_mut().is_none_or(|exchange| {
            exchange.is_body_done() || exchange.link_and_timer().0.transit().is_broken()
        })
    }

    /// Whether all of the final answer has come from the backend.
    fn is_answered(&mut self) -> Result<bool> {
        let exchange = self.exchange()?;
        let has_begun = exchange.answer().is_some();
        Ok(has_begun && exchange.link_and_timer().0.transit().is_over())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let piece = ready!(self.exchange()?.poll_piece(cx));
        if let Ok(Some(piece)) = &piece {
            self.replay.came(piece);
        }
        Poll::Ready(piece)
    }

    /// The next piece of the body, if it is wanted and there is one; otherwise only an end of the
    /// wait: the client has left, or the backend is late.
    fn poll_piece_or_end(
        &mut self,
        is_piece_wanted: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>>> {
        if is_piece_wanted && self.is_body_over() {
            return Poll::Ready(Ok(None));
        }
        if !is_piece_wanted && self.is_answered()? {
            // What is left to do does not depend on the client.
            return Poll::Pending;
        }
        let reads = is_piece_wanted && self.link()?.transit().room(cx) == Room::Some;
        if reads {
            if let Poll::Ready(piece) = self.poll_piece(cx) {
                return Poll::Ready(piece);
            }
        } else if let Poll::Ready(left) = self.exchange()?.poll_left(cx) {
            return Poll::Ready(Err(left));
        }
        let (link, timer) = self.exchange()?.link_and_timer();
        ready!(poll_late(link, timer, cx));
        if reads && link.is_answering() {
            // The backend may well be waiting for the rest of the request.
            link.take_late();
            let why = "the client stopped sending";
            return Poll::Ready(Err(Error::explain(ErrorType::ReadTimedout, why).into_down()));
        }
        Poll::Ready(Err(Error::explain(ErrorType::ReadTimedout, "the backend was late")))
    }
}

impl<E: Exchange> Drop for ClientSession<E> {
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.link_and_timer().0.request_ended();
            exchange.end();
        }
    }
}

/// Bytes of the body that a task brings.
fn body_bytes(task: &HttpTask) -> usize {
    match task {
        HttpTask::Body(Some(piece), _) | HttpTask::UpgradedBody(Some(piece), _) => piece.len(),
        _ => 0,
    }
}

/// The messages beside a request that Pingora asks for. There are none, and they end when the answer
/// begins: if they ended before, their end would wake Pingora's loop once more, and if they ended later,
/// the loop could not end with the answer.
pub(in super::super) struct NoMessages(Arc<ClientLink>);

impl NoMessages {
    pub(in super::super) fn of(link: &Arc<ClientLink>) -> Self {
        Self(Arc::clone(link))
    }
}

impl Stream for NoMessages {
    type Item = Result<Bytes>;

    /// Leaves the waker alone: Pingora's loop is one task, which is awake when an answer begins, and asks
    /// again then.
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.0.transit().is_answered() { Poll::Ready(None) } else { Poll::Pending }
    }
}

/// Ready when the backend of the attempt is late. Asked when nothing else can be done.
fn poll_late(link: &ClientLink, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
    while let Some(at) = link.due() {
        ready!(timer.poll(at, cx));
        if matches!(link.ask(), Wait::Late | Wait::Undecided) {
            return Poll::Ready(());
        }
    }
    Poll::Pending
}

#[async_trait]
impl<E: Exchange> Session for ClientSession<E> {
    fn req_header(&self) -> &RequestHeader {
        &self.header
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.header
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_piece_or_end(!no_body_expected, cx)).await
    }

    /// Does nothing: the connection deals with the rest of the body once the answer is written.
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

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        let trailers = HttpTask::Trailer(Some(Box::new(trailers)));
        self.exchange()?.write(vec![trailers]).await.map(|_| ())
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let bytes = tasks.iter().map(body_bytes).sum();
        let has_ended = self.exchange()?.write(tasks).await?;
        self.link()?.transit().written(bytes);
        Ok(has_ended)
    }

    async fn finish(&mut self) -> Result<()> {
        self.exchange()?.finish().await
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does nothing: an incomplete answer is broken off when the session is dropped.
    async fn shutdown(&mut self, _: u32, _: &str) {}

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.exchange.as_ref()?.answer()
    }

    fn is_body_done(&mut self) -> bool {
        self.is_body_over()
    }

    fn is_body_empty(&mut self) -> bool {
        self.exchange.as_ref().is_none_or(E::is_body_empty)
    }

    fn is_upgrade_req(&self) -> bool {
        self.exchange.as_ref().is_some_and(E::wants_tunnel)
    }

    fn was_upgraded(&self) -> bool {
        self.exchange.as_ref().is_some_and(E::is_tunnel)
    }

    fn body_bytes_sent(&self) -> usize {
        self.exchange.as_ref().map_or(0, |exchange| exchange.bytes_written() as usize)
    }

    fn body_bytes_read(&self) -> usize {
        self.exchange.as_ref().map_or(0, |exchange| exchange.bytes_read() as usize)
    }

    fn digest(&self) -> Option<&Digest> {
        self.exchange.as_ref().map(E::digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.exchange.as_mut().map(E::digest_mut)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest()?.socket_digest.as_ref()?.peer_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.digest()?.socket_digest.as_ref()?.local_addr()
    }

    fn enable_retry_buffering(&mut self) {
        let ahead = self.exchange.as_mut().map_or(0, |it| it.link_and_timer().0.read_ahead());
        self.replay.begin(ahead);
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.replay.is_too_large()
    }

    /// The body for another attempt. A body that has ended is always sent again, even if it turned
    /// out to be empty.
    fn get_retry_buffer(&self) -> Option<Bytes> {
        let exchange = self.exchange.as_ref()?;
        self.replay.kept().filter(|kept| !kept.is_empty() || exchange.is_body_done())
    }

    fn request_summary(&self) -> String {
        format!("{} {}", self.header.method, self.header.uri)
    }

    /// Not used by `lb`.
    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        Bytes::new()
    }

    // Limits on single reads and writes are ignored, because exchanges have limits of their own.
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

    // Messages beside requests do not exist in HTTP.
    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        Some(Box::new(NoMessages::of(self.link().ok()?)))
    }

    fn restore_custom_message_reader(
        &mut self,
        _: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        Some(Box::new(()))
    }

    fn restore_custom_message_writer(&mut self, _: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
