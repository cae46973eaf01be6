//! The words of other balancers, and what is asked for and does not exist yet.

use crate::config::wording::is_same_word;

/// What to do with a word.
pub(super) enum Use {
    /// It is this key of the same mapping.
    Key(&'static str),
    /// It is a feature that does not exist yet: the message goes on behind "not yet:".
    NotYet(&'static str),
    /// The whole message.
    Message(&'static str),
}

use Use::{Key, Message, NotYet};

/// The words of one mapping.
type Words = (&'static str, &'static [(&'static [&'static str], Use)]);

const RATE: &str = "lb does not limit the rate of requests";
const COMPRESSION: &str = "lb does not compress answers";
const AUTHENTICATION: &str = "lb does not ask clients for a password or a token";
const CACHE: &str = "lb does not cache answers";
const TO_BACKENDS: &str = "lb speaks no TLS to backends";
const MIRROR: &str = "lb does not copy requests to a second pool";

const TABLE: &[Words] = &[
    ("", TOP),
    ("listeners[]", LISTENER),
    ("routes[]", ROUTE),
    ("pools.*", POOL),
    ("pools.*.backends[]", BACKEND),
    ("pools.*.health_check", CHECK),
    ("pools.*.timeouts", TIMEOUTS),
    ("pools.*.retry", RETRY),
    ("tracing", TRACING),
];

const TOP: &[(&[&str], Use)] = &[
    (
        &["server", "servers", "frontend", "frontends", "site", "sites", "vhost", "virtual_host"],
        Message(
            "is not a known key (write \"listeners:\" for the addresses, and \"routes:\" for hosts \
             and paths)",
        ),
    ),
    (
        &["upstream", "upstreams", "backend", "cluster", "clusters", "service", "services"],
        Key("pools"),
    ),
    (&["listen", "bind", "entry_points", "entrypoints", "ports"], Key("listeners")),
    (&["location", "locations", "rules", "routers"], Key("routes")),
    (&["log", "logs", "logging"], Key("access_log")),
    (&["workers", "worker_processes", "worker_threads", "nbthread", "cpus"], Key("threads")),
    (&["real_ip", "set_real_ip_from"], Key("trusted_proxies")),
    (
        &["stats", "dashboard", "api", "metrics", "prometheus", "status"],
        Message(
            "is not a known key (the admin listener has it: write \"admin: { address: \
             127.0.0.1:9900 }\")",
        ),
    ),
    (&["stream", "tcp", "udp"], NotYet("lb balances HTTP, and nothing else over TCP or UDP")),
    (&["cache", "proxy_cache"], NotYet(CACHE)),
    (&["rate_limit", "rate_limits", "limit_req"], NotYet(RATE)),
    (&["gzip", "compress", "compression", "brotli"], NotYet(COMPRESSION)),
    (&["otel", "opentelemetry", "otlp", "spans", "traces", "trace"], Key("tracing")),
    (
        &["plugins", "lua", "wasm", "scripts", "middleware", "middlewares"],
        NotYet("lb runs no code of others"),
    ),
];

const LISTENER: &[(&[&str], Use)] = &[
    (&["listen", "bind", "addr", "port", "on"], Key("address")),
    (&["ssl", "https"], Key("tls")),
    (&["alpn", "protocol", "http2", "http3", "quic"], Key("protocols")),
    (
        &["redirect", "https_redirect", "force_https", "ssl_redirect", "http_redirect"],
        Key("redirect_to_https"),
    ),
    (&["timeout", "timeouts"], Key("client")),
    (&["accept_proxy", "send_proxy"], Key("proxy_protocol")),
    (
        &["server_name", "server_names", "host", "hosts", "domain", "domains"],
        Message(
            "is not a known key (hosts belong to routes: write \"routes: [{ host: \
             shop.example.com, pool: web }]\")",
        ),
    ),
    (
        &["pool", "backend", "backends", "upstream", "default_backend"],
        Message("is not a known key (a route leads to a pool: write \"routes: [{ pool: web }]\")"),
    ),
    (
        &["max_connections", "maxconn", "max_conns", "connection_limit"],
        NotYet("lb does not limit the connections of one listener"),
    ),
    (&["rate_limit", "limit_req"], NotYet(RATE)),
    (&["gzip", "compress", "compression"], NotYet(COMPRESSION)),
    (&["auth", "basic_auth", "jwt", "oauth"], NotYet(AUTHENTICATION)),
];

const ROUTE: &[(&[&str], Use)] = &[
    (
        &[
            "backend",
            "backends",
            "upstream",
            "service",
            "target",
            "cluster",
            "proxy_pass",
            "to",
            "use_backend",
            "destination",
        ],
        Key("pool"),
    ),
    (&["location", "prefix", "path_prefix", "uri", "url", "paths"], Key("path")),
    (
        &["server_name", "server_names", "domain", "domains", "hostname", "hostnames", "hosts"],
        Key("host"),
    ),
    (
        &["rewrite", "rewrites", "strip_prefix", "strip_path", "replace_path", "url_rewrite"],
        NotYet("a route does not change the path"),
    ),
    (
        &["redirect", "redirects", "return"],
        NotYet(
            "a route does not redirect; a listener does, to HTTPS, with \"redirect_to_https: true\"",
        ),
    ),
    (
        &[
            "headers",
            "header",
            "add_header",
            "set_header",
            "add_headers",
            "set_headers",
            "request_headers",
            "response_headers",
            "remove_headers",
        ],
        NotYet("a route does not look at headers, and does not change them"),
    ),
    (
        &["method", "methods", "query", "regex", "path_regex", "path_regexp", "match", "exact"],
        NotYet("a route looks at the host and at a prefix of the path, and at nothing else"),
    ),
    (
        &["split", "weights", "weight", "canary", "traffic_split", "pools"],
        NotYet("a route leads to one pool; weights are of backends"),
    ),
    (
        &["root", "static", "files", "file_server", "respond", "index", "try_files"],
        NotYet("lb does not answer from files"),
    ),
    (
        &["allow", "deny", "acl", "ip_allow", "whitelist", "blacklist"],
        NotYet("lb does not refuse clients by their address"),
    ),
    (&["rate_limit", "limit_req", "limit"], NotYet(RATE)),
    (&["auth", "basic_auth", "jwt", "oauth"], NotYet(AUTHENTICATION)),
    (&["gzip", "compress", "compression", "encode"], NotYet(COMPRESSION)),
    (&["cache", "proxy_cache"], NotYet(CACHE)),
    (&["mirror", "shadow"], NotYet(MIRROR)),
    (&["cors"], NotYet("lb does not answer CORS requests itself")),
];

const MAX_FAILS: &str =
    "is not a known key (the pool's ejection does this: write \"ejection: { failures: 5 }\")";
const FAIL_TIMEOUT: &str =
    "is not a known key (the pool's ejection does this: write \"ejection: { base: 30s }\")";
const MAX_CONNECTIONS: &str = "belongs to a backend, as max_connections (indent it under \"backends:\", beside \"- \
     address: …\")";

const POOL: &[(&[&str], Use)] = &[
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
    (&["hedge", "hedging"], NotYet("lb does not send one request to two backends at once")),
    (&["rate_limit", "limit_req"], NotYet(RATE)),
];

const BACKEND: &[(&[&str], Use)] = &[
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

const CHECK: &[(&[&str], Use)] = &[
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

const TIMEOUTS: &[(&[&str], Use)] = &[
    (&["read", "server", "proxy_read", "first_byte"], Key("response")),
    (&["total", "overall"], Key("request")),
];

const RETRY: &[(&[&str], Use)] = &[
    (
        &["max_retries", "retries", "max", "count", "num_retries", "tries"],
        Message(
            "is not a known key (write \"attempts:\", which counts all tries: one more than the \
             retries)",
        ),
    ),
    (&["retry_on", "statuses", "status", "conditions"], Key("on")),
];

const TRACING: &[(&[&str], Use)] = &[
    (&["url", "uri", "address", "collector", "exporter", "host", "target"], Key("endpoint")),
    (
        &["ratio", "sampling", "sampler", "sample_rate", "sample_ratio", "sampling_rate", "rate"],
        Key("sample"),
    ),
    (&["service", "name"], Key("service_name")),
    (&["resource", "resource_attributes", "tags", "labels"], Key("attributes")),
    (&["parent_based", "trust", "propagation", "follow"], Key("parent")),
    (&["ca_file", "ca_cert", "trusted_certificate"], Key("ca")),
    (
        &["tls", "ssl", "insecure"],
        Message(
            "is not a known key (https:// or http:// at the beginning of endpoint decides that)",
        ),
    ),
    (&["gzip", "compression"], NotYet("spans are sent as they are")),
    (
        &["batch", "batch_size", "queue", "queue_size", "interval", "flush_interval"],
        NotYet("batches and their queue have a fixed size"),
    ),
];

/// What a word means in the mapping at this path.
pub(super) fn find(parent: &str, key: &str) -> Option<&'static Use> {
    let (_, words) = TABLE.iter().find(|(path, _)| *path == parent)?;
    let is_one = |words: &[&str]| words.iter().any(|word| is_same_word(key, word));
    words.iter().find(|(words, _)| is_one(words)).map(|(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::below;

    #[test]
    fn no_word_is_a_key_and_every_word_leads_to_one() {
        for (parent, words) in TABLE {
            let known: Vec<&str> = below(parent).iter().map(|row| row.name()).collect();
            assert!(!known.is_empty(), "{parent}");
            for (words, meaning) in *words {
                for word in *words {
                    assert!(!known.contains(word), "{word} is a key of {parent}");
                }
                if let Key(key) = meaning {
                    assert!(known.contains(key), "{key} is no key of {parent}");
                }
            }
        }
    }
}
