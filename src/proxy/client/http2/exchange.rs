//! One request in HTTP/2 and its answer: a stream of its connection.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{Digest, http::HttpTask},
};

use super::{
    super::{
        super::watch::Timer,
        body::left,
        link::ClientLink,
        session::{ClientSession, Exchange},
        streams::{self, Place, grpc},
    },
    answer::{Form, StreamAnswer},
    arrival::Arrival,
    body::StreamBody,
    shared::Shared,
};
use crate::count::Protocol;

/// A request and its answer on their stream.
pub(in super::super::super) struct Http2Exchange {
    shared: Arc<Shared>,
    link: Arc<ClientLink>,
    digest: Digest,
    body: StreamBody,
    answer: StreamAnswer,
    wants_tunnel: bool,
    is_grpc: bool,
    /// The header of the final answer as Pingora sees it, once it has been sent.
    shown: Option<Box<ResponseHeader>>,
    timer: Timer,
    place: Option<Place>,
}

impl Http2Exchange {
    /// The session of a request, which keeps its place until its body begins, or it ends.
    ///
    /// # Errors
    ///
    /// Pingora's error if it cannot create a header; not known to happen.
    pub(super) fn session(
        shared: &Arc<Shared>,
        Arrival { head, mut body, respond, refusal, place }: Arrival,
    ) -> Result<ClientSession<Self>> {
        let received = body.received();
        let (header, facts, fields) = streams::read(Protocol::Http2, &head, received, refusal)?;
        let link = Arc::new(ClientLink::on_stream(
            shared.connection.clone(),
            Protocol::Http2,
            &shared.under_way,
        ));
        let is_grpc = grpc::asks_for_grpc(&fields);
        link.request_began(facts, fields);
        if facts.wants_tunnel {
            body.hold_back();
        }
        let digest = Digest {
            proxy_digest: Some(link.digest()?),
            socket_digest: shared.socket.clone(),
            ..Digest::default()
        };
        let form = Form { is_head: head.method == Method::HEAD, wants_tunnel: facts.wants_tunnel };
        let exchange = Self {
            answer: StreamAnswer::new(respond, form, shared),
            wants_tunnel: facts.wants_tunnel,
            is_grpc,
            shown: None,
            shared: Arc::clone(shared),
            link,
            digest,
            body,
            timer: Timer::default(),
            place,
        };
        Ok(ClientSession::of(header, exchange))
    }

    /// Notes a request that ends because its client sends or takes too little, and those that wait for
    /// its place.
    fn note_stall(&self, error: &Error) {
        if matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout) {
            let waiting = self.place.as_ref().map_or(0, |_| self.shared.places.waiting_for_each());
            self.shared.signals.stalled(1 + waiting);
        }
    }
}

impl Exchange for Http2Exchange {
    fn digest(&self) -> &Digest {
        &self.digest
    }

    fn digest_mut(&mut self) -> &mut Digest {
        &mut self.digest
    }

    fn link_and_timer(&mut self) -> (&Arc<ClientLink>, &mut Timer) {
        (&self.link, &mut self.timer)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let piece = self.body.poll_piece(&self.link, &self.shared.signals, &mut self.timer, cx);
        piece.map(|piece| {
            if piece.is_ok() && !self.shared.is_tight() {
                // The body has begun.
                self.place = None;
            }
            piece.inspect_err(|error| self.note_stall(error))
        })
    }

    /// Bytes that the client sends meanwhile wait within its window.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Box<Error>> {
        self.body.gather(cx);
        self.answer.poll_left(cx).map(|()| left())
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
        let text = if self.is_grpc { grpc::first_piece(&tasks) } else { None };
        for task in tasks {
            has_ended |= task.is_end();
            match task {
                HttpTask::Header(mut shown, mut end) => {
                    let mut header = self.link.transit().take_answer(&mut shown);
                    if self.wants_tunnel && header.status.is_success() {
                        // The client would take it for the beginning of the tunnel.
                        header.status = StatusCode::BAD_GATEWAY;
                        shown.set_status(StatusCode::BAD_GATEWAY)?;
                    }
                    if self.is_grpc
                        && let Some(told) = grpc::in_place_of(&header, text.as_deref())
                    {
                        (*header, end) = (told, true);
                    }
                    if self.link.is_last() && !header.status.is_informational() {
                        self.shared.is_last.notify_one();
                    }
                    if self.answer.write_header(&header, end, &self.link).await? {
                        self.shown = Some(shown);
                    }
                    if self.answer.is_tunnel() {
                        self.body.become_tunnel();
                    }
                }
                HttpTask::Body(Some(piece), _) | HttpTask::UpgradedBody(Some(piece), _) => {
                    let written = self.answer.write_piece(piece, &self.link).await;
                    written.inspect_err(|error| self.note_stall(error))?;
                }
                HttpTask::Trailer(fields) => trailers = fields.map(|fields| *fields),
                HttpTask::Body(None, _) | HttpTask::UpgradedBody(None, _) | HttpTask::Done => {}
                HttpTask::Failed(error) => return Err(error),
            }
        }
        // An answer with a length ends there, even if the backend sends more.
        has_ended |= self.answer.is_complete();
        if has_ended {
            self.answer.write_end(trailers)?;
            if self.answer.is_tunnel() {
                self.body.give_up();
            }
        }
        Ok(has_ended)
    }

    async fn finish(&mut self) -> Result<()> {
        self.answer.write_end(None)
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
        if self.answer.is_tunnel() && self.answer.is_complete() {
            tokio::spawn(self.body.linger());
        }
    }
}
