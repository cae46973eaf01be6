//! Every metric: its name, its meaning, and its labels. `families.rs` fills them, in this order.
//!
//! Names follow Prometheus' customs: base units, `_total` for counters. Label values come from the
//! configuration and from fixed lists, never from clients or backends, so traffic cannot make more
//! series.

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Kind {
    /// A count that only grows, until the process ends or its backend, pool or listener is removed.
    Counter,
    /// A value of the moment.
    Gauge,
    /// A distribution of durations.
    Histogram,
    /// The number of durations, and their sum.
    Summary,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub(in crate::admin) struct Metric {
    pub(in crate::admin) name: &'static str,
    pub(in crate::admin) kind: Kind,
    pub(in crate::admin) labels: &'static [&'static str],
    pub(in crate::admin) help: &'static str,
}

const NONE: &[&str] = &[];
const LISTENER: &[&str] = &["listener"];
const POOL: &[&str] = &["pool"];
const BACKEND: &[&str] = &["pool", "backend", "address"];

/// Declares each metric once, as a constant and as a line of the table.
macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(pub(super) const $id: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: $labels, help: $help };)*
        /// All metrics, except those of the process, which a library makes.
        #[cfg(test)]
        pub(in crate::admin) const TABLE: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD_INFO = Gauge "lb_build_info" &["version"], "Always 1; the version is the label.";
    READY = Gauge "lb_ready" NONE, "Whether requests should be sent here, as GET /ready says.";
    GENERATION = Gauge "lb_config_generation" NONE,
        "Configurations made live in this process, the first one included.";
    RELOADS = Counter "lb_config_reloads_total" &["result"], "Reloads by result.";
    LAST_RELOAD = Gauge "lb_config_last_reload_successful" NONE,
        "Whether the last reload succeeded, or there was none yet; if 0, the file is not what is in force.";
    LAST_RELOAD_SUCCESS = Gauge "lb_config_last_reload_success_timestamp_seconds" NONE,
        "When the configuration in force was loaded, at the start or by a reload, in seconds since 1970.";
    CERTIFICATE_EXPIRY = Gauge "lb_certificate_expiry_timestamp_seconds" &["listener", "certificate"],
        "When the certificate ends, in seconds since 1970; it is named by the first of its names; of several with that name, the one that ends first.";
    CERTIFICATE_ORDERS = Counter "lb_certificate_orders_total" &["certificate", "result"],
        "Orders of certificates by this process that have ended, by result; the certificate is named by the first of its names.";
    CERTIFICATE_NEXT_ORDER = Gauge "lb_certificate_next_order_timestamp_seconds" &["certificate"],
        "When the certificate is ordered next, in seconds since 1970.";
    CERTIFICATE_FAILURES = Gauge "lb_certificate_order_failures" &["certificate"],
        "Orders that have failed since the last certificate, of all instances that share the state_dir.";
    LOG_DROPPED = Counter "lb_access_log_dropped_lines_total" NONE,
        "Access log lines that were dropped because the log was slower than the traffic.";
    IN_FLIGHT = Gauge "lb_requests_in_flight" NONE, "Requests in flight.";

    LISTENER_CONNECTIONS = Gauge "lb_listener_connections" LISTENER, "Clients connected.";
    LISTENER_ACCEPTED = Counter "lb_listener_connections_accepted_total" LISTENER,
        "Connections accepted.";
    LISTENER_REFUSED = Counter "lb_listener_connections_refused_total" &["listener", "reason"],
        "Connections closed because of what came before their first request.";
    LISTENER_REQUESTS = Counter "lb_listener_requests_total" &["listener", "protocol", "code"],
        "Requests that have ended, by the protocol and the class of the status that the client was answered.";
    LISTENER_HANDSHAKES = Counter "lb_listener_tls_handshakes_total" &["listener", "result"],
        "TLS handshakes that have ended: with a new session (full), an earlier one (resumed), or a failure.";
    LISTENER_HANDSHAKE_TIME = Histogram "lb_listener_tls_handshake_duration_seconds" LISTENER,
        "From the beginning of a TLS handshake to its end, where it did not fail.";
    LISTENER_CUTS = Counter "lb_listener_connections_cut_total" &["listener", "reason"],
        "Connections in HTTP/2 and 3 closed because of what their clients did: floods, rules broken, no time kept.";
    LISTENER_STREAMS_REFUSED = Counter "lb_listener_streams_refused_total" &["listener", "reason"],
        "Requests in HTTP/2 and 3 reset before they could be answered and logged: malformed, or too many at once.";
    LISTENER_QUIC_RETRIES = Counter "lb_listener_quic_retries_total" LISTENER,
        "Handshakes of HTTP/3 whose clients had to prove their address first, because many were under way.";
    LISTENER_LOOPS = Counter "lb_listener_loops_total" LISTENER,
        "Requests that were refused with 508 because they had come round in a circle of proxies.";
    LISTENER_RECEIVED = Counter "lb_listener_received_bytes_total" LISTENER,
        "Bytes of request bodies.";
    LISTENER_SENT = Counter "lb_listener_sent_bytes_total" LISTENER, "Bytes of response bodies.";

    ROUTE_REQUESTS = Counter "lb_route_requests_total" &["host", "path", "code"],
        "Requests that have ended, by the class of the status that the client was answered. No host: any.";

    POOL_REQUESTS = Counter "lb_pool_requests_total" &["pool", "code"],
        "Requests that have ended, by the class of the status that the client was answered.";
    POOL_DURATION = Histogram "lb_pool_request_duration_seconds" POOL,
        "From the end of a request's header to the end of its answer, every attempt included; of a tunnel, \
         to its beginning.";
    POOL_FIRST_BYTE = Histogram "lb_pool_first_byte_duration_seconds" POOL,
        "From the end of a request to the first byte of a backend's answer.";
    POOL_BACKENDS = Gauge "lb_pool_backends" &["pool", "state"], "Backends by state.";
    POOL_QUEUE = Gauge "lb_pool_queue_length" POOL, "Requests that wait for a backend.";
    POOL_QUEUE_SIZE = Gauge "lb_pool_queue_size" POOL, "Requests that may wait at once.";
    POOL_QUEUE_WAIT = Histogram "lb_pool_queue_wait_seconds" POOL,
        "How long requests that were let into the queue waited in it.";
    POOL_QUEUED = Counter "lb_pool_queued_total" &["pool", "result"],
        "Requests that left the queue: with a backend (served), when their time was over (late) or their client left (left), or \
         at once because it was full (full).";
    POOL_RETRIES = Counter "lb_pool_retries_total" &["pool", "reason"],
        "Attempts that followed a failed one, by how that failed.";
    POOL_EXHAUSTED = Counter "lb_pool_retry_budget_exhausted_total" POOL,
        "Retries that the budget did not allow.";
    POOL_PANIC = Gauge "lb_pool_panic" POOL,
        "Whether more backends than the threshold are unhealthy, so that checks are ignored.";
    POOL_PANICS = Counter "lb_pool_panics_total" POOL, "How often that began.";

    BACKEND_STATE = Gauge "lb_backend_state" &["pool", "backend", "address", "state"],
        "1 for the state that the backend is in.";
    BACKEND_ACTIVE = Gauge "lb_backend_active_requests" BACKEND, "Requests in flight on it.";
    BACKEND_WEIGHT = Gauge "lb_backend_weight" BACKEND,
        "Its weight in effect: as configured or set, less what slow start takes from it.";
    BACKEND_ATTEMPTS = Counter "lb_backend_attempts_total" &["pool", "backend", "address", "outcome"],
        "Attempts that have ended, by outcome.";
    BACKEND_RESPONSES = Counter "lb_backend_responses_total" &["pool", "backend", "address", "code"],
        "Attempts that have ended, by the class of the status that the backend answered.";
    BACKEND_DURATION = Histogram "lb_backend_request_duration_seconds" BACKEND,
        "From the beginning of an attempt to its end.";
    BACKEND_FIRST_BYTE = Summary "lb_backend_first_byte_duration_seconds" BACKEND,
        "From the end of a request to the first byte of its answer.";
    BACKEND_EJECTIONS = Counter "lb_backend_ejections_total" &["pool", "backend", "address", "cause"],
        "Ejections by cause.";
    BACKEND_CHECKS = Counter "lb_backend_checks_total" &["pool", "backend", "address", "result"],
        "Active checks that have ended, by result.";
    BACKEND_CHECK_DURATION = Gauge "lb_backend_check_duration_seconds" BACKEND,
        "How long the last active check took.";
    BACKEND_OPENED = Counter "lb_backend_connections_opened_total" BACKEND,
        "Connections made for an attempt.";
    BACKEND_REUSED = Counter "lb_backend_connections_reused_total" BACKEND,
        "Attempts that used a connection that was there.";
    BACKEND_SENT = Counter "lb_backend_sent_bytes_total" BACKEND,
        "Bytes of request bodies, for requests whose last attempt it had.";
    BACKEND_RECEIVED = Counter "lb_backend_received_bytes_total" BACKEND,
        "Bytes of response bodies that clients were sent from it.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_follow_the_customs_and_are_unique() {
        let mut names = HashSet::new();
        for Metric { name, kind, labels, help } in TABLE {
            assert!(name.starts_with("lb_") && names.insert(name), "{name}");
            let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(
                is_name(name) && labels.iter().all(|label| is_name(label)),
                "{name} {labels:?}"
            );
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            let has_durations = matches!(kind, Kind::Histogram | Kind::Summary);
            assert_eq!(has_durations, name.contains("_seconds") && *kind != Kind::Gauge);
            assert!(help.ends_with('.'), "{name}");
        }
    }
}
