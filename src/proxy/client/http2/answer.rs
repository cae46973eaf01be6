//! An answer on a stream: its header, its body within the client's windows, its end.
//!
//! A piece is handed to the `h2` crate only as far as the client's windows reach, so that what
//! waits in its buffers waits for the connection alone. A client that opens no window for too long, or
//! opens it by so little that the answer hardly moves, loses its request here, and its connection by the
//! limit on writes.
//!
//! An answer that is dropped before its end is reset by the `h2` crate, which discards what waits of its body
//! then. So its stream is kept until that was written: what came before a backend broke is the client's.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use pingora_core::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::{
    super::{
        super::{answer_header::AnswerHeader, watch::Timer},
        link::ClientLink,
        pace::{Blocked, Pace},
        streams::{self, took_too_slowly},
    },
    shared::Shared,
    wire::Mark,
};
use crate::clock;
use crate::config::PaceLimits;
use crate::http1::{Known, rules::framing};

/// The most of a body in one frame: with its head it fits into one record of TLS, without a second one for
/// some bytes.
const FRAME: usize = (16 << 10) - 9;

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before its header.
    Header,
    /// In the body; the number of bytes left if a length was announced.
    Body(Option<u64>),
    /// After the end of the answer.
    Ended,
}

/// What the request determines about the form of its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) is_head: bool,
    pub(super) wants_tunnel: bool,
}

/// The answer to one request.
#[derive(Debug)]
pub(super) struct StreamAnswer {
    shared: Arc<Shared>,
    respond: SendResponse<Bytes>,
    /// Present once the header has been sent.
    stream: Option<SendStream<Bytes>>,
    form: Form,
    is_tunnel: bool,
    state: State,
    bytes: u64,
    pace: Pace,
    timer: Timer,
}

impl StreamAnswer {
    pub(super) fn new(respond: SendResponse<Bytes>, form: Form, shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            respond,
            stream: None,
            form,
            is_tunnel: false,
            state: State::Header,
            bytes: 0,
            pace: Pace::new(shared.limits.answer_pace()),
            timer: Timer::default(),
        }
    }

    /// Bytes of the body that have been sent.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether both ends talk to each other.
    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel
    }

    /// Whether the whole answer has been sent.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Ended
    }

    /// Ready when the client has cancelled the request, or is gone.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = match &mut self.stream {
            Some(stream) => stream.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        left.map(|_| ())
    }

    /// Sends the header of an answer; `end` says that no body follows. Returns whether it was that of
    /// the final answer.
    ///
    /// # Errors
    ///
    /// If the client has left, or takes informational answers too slowly.
    pub(super) async fn write_header(
        &mut self,
        sent: &AnswerHeader,
        end: bool,
        link: &ClientLink,
    ) -> Result<bool> {
        let status = sent.status;
        let is_switch = status == StatusCode::SWITCHING_PROTOCOLS;
        if self.state != State::Header || is_switch && !self.form.wants_tunnel {
            return Ok(false);
        }
        let mut answer = Response::new(());
        // A tunnel begins with an ordinary answer (RFC 8441 section 5).
        *answer.status_mut() = if is_switch { StatusCode::OK } else { status };
        *answer.headers_mut() = fields(sent);
        if is_switch {
            answer.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
            answer.headers_mut().remove(header::CONTENT_LENGTH);
            self.stream = Some(self.respond.send_response(answer, false).map_err(broken)?);
            (self.state, self.is_tunnel) = (State::Body(None), true);
            return Ok(true);
        }
        if status.is_informational() {
            return self.write_informational(answer, link).await.map(|()| false);
        }
        let length = sent.fields.first(Known::ContentLength).and_then(framing::content_length);
        let is_bodiless = self.form.is_head
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let ends = is_bodiless || length == Some(0) || end && length.is_none();
        self.stream = Some(self.respond.send_response(answer, ends).map_err(broken)?);
        self.state = if ends { State::Ended } else { State::Body(length) };
        Ok(true)
    }

    /// Sends an informational answer, and waits until it was written: a backend may have any number of them.
    async fn write_informational(&mut self, answer: Response<()>, link: &ClientLink) -> Result<()> {
        let stream = self.respond.stream_id().as_u32();
        let mut written = self.shared.signals.awaited().frame(stream, Mark::Header);
        self.respond.send_informational(answer).map_err(broken)?;
        let Self { shared, respond, timer, .. } = self;
        // A client on a slow line has no part in how many there are.
        let mut pace = Pace::new(PaceLimits { min_rate: None, ..shared.limits.answer_pace() });
        let wait = poll_fn(|cx| {
            if Pin::new(&mut written).poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if respond.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(gone()));
            }
            ready!(pace.poll_too_slow(link.requests_under_way(), Blocked::NEVER, timer, cx));
            Poll::Ready(Err(took_too_slowly()))
        });
        wait.await
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    ///
    /// If the client has left, or takes the answer too slowly.
    pub(super) async fn write_piece(&mut self, mut piece: Bytes, link: &ClientLink) -> Result<()> {
        if let State::Body(Some(left)) = self.state {
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        poll_fn(|cx| self.poll_write(&mut piece, link, cx)).await
    }

    fn poll_write(
        &mut self,
        piece: &mut Bytes,
        link: &ClientLink,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        // There is no body, even if the backend sends one.
        let (State::Body(left), Some(stream)) = (&mut self.state, &mut self.stream) else {
            return Poll::Ready(Ok(()));
        };
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            // Read first, because `poll_capacity` reports changes only.
            let capacity = stream.capacity();
            if capacity == 0 {
                match stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => continue,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(broken(error))),
                    Poll::Ready(None) => return Poll::Ready(Err(gone())),
                    Poll::Pending => {}
                }
                let requests = link.requests_under_way();
                ready!(self.pace.poll_too_slow(requests, Blocked::NEVER, &mut self.timer, cx));
                return Poll::Ready(Err(took_too_slowly()));
            }
            let part = piece.split_to(capacity.min(piece.len()).min(FRAME));
            let sent = part.len() as u64;
            self.bytes += sent;
            if let Some(left) = left {
                *left -= sent;
            }
            let is_last = *left == Some(0);
            stream.send_data(part, is_last).map_err(broken)?;
            self.pace.came(sent, clock::now);
            link.moved();
            if is_last {
                self.state = State::Ended;
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the end of the body. A body that is shorter than announced gets no end.
    pub(super) fn write_end(&mut self, trailers: Option<HeaderMap>) -> Result<()> {
        let (State::Body(None), Some(stream)) = (self.state, &mut self.stream) else {
            return Ok(());
        };
        self.state = State::Ended;
        match trailers {
            Some(trailers) => stream.send_trailers(trailers),
            None => stream.send_data(Bytes::new(), true),
        }
        .map_err(broken)
    }
}

impl Drop for StreamAnswer {
    fn drop(&mut self) {
        if !matches!(self.state, State::Body(_)) || self.bytes == 0 {
            return;
        }
        let Some(mut stream) = self.stream.take() else { return };
        let id = stream.stream_id().as_u32();
        let mut written = self.shared.signals.awaited().frame(id, Mark::Body);
        // What waits stands before it. It fails if the client has left, which it may do later, too.
        if stream.send_data(Bytes::new(), false).is_ok() {
            let over = poll_fn(move |cx| {
                let is_over =
                    Pin::new(&mut written).poll(cx).is_ready() || stream.poll_reset(cx).is_ready();
                if is_over { Poll::Ready(()) } else { Poll::Pending }
            });
            // A client can take back the room that what waits has had.
            tokio::spawn(timeout(self.shared.limits.write, over));
        }
    }
}

/// The fields of an answer, as the `h2` crate takes them.
fn fields(header: &AnswerHeader) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in streams::fields(header) {
        if let Ok(name) = HeaderName::from_bytes(name)
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            fields.append(name, value);
        }
    }
    fields
}

/// A write fails because the stream was reset or the connection has ended.
fn broken(error: h2::Error) -> Box<Error> {
    Error::because(ErrorType::WriteError, "while the answer was written", error).into_down()
}

fn gone() -> Box<Error> {
    Error::explain(ErrorType::WriteError, "the client has left").into_down()
}
