//! The client's face: Pingora's hooks, in the order in which a request meets them.
//!
//! Each hook reads the clock once at most and delegates by name; the life of a request is drawn
//! in ARCHITECTURE.md.

mod accept;
mod answer_header;
mod attempt;
mod backend;
mod client;
mod context;
mod listener;
mod reading;
mod record;
mod request;
mod transit;
mod watch;

use std::{os::fd::RawFd, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::{
    Error, Result, modules::http::HttpModules, protocols::Digest, upstreams::peer::HttpPeer,
};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

pub use accept::secure;
pub use backend::Backends;
pub use context::RequestContext;
pub use listener::{ListenerApp, PingoraProxy, QuicListener, Reading};

use crate::clock;
use crate::generation::Current;
use crate::in_flight::InFlight;
use record::{counting, log_line, spans};
use request::respond;

/// The proxy: what Pingora calls for each request.
#[derive(Debug)]
pub struct Proxy {
    current: Arc<Current>,
    in_flight: InFlight,
}

impl Proxy {
    /// A proxy that serves from the current generation and counts requests in flight.
    #[must_use]
    pub fn new(current: Arc<Current>, in_flight: InFlight) -> Self {
        Self { current, in_flight }
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    /// Boxed, because Pingora keeps it by value in each of its nested futures and moves those.
    type CTX = Box<RequestContext>;

    fn new_ctx(&self) -> Box<RequestContext> {
        Box::new(RequestContext::new(self.current.pin(), clock::now(), self.in_flight.enter()))
    }

    /// Does nothing: Pingora would add a compression module, and every request would pay for it.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        context: &mut Box<RequestContext>,
    ) -> Result<()> {
        request::begin(session, context)
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        context: &mut Box<RequestContext>,
    ) -> Result<bool> {
        request::route(session, context).await
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Box<RequestContext>,
    ) -> Result<Box<HttpPeer>> {
        attempt::begin(session, context).await
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Box<RequestContext>,
        error: Box<Error>,
    ) -> Box<Error> {
        attempt::not_connected(session, context, error, clock::now())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        context: &mut Box<RequestContext>,
    ) -> Result<()> {
        request::set_headers(upstream_request, context);
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Box<RequestContext>,
    ) -> Result<()> {
        // Pingora ends the chunks of an empty last piece twice (its issue #935).
        if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        request::sent(session, context, end_of_stream, clock::now);
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        upstream_response: &mut ResponseHeader,
        context: &mut Box<RequestContext>,
    ) -> Result<()> {
        let now = clock::now();
        let Some(routed) = &mut context.routed else { return Ok(()) };
        attempt::answer_began(routed, upstream_response.status, now);
        counting::answered(routed);
        let Some(header) = routed.link.transit().take_header() else { return Ok(()) };
        attempt::answered(session, context, &header, now)?;
        context.answer = Some(header);
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Box<RequestContext>,
    ) -> Result<()> {
        if let (Some(mut header), Some(received)) = (context.answer.take(), &context.received) {
            respond::suit_client(&mut header, &received.link, context.in_flight.is_draining());
            request::set_answer_headers(&mut header, context);
            let logged_answer = context.copy_for_log(&header.fields);
            received.link.transit().put_answer(header);
            context.logged_answer = logged_answer;
            if !response.status.is_informational() {
                // Otherwise Pingora would say in a map how the body is framed.
                response.set_status(StatusCode::NO_CONTENT)?;
            }
        }
        Ok(())
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Box<RequestContext>,
        _client_reused: bool,
    ) -> Box<Error> {
        attempt::broke_off(session, context, error, clock::now())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Box<RequestContext>,
    ) -> FailToProxy {
        let error_code = request::fail(session, error, context).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        context: &mut Box<RequestContext>,
    ) {
        let now = clock::now();
        if let (None, Some(routed)) = (error, &context.routed) {
            attempt::completed(routed, now);
        }
        counting::request_ended(session, context, error, now);
        log_line::write(session, context, error, now);
        spans::record(session, context, error, now);
    }

    /// Silences Pingora's log of failed requests, because the access log has them.
    fn suppress_error_log(&self, _: &Session, _: &Box<RequestContext>, _: &Error) -> bool {
        true
    }

    /// Silences Pingora's log of failed attempts, because the access log has them.
    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Box<RequestContext>,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    async fn connected_to_upstream(
        &self,
        session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        _digest: Option<&Digest>,
        context: &mut Box<RequestContext>,
    ) -> Result<()> {
        if let Some(routed) = &mut context.routed {
            counting::connected(routed, reused);
            attempt::connected(session, routed, reused, clock::now());
        }
        Ok(())
    }
}
