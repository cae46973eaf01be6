//! A request that has come, until it begins: at once, or once it need not wait for its client alone.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{Method, Request, request::Parts};

use super::{
    super::{super::watch::Timer, pace::BODY_LATE, streams::Place},
    body::StreamBody,
    shared::Shared,
};
use crate::http1::Refusal;

/// A request that has come.
pub(super) struct Arrival {
    pub(super) head: Parts,
    pub(super) body: StreamBody,
    pub(super) respond: SendResponse<Bytes>,
    /// Why it is refused whatever else it says, if it is.
    pub(super) refusal: Option<Refusal>,
    /// Its place, if it needs one and has it.
    pub(super) place: Option<Place>,
}

/// What a request waits for that cannot begin at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// A place, or the beginning of its body.
    BodyOrPlace,
    /// A place.
    Place,
}

impl Arrival {
    pub(super) fn new(
        shared: &Shared,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> Self {
        let (head, stream) = request.into_parts();
        let refusal = shared.signals.refusal(respond.stream_id().as_u32());
        Self {
            head,
            body: StreamBody::new(stream, shared.limits.body),
            respond,
            refusal,
            place: None,
        }
    }

    /// Takes a place if the request would wait for its client. Returns what it waits for before it begins,
    /// if there is none left.
    pub(super) fn enter(&mut self, shared: &Shared) -> Option<Wait> {
        let wait = self.waits_for(shared)?;
        self.place = shared.places.take();
        self.place.is_none().then_some(wait)
    }

    fn waits_for(&mut self, shared: &Shared) -> Option<Wait> {
        if self.refusal.is_some() {
            None
        } else if shared.is_tight() {
            Some(Wait::Place)
        } else {
            // What comes behind a CONNECT comes after its answer.
            let is_silent = self.body.received() == Some(0) && self.head.method != Method::CONNECT;
            is_silent.then_some(Wait::BodyOrPlace)
        }
    }

    /// Waits until the request may begin. Returns whether its client still wants it then.
    pub(super) async fn wait(&mut self, wait: Wait, shared: &Shared) -> bool {
        let mut timer = Timer::default();
        let Self { body, respond, .. } = self;
        tokio::select! {
            biased;
            () = poll_fn(|cx| poll_cancelled(respond, cx)) => return false,
            begun = poll_fn(|cx| {
                body.poll_begun(shared.under_way.count(), &shared.signals, &mut timer, cx)
            }),
                if wait == Wait::BodyOrPlace =>
            {
                if begun.is_err() {
                    self.refusal = Some(BODY_LATE);
                    shared.signals.stalled(1);
                }
            }
            place = shared.places.next() => self.place = Some(place),
        }
        true
    }
}

/// Ready when the client has cancelled the request, or is gone.
pub(super) fn poll_cancelled(respond: &mut SendResponse<Bytes>, cx: &mut Context<'_>) -> Poll<()> {
    respond.poll_reset(cx).map(|_| ())
}
