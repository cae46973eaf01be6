//! A request's line in the access log.

use std::{borrow::Cow, time::Instant};

use http::header;
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use super::{context::RequestContext, counting};
use crate::backend::Backend;
use crate::clock;
use crate::telemetry::{AccessRecord, Try};

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
    let (one, several);
    let tries: &[Try] = match last_try(context, error) {
        None => &[],
        Some(last) if context.tried.is_empty() => {
            one = [last];
            &one
        }
        Some(last) => {
            several = all_tries(context, last);
            &several
        }
    };
    access_log.log(&AccessRecord {
        time: clock::wall(),
        client: peer,
        real_ip: context.client.map(|client| client.real_ip()),
        method: request.method.as_str(),
        path: request.raw_path(),
        host: request.headers.get(header::HOST).map(|host| host.as_bytes()),
        pool: context.pool.as_ref().map(|pool| pool.name().as_str()),
        backend: last_backend(context).map(|backend| backend.url()),
        status: status(session, context),
        latency: now.saturating_duration_since(context.started),
        request_id: context.request_id.as_ref().map_or("", |id| id.as_str()),
        attempts: context.attempts,
        tries,
        bytes: session.body_bytes_sent() as u64,
        error: error.map(|error| reason(error, context)).as_deref().or(context.refusal),
    });
}

/// What the client was answered; 499 when it left before that.
pub(super) fn status(session: &Session, context: &RequestContext) -> u16 {
    let sent = || session.response_written().map(|response| response.status.as_u16());
    if context.status > 0 { context.status } else { sent().unwrap_or(499) }
}

/// The backend of the last attempt.
pub(super) fn last_backend(context: &RequestContext) -> Option<&Backend> {
    let current = context.lease.as_ref().map(|lease| &**lease.backend());
    current.or_else(|| context.tried.last().map(|tried| &*tried.backend))
}

/// The attempt that was the last.
fn last_try(context: &RequestContext, error: Option<&Error>) -> Option<Try> {
    let backend = last_backend(context)?.id().address;
    Some(Try { backend, outcome: counting::last_outcome(context, error).word().into() })
}

/// Those that failed, and the last one unless it is among them.
fn all_tries(context: &RequestContext, last: Try) -> Vec<Try> {
    let failed = context
        .tried
        .iter()
        .map(|tried| Try { backend: tried.backend.id().address, outcome: tried.failure.word() });
    failed.chain((!context.has_failed_last()).then_some(last)).collect()
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
