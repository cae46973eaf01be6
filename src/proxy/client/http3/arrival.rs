//! A request whose head has come, until it begins: at once, or once it need not wait for its client alone.

use std::future::poll_fn;

use pingora::http::RequestHeader;

use super::{
    super::{super::watch::Timer, link::RequestFacts, pace::BODY_LATE, streams::Place},
    answer::StreamAnswer,
    body::StreamBody,
    budget::Cost,
    shared::Shared,
};
use crate::http1::Fields;

/// A request as hooks get it.
pub(super) type Request = (RequestHeader, RequestFacts, Fields);

/// A request that has come.
pub(super) struct Arrival {
    pub(super) request: Request,
    pub(super) body: StreamBody,
    pub(super) answer: StreamAnswer,
    /// Its place, if it needs one and has it.
    pub(super) place: Option<Place>,
}

impl Arrival {
    /// Waits until the request may begin: one whose body has not begun needs a place, or the beginning of
    /// the body, and one whose answer would have to wait needs a place. Returns whether its client still wants
    /// it then.
    pub(super) async fn enter(&mut self, shared: &Shared) -> bool {
        let (_, facts, _) = &mut self.request;
        let is_silent = self.body.received() == Some(0);
        if facts.refusal.is_some() || !(shared.is_tight || is_silent) {
            return true;
        }
        self.place = shared.places.take();
        if self.place.is_some() {
            return true;
        }
        let mut timer = Timer::default();
        let Self { body, answer, .. } = self;
        tokio::select! {
            biased;
            () = poll_fn(|cx| answer.poll_left(cx)) => return false,
            begun = poll_fn(|cx| body.poll_begun(shared.under_way.count(), &mut timer, cx)),
                if !shared.is_tight =>
            {
                if begun.is_err() {
                    facts.refusal = Some(BODY_LATE);
                    shared.pay(Cost::Stalled(1));
                } else if body.has_been_cancelled() {
                    return false;
                }
            }
            place = shared.places.next() => self.place = Some(place),
        }
        true
    }
}
