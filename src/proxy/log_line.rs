//! A request's line in the access log.

use std::{borrow::Cow, time::Instant};

use http::header;
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use super::context::RequestContext;
use crate::clock;
use crate::telemetry::AccessRecord;

/// Writes the line, when there is an access log. `error` is what ended the request, if anything did.
pub(super) fn write(
    session: &Session,
    context: &RequestContext,
    error: Option<&Error>,
    now: Instant,
) {
    let Some(access_log) = &context.generation.access_log else { return };
    let request = session.req_header();
    let peer = session.client_addr().and_then(|address| address.as_inet()).copied();
    let sent = session.response_written().map(|response| response.status.as_u16());
    access_log.log(&AccessRecord {
        time: clock::wall(),
        client: peer,
        real_ip: context.client.map(|client| client.real_ip()),
        method: request.method.as_str(),
        path: request.raw_path(),
        host: request.headers.get(header::HOST).map(|host| host.as_bytes()),
        pool: context.pool.as_ref().map(|pool| pool.name().as_str()),
        backend: context.lease.as_ref().map(|lease| lease.backend().url()),
        status: if context.status > 0 { context.status } else { sent.unwrap_or(499) },
        latency: now.saturating_duration_since(context.started),
        request_id: context.request_id.as_ref().map_or("", |id| id.as_str()),
        attempts: context.attempts,
        bytes: session.body_bytes_sent() as u64,
        error: error.map(|error| reason(error, context)).as_deref(),
    });
}

/// What ended a request, in a few plain words.
fn reason<'a>(error: &'a Error, context: &RequestContext) -> Cow<'a, str> {
    match (error.etype(), error.esource(), context.failure) {
        (ErrorType::HTTPStatus(_), ..) => {
            error.context.as_ref().map_or("refused", |context| context.as_str()).into()
        }
        (ErrorType::ReadTimedout, ErrorSource::Downstream, _) => "the client was late".into(),
        (_, ErrorSource::Downstream, _) => "the client closed the connection".into(),
        (_, _, Some(failure)) => failure.to_string().into(),
        (etype, ..) => etype.as_str().into(),
    }
}
