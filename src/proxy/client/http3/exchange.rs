//! One request in HTTP/3 and its answer: a stream of its connection.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Method;
use pingora::http::ResponseHeader;
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{Digest, SocketDigest, http::HttpTask},
};

use super::{
    super::{
        super::watch::Timer,
        body::left,
        link::ClientLink,
        session::{ClientSession, Exchange},
        streams::{Place, grpc},
    },
    answer::StreamAnswer,
    arrival::Arrival,
    body::StreamBody,
    budget::Cost,
    shared::Shared,
};
use crate::count::Protocol;
use crate::http3::Code;

/// A request and its answer on their stream.
pub(in super::super::super) struct Http3Exchange {
    shared: Arc<Shared>,
    link: Arc<ClientLink>,
    digest: Digest,
    body: StreamBody,
    /// Present until the request has ended.
    answer: Option<StreamAnswer>,
    is_grpc: bool,
    /// The header of the final answer as Pingora sees it, once it has been sent.
    shown: Option<Box<ResponseHeader>>,
    timer: Timer,
    place: Option<Place>,
}

impl Http3Exchange {
    /// The session of a request whose head has been read, or refused. It keeps its place until its body begins,
    /// or it ends.
    ///
    /// # Errors
    ///
    /// Pingora's error if it cannot name the link; not known to happen.
    pub(super) fn session(
        shared: &Arc<Shared>,
        socket: Arc<SocketDigest>,
        Arrival { request, mut body, mut answer, place }: Arrival,
    ) -> Result<ClientSession<Self>> {
        let (header, facts, fields) = request;
        let link = Arc::new(ClientLink::on_stream(
            shared.connection.clone(),
            Protocol::Http3,
            &shared.under_way,
        ));
        let is_grpc = grpc::asks_for_grpc(&fields);
        link.request_began(facts, fields);
        body.begins();
        let digest = Digest {
            proxy_digest: Some(link.digest()?),
            socket_digest: Some(socket),
            ..Digest::default()
        };
        if header.method == Method::HEAD {
            answer.is_to_head();
        }
        let exchange = Self {
            shared: Arc::clone(shared),
            link,
            digest,
            body,
            answer: Some(answer),
            is_grpc,
            shown: None,
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
            self.shared.pay(Cost::Stalled(1 + waiting));
        }
    }

    /// Writes a part of an answer, whose body begins with this `text` if it is known. Returns its trailers.
    async fn write_task(
        &mut self,
        task: HttpTask,
        text: Option<&[u8]>,
    ) -> Result<Option<http::HeaderMap>> {
        let answer = self.answer.as_mut().ok_or_else(left)?;
        match task {
            HttpTask::Header(mut shown, mut end) => {
                let mut header = self.link.transit().take_answer(&mut shown);
                if self.is_grpc
                    && let Some(told) = grpc::in_place_of(&header, text)
                {
                    (*header, end) = (told, true);
                }
                if self.link.is_last() && !header.status.is_informational() {
                    self.shared.is_last.notify_one();
                }
                if answer.write_header(&header, end, &self.link).await? {
                    self.shown = Some(shown);
                }
            }
            HttpTask::Body(Some(piece), _) | HttpTask::UpgradedBody(Some(piece), _) => {
                answer.write_piece(piece, &self.link).await?;
            }
            HttpTask::Trailer(fields) => return Ok(fields.map(|fields| *fields)),
            HttpTask::Body(None, _) | HttpTask::UpgradedBody(None, _) | HttpTask::Done => {}
            HttpTask::Failed(error) => return Err(error),
        }
        Ok(None)
    }
}

impl Exchange for Http3Exchange {
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
        let piece = self.body.poll_piece(&self.link, &mut self.timer, cx);
        if piece.is_pending()
            && let Poll::Ready(left) = self.poll_left(cx)
        {
            return Poll::Ready(Err(left));
        }
        piece.map(|piece| {
            if piece.is_ok() && !self.shared.is_tight {
                // The body has begun.
                self.place = None;
            }
            piece.inspect_err(|error| self.note_stall(error))
        })
    }

    /// Bytes that the client sends meanwhile wait within its window.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Box<Error>> {
        match &mut self.answer {
            Some(answer) => answer.poll_left(cx).map(|()| {
                self.shared.pay(Cost::Cancelled);
                left()
            }),
            None => Poll::Ready(left()),
        }
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
            let written = self.write_task(task, text.as_deref()).await;
            trailers = written.inspect_err(|error| self.note_stall(error))?.or(trailers);
        }
        let answer = self.answer.as_mut().ok_or_else(left)?;
        // An answer with a length ends there, even if the backend sends more.
        has_ended |= answer.is_complete();
        if has_ended {
            let written = answer.write_end(trailers, &self.link).await;
            written.inspect_err(|error| self.note_stall(error))?;
        }
        Ok(has_ended)
    }

    async fn finish(&mut self) -> Result<()> {
        let answer = self.answer.as_mut().ok_or_else(left)?;
        answer.write_end(None, &self.link).await
    }

    fn answer(&self) -> Option<&ResponseHeader> {
        self.shown.as_deref()
    }

    fn bytes_written(&self) -> u64 {
        self.answer.as_ref().map_or(0, StreamAnswer::bytes)
    }

    fn wants_tunnel(&self) -> bool {
        false
    }

    fn is_tunnel(&self) -> bool {
        false
    }

    fn end(mut self) {
        // The client need not send the rest, if there is any (RFC 9114 section 4.1).
        self.body.stop(Code::NoError);
        let Some(answer) = self.answer.take() else { return };
        if answer.is_complete() {
            self.shared.answered();
        }
    }
}
