//! What a client's session and the hooks of its request tell each other.
//!
//! Pingora passes a session to the hooks as its own type, behind which ours cannot be seen; but each
//! session has a digest, and that may carry a value of ours. So the link hangs there. It says what
//! the session has found out about the request, and holds the watch over the backend, which hooks
//! set and the session asks.
//!
//! The lock is never waited for: a connection and the hooks of its request are one task.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pingora::http::ResponseHeader;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_proxy::Session;

use super::{
    super::{
        transit::Transit,
        watch::{AttemptWatch, Patience, Wait},
    },
    accepted::{ConnectionContext, UnderWay, WhyEnded},
};
use crate::clock;
use crate::count::{ListenerCounts, Protocol};
use crate::http1::{Fields, Refusal};
use crate::pool::Lease;

/// What a session has found out about a request from its header.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct RequestFacts {
    /// Why the request must be refused, if it must.
    pub(in super::super) refusal: Option<Refusal>,
    pub(in super::super) protocol: Protocol,
    /// Whether all of its body has come with the header, or it has none.
    pub(in super::super) is_body_at_hand: bool,
    /// The length of the body, if the header announces one.
    pub(in super::super) length: Option<u64>,
    /// The client waits for a `100 Continue` before it sends the body.
    pub(in super::super) expects_continue: bool,
    /// The client says that it can do something with trailers.
    pub(in super::super) asks_for_trailers: bool,
    /// Trailers can be sent to it.
    pub(in super::super) takes_trailers: bool,
    /// The request asks for the connection to become a WebSocket.
    pub(in super::super) wants_tunnel: bool,
}

/// Shared by a client's session and the hooks of its request.
#[derive(Debug)]
pub(in super::super) struct ClientLink {
    connection: ConnectionContext,
    /// The requests of the connection, if it can have several under way.
    under_way: Option<UnderWay>,
    request: Mutex<Request>,
    transit: Transit,
}

#[derive(Debug)]
struct Request {
    facts: RequestFacts,
    /// The fields that came, until the hooks take them.
    fields: Fields,
    /// Bytes of the body that are read before the first attempt.
    read_ahead: usize,
    watch: AttemptWatch,
    /// Decides whether the attempt ends when its learned limit has passed.
    patience: Option<Patience>,
    /// The backend of the next attempt, when a learned limit has ended this one.
    next: Option<Lease>,
    was_late: bool,
    /// The answer is the last one of its connection.
    is_last: bool,
}

impl ClientLink {
    pub(in super::super) fn new(connection: ConnectionContext, protocol: Protocol) -> Self {
        let facts = RequestFacts {
            refusal: None,
            protocol,
            is_body_at_hand: true,
            length: None,
            expects_continue: false,
            asks_for_trailers: false,
            takes_trailers: false,
            wants_tunnel: false,
        };
        let request = Request {
            facts,
            fields: Fields::default(),
            read_ahead: 0,
            watch: AttemptWatch::Nothing,
            patience: None,
            next: None,
            was_late: false,
            is_last: false,
        };
        let transit = Transit::default();
        Self { connection, under_way: None, request: Mutex::new(request), transit }
    }

    /// The link of a request on a stream of its own, beside the others of its connection.
    pub(super) fn on_stream(
        connection: ConnectionContext,
        protocol: Protocol,
        under_way: &UnderWay,
    ) -> Self {
        Self { under_way: Some(under_way.clone()), ..Self::new(connection, protocol) }
    }

    /// How many requests the connection has under way.
    pub(super) fn requests_under_way(&self) -> usize {
        self.under_way.as_ref().map_or(1, UnderWay::count)
    }

    /// Why `lb` has ended the connection, if it has.
    pub(in super::super) fn why_ended(&self) -> Option<WhyEnded> {
        self.under_way.as_ref().and_then(UnderWay::why_ended)
    }

    /// The link of a request's session.
    pub(in super::super) fn of(session: &Session) -> Option<&Arc<Self>> {
        let digest = session.digest()?.proxy_digest.as_ref()?;
        digest.user_data.as_ref()?.downcast_ref()
    }

    /// The part of a session's digest by which hooks find the link.
    pub(super) fn digest(self: &Arc<Self>) -> pingora_core::Result<Arc<ProxyDigest>> {
        // The header stands for the answer of a CONNECT proxy; there is no such proxy here.
        let unused = Box::new(ResponseHeader::build_no_case(200, Some(0))?);
        Ok(Arc::new(ProxyDigest::new(unused, Some(Box::new(Arc::clone(self))))))
    }

    /// Counts of the listener that the client connected to.
    pub(in super::super) fn counts(&self) -> &ListenerCounts {
        &self.connection.counts
    }

    /// What is known of the client's connection.
    pub(in super::super) fn connection(&self) -> &ConnectionContext {
        &self.connection
    }

    /// Whether the client speaks TLS.
    pub(in super::super) fn is_tls(&self) -> bool {
        self.connection.facts.as_ref().is_some_and(|facts| facts.tls.is_some())
    }

    /// What is on its way between this session and the backend's.
    pub(in super::super) fn transit(&self) -> &Transit {
        &self.transit
    }

    /// A request's header has come.
    pub(super) fn request_began(&self, facts: RequestFacts, fields: Fields) {
        let mut request = self.request.lock();
        request.facts = facts;
        request.fields = fields;
        request.read_ahead = 0;
        request.watch = AttemptWatch::Nothing;
        request.was_late = false;
        request.is_last = false;
    }

    /// The request has ended; a backend that was claimed for another attempt is given back.
    pub(in super::super) fn request_ended(&self) {
        self.transit.clear();
        let mut request = self.request.lock();
        request.watch = AttemptWatch::Nothing;
        (request.patience, request.next) = (None, None);
    }

    pub(in super::super) fn facts(&self) -> RequestFacts {
        self.request.lock().facts
    }

    /// The fields that came with the request and are for the server behind the proxy, in the order of
    /// their lines.
    pub(in super::super) fn take_fields(&self) -> Fields {
        std::mem::take(&mut self.request.lock().fields)
    }

    /// This many bytes of the body are read before the first attempt, so the session keeps them.
    pub(in super::super) fn will_read_ahead(&self, bytes: usize) {
        self.request.lock().read_ahead = bytes;
    }

    pub(super) fn read_ahead(&self) -> usize {
        self.request.lock().read_ahead
    }

    /// The client was sent the `100 Continue` that it waits for.
    pub(in super::super) fn asked_for_body(&self) {
        self.request.lock().facts.expects_continue = false;
    }

    /// The answer to this request is to be the last one of its connection.
    pub(in super::super) fn close_after_answer(&self) {
        self.request.lock().is_last = true;
    }

    pub(super) fn is_last(&self) -> bool {
        self.request.lock().is_last
    }

    /// Sets what the backend owes from now on.
    pub(in super::super) fn expect(&self, watch: AttemptWatch) {
        let mut request = self.request.lock();
        (request.watch, request.patience) = (watch, None);
    }

    /// Like [`ClientLink::expect`], and sets what decides when the learned limit has passed.
    pub(in super::super) fn expect_soon(&self, watch: AttemptWatch, patience: Patience) {
        let mut request = self.request.lock();
        (request.watch, request.patience) = (watch, Some(patience));
    }

    /// See [`AttemptWatch::client_sends`].
    pub(in super::super) fn client_sends(&self) {
        self.request.lock().watch.client_sends();
    }

    /// See [`AttemptWatch::moved`].
    pub(in super::super) fn moved(&self) {
        self.request.lock().watch.moved();
    }

    /// Whether the backend has begun its answer, so that only a pause can still be too long.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.request.lock().watch, AttemptWatch::Rest { .. })
    }

    /// When to [ask](Self::ask) next, if at all.
    pub(super) fn due(&self) -> Option<Instant> {
        self.request.lock().watch.due()
    }

    /// Whether to go on waiting for the backend: never [`Wait::Undecided`].
    pub(super) fn ask(&self) -> Wait {
        let mut request = self.request.lock();
        loop {
            match request.watch.ask(clock::now) {
                Wait::Undecided => {
                    let now = clock::now();
                    let next = request.patience.as_ref().and_then(|patience| patience.give_up(now));
                    match next {
                        Some(next) => {
                            request.next = Some(next);
                            request.was_late = true;
                            return Wait::Late;
                        }
                        None => request.watch.wait_on(now),
                    }
                }
                Wait::Late => {
                    request.was_late = true;
                    return Wait::Late;
                }
                wait => return wait,
            }
        }
    }

    /// Whether the attempt ended because its backend was late, with the backend of the next attempt
    /// if a learned limit ended it. Asking clears it.
    pub(in super::super) fn take_late(&self) -> Option<Option<Lease>> {
        let mut request = self.request.lock();
        (request.watch, request.patience) = (AttemptWatch::Nothing, None);
        std::mem::take(&mut request.was_late).then(|| request.next.take())
    }

    /// Sets the longest pause in the answer from now on.
    pub(in super::super) fn expect_no_gap(&self, now: Instant, limit: Duration) {
        self.expect(AttemptWatch::Rest { limit, by: now + limit, has_moved: false });
    }
}
