//! A request's line in the access log.

use std::{borrow::Cow, time::Instant};

use http::{HeaderName, Version, header};
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use super::{
    context::RequestContext,
    tries::{Tries, last_backend},
};
use crate::backend::Backend;
use crate::clock;
use crate::config::LogFormat;
use crate::telemetry::{AccessRecord, Ended};

/// Writes the line, when there is an access log and the request is to have one. `error` is what ended
/// the request, if anything did.
pub(super) fn write(
    session: &Session,
    context: &RequestContext,
    error: Option<&Error>,
    now: Instant,
) {
    let Some(access_log) = &context.generation.access_log else { return };
    let ended = ended(session, context, error, now);
    if !access_log.wants(&ended) {
        return;
    }
    let request = session.req_header();
    let header = |name: &HeaderName| request.headers.get(name).map(|value| value.as_bytes());
    let is_combined = access_log.format() == LogFormat::Combined;
    let peer = session.client_addr().and_then(|address| address.as_inet()).copied();
    let tries = Tries::of(context, error);
    let names = last_backend(context).map(Backend::names);
    access_log.log(&AccessRecord {
        time: clock::wall(),
        client: peer,
        real_ip: context.client.map(|client| client.real_ip()),
        method: request.method.as_str(),
        path: request.raw_path(),
        protocol: if request.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
        host: header(&header::HOST),
        referer: if is_combined { header(&header::REFERER) } else { None },
        user_agent: if is_combined { header(&header::USER_AGENT) } else { None },
        pool: context.pool.as_ref().map(|pool| pool.name().as_str()),
        backend: names.as_ref().map(|names| &*names.url),
        status: ended.status,
        latency: ended.latency,
        request_id: context.request_id.as_ref().map_or("", |id| id.as_str()),
        trace_id: context.trace.as_ref().map(|trace| trace.id()),
        attempts: context.attempts,
        tries: tries.as_slice(),
        no_backend: context.no_backend.as_deref(),
        bytes: session.body_bytes_sent() as u64,
        error: error.map(|error| reason(error, context)).as_deref().or(context.refusal),
    });
}

/// What the client was answered; 499 when it left before that.
pub(super) fn status(session: &Session, context: &RequestContext) -> u16 {
    let sent = || session.response_written().map(|response| response.status.as_u16());
    if context.status > 0 { context.status } else { sent().unwrap_or(499) }
}

fn ended(
    session: &Session,
    context: &RequestContext,
    error: Option<&Error>,
    now: Instant,
) -> Ended {
    let is_ours = |error: &Error| *error.esource() != ErrorSource::Downstream;
    let was_sent = session.response_written().is_some();
    Ended {
        status: status(session, context),
        latency: now.saturating_duration_since(context.started),
        broke_off: context.status == 0 && was_sent && error.is_some_and(is_ours),
    }
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
