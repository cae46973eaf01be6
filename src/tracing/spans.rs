//! A record put into spans: one of the request (kind `server`), and below it one of each attempt (kind
//! `client`), with the attributes of OpenTelemetry's conventions for HTTP.
//!
//! A span is an error as those conventions have it: of the server from 500 on or if the answer broke off,
//! of a client from 400 on or if there was no answer. A client that leaves is no error of ours. The query
//! of a request is in neither span, unless the configuration wants it, since it may hold secrets.

use std::{
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use http::{Method, uri::Authority};
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{
    attributes::{self as name, Attributes},
    record::{AttemptRecord, RequestRecord},
};
use crate::count::Protocol;
use crate::headers::attempt_span;

/// The method of a request whose own is unknown, and the name of its span.
const OTHER: (&str, &str) = ("_OTHER", "HTTP");

/// The spans of a request, its own first.
pub(super) fn spans(record: &RequestRecord, scope: &InstrumentationScope) -> Vec<SpanData> {
    let mut spans = Vec::with_capacity(1 + record.attempts.len());
    spans.push(of_request(record, scope));
    spans.extend(record.attempts.iter().map(|attempt| of_attempt(record, attempt, scope)));
    spans
}

fn of_request(record: &RequestRecord, scope: &InstrumentationScope) -> SpanData {
    let route = record.route().map(|route| route.path.as_str());
    let (_, method) = known_method(&record.method);
    let caller = record.trace.caller().and_then(|caller| SpanId::from_hex(caller).ok());
    SpanData {
        span_context: context(record, record.span),
        parent_span_id: caller.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: caller.is_some(),
        span_kind: SpanKind::Server,
        name: route.map_or(method.to_owned(), |route| format!("{method} {route}")).into(),
        start_time: wall(record, record.started),
        end_time: record.ended_at,
        attributes: request_attributes(record, route),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if request_failed(record) {
            failed(record.error.as_deref())
        } else {
            Status::Unset
        },
        instrumentation_scope: scope.clone(),
    }
}

fn of_attempt(
    record: &RequestRecord,
    attempt: &AttemptRecord,
    scope: &InstrumentationScope,
) -> SpanData {
    let (_, method) = known_method(&record.method);
    let is_error = attempt_error(attempt).is_some();
    let events = [
        ("connected", attempt.connected),
        ("request sent", attempt.request_sent),
        ("answer began", attempt.answered),
    ];
    let mut span_events = SpanEvents::default();
    span_events.events = events
        .into_iter()
        .filter_map(|(name, at)| Some(Event::new(name, wall(record, at?), Vec::new(), 0)))
        .collect();
    SpanData {
        span_context: context(record, attempt_span(record.span, attempt.number)),
        parent_span_id: SpanId::from(record.span),
        parent_span_is_remote: false,
        span_kind: SpanKind::Client,
        name: method.to_owned().into(),
        start_time: wall(record, attempt.began),
        end_time: wall(record, attempt.ended),
        attributes: attempt_attributes(record, attempt),
        dropped_attributes_count: 0,
        events: span_events,
        links: SpanLinks::default(),
        status: if is_error { failed(None) } else { Status::Unset },
        instrumentation_scope: scope.clone(),
    }
}

fn context(record: &RequestRecord, span: u64) -> SpanContext {
    let trace = TraceId::from_hex(record.trace.id()).unwrap_or(TraceId::INVALID);
    SpanContext::new(trace, span.into(), TraceFlags::SAMPLED, false, TraceState::default())
}

/// The clock on the wall at an instant of the request.
fn wall(record: &RequestRecord, at: Instant) -> SystemTime {
    record.ended_at - record.ended.saturating_duration_since(at)
}

/// A method that the conventions know, and its name in that of a span.
fn known_method(method: &Method) -> (&str, &str) {
    match method.as_str() {
        known @ ("CONNECT" | "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT"
        | "QUERY" | "TRACE") => (known, known),
        _ => OTHER,
    }
}

fn request_failed(record: &RequestRecord) -> bool {
    record.status >= 500 || record.broke_off
}

fn failed(why: Option<&str>) -> Status {
    Status::error(why.unwrap_or_default().to_owned())
}

/// What went wrong in an attempt, in one word; `None` if nothing did.
fn attempt_error(attempt: &AttemptRecord) -> Option<String> {
    match (attempt.is_ok, attempt.status) {
        (true, Some(status)) if status >= 400 => Some(status.to_string()),
        (true, _) => None,
        (false, _) => Some(attempt.outcome.to_string()),
    }
}

fn version(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "1.0",
        Protocol::Http11 => "1.1",
        Protocol::Http2 => "2",
        Protocol::Http3 => "3",
    }
}

fn method_attributes(method: &Method, to: &mut Attributes) {
    let (known, _) = known_method(method);
    to.text(name::METHOD, known);
    if known != method.as_str() {
        to.text(name::ORIGINAL_METHOD, method.as_str());
    }
}

fn request_attributes(record: &RequestRecord, route: Option<&str>) -> Vec<KeyValue> {
    let mut to = Attributes::default();
    method_attributes(&record.method, &mut to);
    let (path, query) = parts(&record.target);
    to.bytes(name::PATH, path);
    if let Some(query) = query {
        to.bytes(name::QUERY, query);
    }
    to.word(name::SCHEME, if record.is_tls { "https" } else { "http" });
    if let Some(route) = route {
        to.text(name::ROUTE, route);
    }
    to.number(name::STATUS, record.status);
    if record.broke_off {
        to.word(name::ERROR_TYPE, "cut_off");
    } else if request_failed(record) {
        to.text(name::ERROR_TYPE, record.status.to_string());
    }
    let host = record.host.as_deref().and_then(|host| Authority::try_from(host).ok());
    if let Some(host) = host {
        server(&mut to, host.host(), host.port_u16());
    }
    if let Some(client) = record.client {
        to.text(name::CLIENT, client.to_canonical().to_string());
    }
    peer(&mut to, record.peer);
    to.word(name::PROTOCOL_VERSION, version(record.protocol));
    if let Some(user_agent) = &record.user_agent {
        to.bytes(name::USER_AGENT, user_agent);
    }
    to.size(name::REQUEST_SIZE, record.received);
    to.size(name::RESPONSE_SIZE, record.sent);
    own_attributes(record, &mut to);
    to.0
}

/// What no convention has a name for.
fn own_attributes(record: &RequestRecord, to: &mut Attributes) {
    to.text(name::LISTENER, &*record.listener);
    to.text(name::REQUEST_ID, &*record.request_id);
    if let Some(route) = record.route() {
        to.text(name::POOL, route.pool.as_str());
        to.number(name::ATTEMPTS, record.attempts.last().map_or(0, |last| last.number));
    }
    if let Some(error) = &record.error {
        to.text(name::ERROR, &**error);
    }
    if !record.no_backend.is_empty() {
        let reasons = record.no_backend.iter().map(|(reason, count)| format!("{reason}={count}"));
        to.text(name::NO_BACKEND, reasons.collect::<Vec<_>>().join(" "));
    }
}

fn attempt_attributes(record: &RequestRecord, attempt: &AttemptRecord) -> Vec<KeyValue> {
    let mut to = Attributes::default();
    method_attributes(&record.method, &mut to);
    let target = String::from_utf8_lossy(&record.target);
    to.text(name::URL, format!("{}{target}", attempt.names.url));
    let (host, port) = attempt.names.name.rsplit_once(':').unwrap_or((&attempt.names.name, ""));
    server(&mut to, host, port.parse().ok());
    peer(&mut to, attempt.address.tcp());
    to.word(name::PROTOCOL_VERSION, version(Protocol::Http11));
    if let Some(status) = attempt.status {
        to.number(name::STATUS, status);
    }
    if let Some(error) = attempt_error(attempt) {
        to.text(name::ERROR_TYPE, error);
    }
    if attempt.number > 1 {
        to.number(name::RESEND_COUNT, attempt.number - 1);
    }
    if let Some(route) = record.route() {
        to.text(name::POOL, route.pool.as_str());
    }
    to.text(name::BACKEND, &*attempt.names.name);
    to.text(name::OUTCOME, &*attempt.outcome);
    if let Some(retried) = &attempt.retried {
        to.text(name::RETRIED, &**retried);
    }
    if attempt.connected.is_some() {
        to.truth(name::REUSED, attempt.reused);
    }
    to.0
}

/// The path and the query of a target.
fn parts(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

fn server(to: &mut Attributes, host: &str, port: Option<u16>) {
    to.text(name::SERVER, host.trim_matches(['[', ']']));
    if let Some(port) = port {
        to.number(name::SERVER_PORT, port);
    }
}

fn peer(to: &mut Attributes, peer: Option<SocketAddr>) {
    if let Some(peer) = peer {
        to.text(name::PEER, peer.ip().to_canonical().to_string());
        to.number(name::PEER_PORT, peer.port());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracing::record::tests::record;

    /// The text of an attribute of the first or the second span; empty without it.
    fn told(record: &RequestRecord, span: usize, name: &str) -> String {
        let all = spans(record, &InstrumentationScope::default());
        let found = all[span].attributes.iter().find(|pair| pair.key.as_str() == name);
        found.map(|pair| pair.value.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_unknown_method_has_one_name_so_that_clients_make_no_more() {
        let record = RequestRecord { method: Method::from_bytes(b"FROB").unwrap(), ..record() };
        let all = spans(&record, &InstrumentationScope::default());
        assert_eq!((&*all[0].name, &*all[1].name), ("HTTP /", "HTTP"));
        for span in 0..2 {
            assert_eq!(told(&record, span, name::METHOD), "_OTHER");
            assert_eq!(told(&record, span, name::ORIGINAL_METHOD), "FROB");
        }
    }

    #[test]
    fn hosts_and_paths_of_any_bytes_are_told() {
        for (host, address, port) in [
            (&b"a.example"[..], "a.example", ""),
            (b"a.example:81", "a.example", "81"),
            (b"[::1]:81", "::1", "81"),
            (b"\xff", "", ""),
            (b"", "", ""),
        ] {
            let record = RequestRecord { host: Some(host.into()), ..record() };
            let told = |name| told(&record, 0, name);
            assert_eq!((&*told(name::SERVER), &*told(name::SERVER_PORT)), (address, port));
        }
        let record = RequestRecord { target: b"/\xff?a=1?b"[..].into(), ..record() };
        assert_eq!(told(&record, 0, name::PATH), "/\u{fffd}");
        assert_eq!(told(&record, 0, name::QUERY), "a=1?b");
        assert_eq!(told(&record, 1, name::URL), "http://localhost:9/\u{fffd}?a=1?b");
        assert_eq!(told(&record, 1, name::PEER), "127.0.0.1");
    }

    #[test]
    fn a_failed_attempt_has_its_outcome_and_a_bad_status_itself_as_the_type_of_error() {
        for (is_ok, status, outcome, expected) in [
            (true, Some(200), "ok", ""),
            (true, Some(404), "ok", "404"),
            (true, None, "abandoned", ""),
            (false, Some(503), "503", "503"),
            (false, None, "timeout", "timeout"),
            (false, Some(200), "reset", "reset"),
        ] {
            let mut record = record();
            let attempt = &mut record.attempts[0];
            (attempt.is_ok, attempt.status, attempt.outcome) = (is_ok, status, outcome.into());
            let all = spans(&record, &InstrumentationScope::default());
            assert_eq!(told(&record, 1, name::ERROR_TYPE), expected, "{outcome}");
            assert_eq!(all[1].status != Status::Unset, !expected.is_empty(), "{outcome}");
        }
    }

    #[test]
    fn ids_are_those_that_backends_were_told_and_kinds_those_of_a_proxy() {
        let record = record();
        let all = spans(&record, &InstrumentationScope::default());
        let trace = TraceId::from_hex(record.trace.id()).unwrap();
        assert!(all.iter().all(|span| span.span_context.trace_id() == trace));
        assert_eq!(all[1].parent_span_id, all[0].span_context.span_id());
        let sent = SpanId::from(attempt_span(record.span, 1));
        assert_eq!(all[1].span_context.span_id(), sent);
        assert!(matches!(all[0].span_kind, SpanKind::Server));
        assert!(matches!(all[1].span_kind, SpanKind::Client));
        assert_eq!(all[0].parent_span_id, SpanId::INVALID);
    }
}
