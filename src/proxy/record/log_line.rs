//! A request's line in the access log.

use std::{borrow::Cow, time::Instant};

use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use super::{
    super::{
        client::{BODY_LATE, WhyEnded},
        context::{Received, RequestContext},
    },
    outcome::status,
    tries::Tries,
};
use crate::clock;
use crate::http1::Known;
use crate::retry::Failure;
use crate::telemetry::{AccessRecord, ConnectionRecord, Ended, TlsRecord};

/// The protocol shown for a request that was refused before its protocol was known.
const PROTOCOL: &str = "HTTP/1.1";

/// Writes the line, if there is an access log and its filter keeps the request. `error` is the
/// error that ended the request, if any.
pub(in super::super) fn write(
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
    let peer = session.client_addr().and_then(|address| address.as_inet()).copied();
    let (received, routed) = (context.received.as_ref(), context.routed.as_ref());
    let names = routed.and_then(|routed| routed.last_backend()).map(|backend| backend.names());
    let tries = routed.map_or(Tries::Few(None), |routed| Tries::of(routed, error));
    access_log.log(&AccessRecord {
        time: clock::wall(),
        client: peer,
        real_ip: received.and_then(|received| received.client.real_ip()),
        method: request.method.as_str(),
        path: request.raw_path(),
        protocol: received.map_or(PROTOCOL, |received| received.link.facts().protocol.word()),
        host: received.and_then(|received| received.fields.first(Known::Host)),
        listener: received.map(|received| received.link.counts().address()),
        request: received.map(|received| &received.fields),
        answer: context.logged_answer.as_deref(),
        pool: routed.map(|routed| routed.pool.name().as_str()),
        backend: names.as_ref().map(|names| &*names.url),
        status: ended.status,
        latency: ended.latency,
        request_id: received.map_or("", |received| received.request_id.as_str()),
        trace_id: received.and_then(|received| received.trace.as_ref()).map(|trace| trace.id()),
        attempts: routed.map_or(0, |routed| routed.attempts()),
        tries: tries.as_slice(),
        no_backend: routed.and_then(|routed| routed.unavailable.as_deref()),
        bytes: session.body_bytes_sent() as u64,
        request_bytes: session.body_bytes_read() as u64,
        connection: received.map(connection).unwrap_or_default(),
        error: error.map(|error| reason(error, context)).as_deref().or(context.refusal),
    });
}

fn connection(received: &Received) -> ConnectionRecord<'_> {
    let Some(facts) = &received.link.connection().facts else { return ConnectionRecord::default() };
    ConnectionRecord {
        authority: facts.authority.as_deref(),
        unique_id: facts.unique_id.as_deref(),
        tls: facts.tls.as_ref().map(|tls| TlsRecord {
            version: tls.version,
            cipher: &tls.cipher,
            sni: tls.sni.as_deref(),
            alpn: tls.alpn.as_deref(),
            resumed: tls.resumed,
            client_cert: tls.client_cert.as_deref(),
        }),
    }
}

pub(super) fn ended(
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
        broke_off: context.status.is_none() && was_sent && error.is_some_and(is_ours),
    }
}

/// What ended a request, in a few plain words.
pub(super) fn reason<'a>(error: &'a Error, context: &RequestContext) -> Cow<'a, str> {
    let failure = context.routed.as_ref().and_then(|routed| routed.failure);
    match (error.etype(), error.esource(), failure) {
        (ErrorType::HTTPStatus(_), ..) => {
            error.context.as_ref().map_or("refused", |context| context.as_str()).into()
        }
        (ErrorType::ReadTimedout, ErrorSource::Downstream, _) => BODY_LATE.why.into(),
        (ErrorType::WriteTimedout, ErrorSource::Downstream, _) => {
            "the client took nothing of the answer for too long".into()
        }
        (ErrorType::InvalidHTTPHeader, ErrorSource::Downstream, _) => {
            "the request is malformed".into()
        }
        (_, ErrorSource::Downstream, _) => {
            match context.received.as_ref().and_then(|received| received.link.why_ended()) {
                Some(WhyEnded::Cut(why)) => {
                    format!("lb cut the connection ({})", why.word()).into()
                }
                Some(WhyEnded::Stopped) => "lb stopped before the answer was complete".into(),
                None => "the client closed the connection".into(),
            }
        }
        (_, _, Some(failure)) => failure.to_string().into(),
        (ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed, ..) => {
            Failure::Broken.to_string().into()
        }
        (etype, ..) => etype.as_str().into(),
    }
}
