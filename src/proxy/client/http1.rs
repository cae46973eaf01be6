//! One request in HTTP/1 and its answer, on a connection that outlives them.
//!
//! The connection goes [`Home`] when the session is dropped. Whether it can carry another request is
//! known here and not by Pingora, which would close it after every error.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora_core::{
    Error, Result,
    protocols::{Digest, http::HttpTask},
};

use super::{
    super::watch::Timer,
    answer::{Answer, Form},
    body::{BodyReader, left},
    connection::Connection,
    home::{AnswerEnd, Home, Returned},
    link::ClientLink,
    receive::Request,
    replay::REPLAYED,
    session::{ClientSession, Exchange},
};

/// Bytes behind a complete request are read in pieces of this size.
const PIECE: usize = 4096;

/// A request and its answer on their connection.
pub(in super::super) struct Http1Exchange {
    connection: Box<Connection>,
    home: Arc<Home>,
    body: BodyReader,
    answer: Answer,
    /// The header of the final answer as Pingora sees it, once it has been written.
    shown: Option<Box<ResponseHeader>>,
    wants_tunnel: bool,
    /// The client may send more on the connection: it has not said that this is its last request, or
    /// has not been understood.
    may_ask: bool,
    /// The client waits for `100 Continue` before it sends the body, and has not got it.
    waits_to_send: bool,
}

impl Http1Exchange {
    /// The session of a request; the connection goes home when it is dropped.
    pub(in super::super) fn session(
        connection: Box<Connection>,
        request: Request,
        home: Arc<Home>,
    ) -> ClientSession<Self> {
        let facts = connection.link.facts();
        let answer = Answer::new(Form {
            protocol: facts.protocol,
            is_head: request.header.method == Method::HEAD,
            wants_tunnel: facts.wants_tunnel,
            takes_trailers: facts.takes_trailers,
            keeps_alive: request.keeps_alive && facts.refusal.is_none(),
        });
        let exchange = Self {
            connection,
            home,
            body: request.body,
            answer,
            shown: None,
            wants_tunnel: facts.wants_tunnel,
            may_ask: request.keeps_alive || facts.refusal.is_some(),
            waits_to_send: facts.expects_continue,
        };
        ClientSession::of(request.header, exchange)
    }

    fn write_header(&mut self, mut shown: Box<ResponseHeader>, end: bool) {
        let header = self.connection.link.transit().take_answer(&mut shown);
        if header.status == StatusCode::CONTINUE {
            self.waits_to_send = false;
        }
        let is_final = !header.status.is_informational();
        let mut closes = self.connection.link.is_last() || self.body.has_failed();
        if is_final && self.is_body_withheld() {
            // The client may send the body all the same, so the next bytes could be the body or a
            // request (RFC 9110 section 10.1.1).
            self.body.give_up();
            self.connection.link.transit().break_off();
            closes = true;
        }
        if self.answer.write_header(header, end, closes, &mut self.connection.output) {
            self.shown = Some(shown);
        }
        if self.answer.is_tunnel() {
            self.body.become_tunnel();
        }
    }

    /// Whether the client has sent nothing of the body, and waits for leave to send it.
    fn is_body_withheld(&self) -> bool {
        self.waits_to_send && self.body.bytes() == 0 && self.connection.is_idle()
    }
}

impl Exchange for Http1Exchange {
    fn digest(&self) -> &Digest {
        &self.connection.digest
    }

    fn digest_mut(&mut self) -> &mut Digest {
        &mut self.connection.digest
    }

    fn link_and_timer(&mut self) -> (&Arc<ClientLink>, &mut Timer) {
        (&self.connection.link, &mut self.connection.read_timer)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        self.body.poll_piece(&mut self.connection, cx)
    }

    /// Reads only a limited amount ahead. A client that sends its last request and closes is then
    /// not taken for one that gave up on this request.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Box<Error>> {
        let enough = if self.body.is_done() { 1 } else { REPLAYED };
        while self.connection.input.len() < enough {
            match ready!(self.connection.poll_fill(cx, PIECE)) {
                // It has ended its direction of the tunnel; the backend's goes on.
                Ok(0) if self.answer.is_tunnel() => return Poll::Pending,
                Ok(0) | Err(_) => return Poll::Ready(left()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    fn is_body_empty(&self) -> bool {
        self.body.is_empty()
    }

    fn is_body_done(&self) -> bool {
        self.body.is_done()
    }

    fn bytes_read(&self) -> u64 {
        self.body.bytes()
    }

    async fn write(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut has_ended = false;
        let mut trailers = None;
        for task in tasks {
            has_ended |= task.is_end();
            match task {
                HttpTask::Header(header, end) => self.write_header(header, end),
                HttpTask::Body(Some(piece), _) | HttpTask::UpgradedBody(Some(piece), _) => {
                    self.answer.write_piece(piece, &mut self.connection).await?;
                }
                HttpTask::Trailer(fields) => trailers = fields,
                HttpTask::Body(None, _) | HttpTask::UpgradedBody(None, _) | HttpTask::Done => {}
                HttpTask::Failed(error) => {
                    self.connection.flush().await?;
                    return Err(error);
                }
            }
        }
        // An answer with a length ends there, even if the backend sends more.
        has_ended |= self.answer.is_complete();
        if has_ended {
            self.answer.write_end(trailers.as_deref(), &mut self.connection.output);
            if self.answer.is_tunnel() {
                self.body.give_up();
            }
        }
        self.connection.flush().await?;
        Ok(has_ended)
    }

    async fn finish(&mut self) -> Result<()> {
        self.answer.write_end(None, &mut self.connection.output);
        self.connection.flush().await
    }

    fn answer(&self) -> Option<&ResponseHeader> {
        self.shown.as_deref()
    }

    fn bytes_written(&self) -> u64 {
        self.answer.bytes()
    }

    fn wants_tunnel(&self) -> bool {
        self.wants_tunnel
    }

    fn is_tunnel(&self) -> bool {
        self.answer.is_tunnel()
    }

    fn end(self) {
        let Self { connection, home, body, answer, may_ask, .. } = self;
        let end = match (answer.is_complete(), answer.keeps_alive()) {
            (true, true) => AnswerEnd::KeepsAlive,
            (true, false) => AnswerEnd::Last { may_ask },
            (false, _) => AnswerEnd::BrokenOff,
        };
        home.put(Returned { connection, body, end });
    }
}
