//! The words of the top of a file, of tracing and of the admin listener.

use super::{
    meaning::{
        Meanings,
        Use::{Key, Message, NotYet},
    },
    texts::{BODY, BODY_WORDS, CACHE, COMPRESSION, NO_RESOLVER, RATE},
};

pub(super) const TOP: Meanings = &[
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
    (&["pid", "pidfile"], Key("pid_file")),
    (&["resolver", "resolvers", "dns"], NotYet(NO_RESOLVER)),
    (BODY_WORDS, NotYet(BODY)),
    (
        &["maxconn", "worker_connections", "worker_rlimit_nofile", "connection_limit"],
        Message(
            "is not a known key (lb serves as many connections as it may open files; \"max_connections\" \
             of a backend limits its requests)",
        ),
    ),
    (
        &["http", "events", "global"],
        Message(
            "is not a known key (there is no block around the settings: write \"listeners:\", \"routes:\" \
             and \"pools:\" at the beginning of a line)",
        ),
    ),
    (
        &[
            "ssl",
            "https",
            "cert",
            "ssl_certificate",
            "ssl_certificate_key",
            "letsencrypt",
            "certificates_resolvers",
        ],
        Message(
            "is not a known key (TLS belongs to a listener: write \"tls: { certificates: [{ cert: \
             /etc/lb/shop.pem, key: /etc/lb/shop.key }] }\" or \"tls: { acme: { hosts: [shop.example.com] } \
             }\" there)",
        ),
    ),
    (
        &["http_redirect", "https_redirect", "force_https", "ssl_redirect"],
        Message(
            "is not a known key (a listener redirects: write \"redirect_to_https: true\" beside its address)",
        ),
    ),
    (
        &["proxy_read_timeout", "proxy_connect_timeout", "proxy_send_timeout", "read_timeout"],
        Message(
            "is not a known key (a pool has limits on backends: write \"timeouts: { connect: 2s, response: \
             60s }\" there)",
        ),
    ),
    (
        &[
            "keepalive_timeout",
            "client_header_timeout",
            "client_body_timeout",
            "send_timeout",
            "idle_timeout",
        ],
        Message(
            "is not a known key (a listener has limits on clients: write \"client: { header: 10s, keepalive: \
             60s, write: 30s, body: { idle: 30s } }\" there)",
        ),
    ),
    (&["log_format"], Message("is not a known key (write \"access_log: { format: json }\")")),
    (&["error_page", "error_pages", "errorfile", "errors"], Key("unavailable_page")),
    (
        &["providers", "docker", "kubernetes", "consul"],
        NotYet("lb takes its pools from files alone"),
    ),
    (&["server_tokens"], Message("is not needed: lb does not name itself in answers (remove it)")),
    (&["chroot"], Message("is not a known key (conf/lb.service has a sandbox)")),
    (
        &["plugins", "lua", "wasm", "scripts", "middleware", "middlewares"],
        NotYet("lb runs no code of others"),
    ),
];

pub(super) const TRACING: Meanings = &[
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

pub(super) const ADMIN: Meanings = &[
    (&["listen", "bind", "addr", "port", "on", "host", "url", "socket"], Key("address")),
    (&["auth", "password", "secret", "bearer", "api_key"], Key("token")),
    (&["ssl", "https"], Key("tls")),
    (
        &["enabled", "enable"],
        Message("is not a known key (an admin listener with an address is on: remove it)"),
    ),
    (
        &["allow", "allowed", "whitelist", "acl"],
        NotYet("the admin listener does not refuse clients by their address; it has a token"),
    ),
    (
        &["path", "metrics", "metrics_path", "prefix"],
        NotYet("the paths of the admin listener are fixed: /metrics, /live, /ready, /api/v1"),
    ),
];
