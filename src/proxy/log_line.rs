//! A request's line in the access log.

use std::time::Instant;

use http::header;
use pingora_proxy::Session;

use super::context::RequestContext;
use crate::clock;
use crate::telemetry::AccessRecord;

/// Writes the line, when there is an access log.
pub(super) fn write(session: &Session, context: &RequestContext, now: Instant) {
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
    });
}
