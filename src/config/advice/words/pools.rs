//! The words of pools and of what is below them.

use super::{
    meaning::{
        Meanings,
        Use::{Key, Message, NotYet},
    },
    texts::{BODY, BODY_WORDS, HOST_PASSES, MIRROR, RATE, RETRIES, TO_BACKENDS},
};

const MAX_FAILS: &str =
    "is not a known key (the pool's ejection does this: write \"ejection: { failures: 5 }\")";
const FAIL_TIMEOUT: &str =
    "is not a known key (the pool's ejection does this: write \"ejection: { base: 30s }\")";
const MAX_CONNECTIONS: &str = "belongs to a backend, as max_connections (indent it under \"backends:\", beside \"- \
     address: …\")";

pub(super) const POOL: Meanings = &[
    (
        &[
            "server",
            "servers",
            "upstream",
            "upstreams",
            "target",
            "targets",
            "endpoint",
            "endpoints",
            "members",
            "nodes",
            "hosts",
            "instances",
            "urls",
        ],
        Key("backends"),
    ),
    (
        &[
            "balance",
            "strategy",
            "policy",
            "lb_policy",
            "method",
            "lb_method",
            "load_balancing",
            "scheduler",
        ],
        Key("algorithm"),
    ),
    (&["check", "probe", "httpchk", "option_httpchk"], Key("health_check")),
    (&["outlier_detection", "circuit_breaker", "passive_health_check"], Key("ejection")),
    (&["max_fails"], Message(MAX_FAILS)),
    (&["fail_timeout"], Message(FAIL_TIMEOUT)),
    (&["max_conns", "maxconn"], Message(MAX_CONNECTIONS)),
    (
        &[
            "sticky",
            "sticky_session",
            "sticky_sessions",
            "session",
            "affinity",
            "session_affinity",
            "cookie",
            "stick_table",
            "persistence",
            "ip_hash",
            "hash",
            "hash_key",
            "hash_on",
            "consistent_hash",
        ],
        NotYet("lb does not send all requests of one client to the same backend"),
    ),
    (&["tls", "ssl", "https"], NotYet(TO_BACKENDS)),
    (
        &["protocol", "http2", "h2", "h2c", "grpc", "fastcgi"],
        NotYet("lb speaks HTTP/1.1 to backends, and nothing else"),
    ),
    (
        &["discovery", "resolve", "resolver", "resolvers", "dns", "srv", "consul"],
        NotYet("names are resolved when the configuration is loaded, and not in between"),
    ),
    (&["mirror", "shadow"], NotYet(MIRROR)),
    (BODY_WORDS, NotYet(BODY)),
    (&["max_retries", "retries", "tries"], Message(RETRIES)),
    (
        &["timeout", "connect_timeout", "read_timeout", "response_timeout"],
        Message(
            "is not a known key (write \"timeouts: { connect: 2s, response: 60s }\": one limit for each step)",
        ),
    ),
    (
        &["keepalive"],
        Message(
            "is not a known key (lb keeps connections to backends by itself; \"timeouts: { keepalive: 60s }\" \
             is how long)",
        ),
    ),
    (&["buffer", "buffering", "proxy_request_buffering"], Key("request_buffer")),
    (&["pass_host_header", "host_header"], Message(HOST_PASSES)),
    (&["headers", "header", "set_header"], NotYet("a pool does not change headers")),
    (&["hedge", "hedging"], NotYet("lb does not send one request to two backends at once")),
    (&["rate_limit", "limit_req"], NotYet(RATE)),
];

pub(super) const BACKEND: Meanings = &[
    (
        &["url", "server", "host", "hostname", "addr", "ip", "target", "endpoint", "port"],
        Key("address"),
    ),
    (&["down", "disabled", "out"], Key("drain")),
    (&["max_fails"], Message(MAX_FAILS)),
    (&["fail_timeout"], Message(FAIL_TIMEOUT)),
    (&["tls", "ssl", "https"], NotYet(TO_BACKENDS)),
    (
        &["zone", "locality", "priority"],
        NotYet("backends have no zones; \"backup: true\" makes a second tier"),
    ),
];

pub(super) const CHECK: Meanings = &[
    (&["uri", "url", "endpoint"], Key("path")),
    (
        &["status", "statuses", "expected_status", "codes", "success_codes", "matcher"],
        Key("expect"),
    ),
    (&["unhealthy_threshold", "failures", "fails", "max_fails"], Key("fall")),
    (&["healthy_threshold", "passes", "successes"], Key("rise")),
    (&["inter", "period", "every"], Key("interval")),
    (&["protocol", "mode"], Key("type")),
    (&["method"], NotYet("a check is a GET")),
    (&["headers", "header"], NotYet("a check has no headers of its own but Host")),
    (&["body", "match", "expect_body"], NotYet("a check looks at the status, and not at the body")),
];

pub(super) const TIMEOUTS: Meanings = &[
    (&["read", "server", "proxy_read", "first_byte"], Key("response")),
    (&["send", "proxy_send"], Key("idle")),
    (&["read_timeout", "server_timeout"], Key("response")),
    (&["total", "overall"], Key("request")),
];

pub(super) const RETRY: Meanings = &[
    (
        &["max_retries", "retries", "max", "count", "num_retries", "tries"],
        Message(
            "is not a known key (write \"attempts:\", which counts all tries: one more than the \
             retries)",
        ),
    ),
    (&["retry_on", "statuses", "status", "conditions"], Key("on")),
];

pub(super) const EJECTION: Meanings = &[
    (
        &["max_fails", "fails", "errors", "consecutive_errors", "consecutive_5xx", "threshold"],
        Key("failures"),
    ),
    (&["fail_timeout", "base_ejection_time", "duration", "time", "timeout"], Key("base")),
    (&["max_ejection_time"], Key("max")),
    (
        &["max_ejection_percent", "max_ejected"],
        NotYet("traffic ejects half of a pool at most, and never its last backend"),
    ),
];

pub(super) const QUEUE: Meanings = &[
    (&["max", "length", "limit", "maxqueue", "max_pending"], Key("size")),
    (&["wait", "max_wait"], Key("timeout")),
];
