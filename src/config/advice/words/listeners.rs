//! The words of listeners and of what is below them: their clients, and TLS.

use super::{
    meaning::{
        Meanings,
        Use::{Key, Message, NotYet},
    },
    texts::{
        AUTHENTICATION, BODY, BODY_WORDS, BY_ITSELF, CERTIFICATES, COMPRESSION, HEADER,
        HEADER_WORDS, RATE,
    },
};

pub(super) const LISTENER: Meanings = &[
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
    (BODY_WORDS, NotYet(BODY)),
    (HEADER_WORDS, NotYet(HEADER)),
    (&["certificates", "certs"], Message(CERTIFICATES)),
    (&["reuseport", "backlog", "so_keepalive", "tcp_nodelay"], Message(BY_ITSELF)),
    (
        &["default_server", "default"],
        Message(
            "is not a known key (routes hold for all listeners, and one without a host is for any other: \
             remove it)",
        ),
    ),
    (&["rate_limit", "limit_req"], NotYet(RATE)),
    (&["gzip", "compress", "compression"], NotYet(COMPRESSION)),
    (&["auth", "basic_auth", "jwt", "oauth"], NotYet(AUTHENTICATION)),
];

pub(super) const CLIENT: Meanings = &[
    (BODY_WORDS, NotYet(BODY)),
    (HEADER_WORDS, NotYet(HEADER)),
    (&["header_timeout", "client_header_timeout", "request_timeout"], Key("header")),
    (&["keepalive_timeout", "idle_timeout", "keep_alive", "http_keep_alive"], Key("keepalive")),
    (&["send_timeout", "write_timeout", "send"], Key("write")),
    (
        &["read", "read_timeout", "body_timeout", "client_body_timeout", "body_idle"],
        Message("is not a known key (write \"body: { idle: 30s }\")"),
    ),
    (
        &["timeout", "timeouts"],
        Message(
            "is not a known key (write one limit for each step: \"header: 10s\", \"keepalive: 60s\", \
             \"write: 30s\", \"body: { idle: 30s }\")",
        ),
    ),
    (
        &["rate", "limit_rate"],
        Message(
            "is not a known key (lb bounds how slow a client may be: write \"body: { min_rate: 1KiB }\" or \
             \"answer: { min_rate: 1KiB }\")",
        ),
    ),
    (
        &["max_connections", "maxconn", "max_conns", "connection_limit", "limit_conn"],
        NotYet("lb does not limit the connections of one client"),
    ),
    (&["rate_limit", "limit_req"], NotYet(RATE)),
    (&["auth", "basic_auth", "jwt"], NotYet(AUTHENTICATION)),
];

pub(super) const BODY_OF_CLIENT: Meanings = &[
    (&["max", "size", "limit", "length", "max_length", "max_size", "max_body_size"], NotYet(BODY)),
    (&["timeout", "read", "read_timeout"], Key("idle")),
    (&["rate", "min_speed", "minrate"], Key("min_rate")),
];

pub(super) const TLS: Meanings = &[
    (
        &["crt", "certificate", "ssl_certificate", "certs", "cert_file"],
        Message(
            "is not a known key (write \"certificates: [{ cert: /etc/lb/shop.pem, key: /etc/lb/shop.key \
             }]\")",
        ),
    ),
    (
        &["private_key", "key_file", "ssl_certificate_key"],
        Message(
            "is not a known key (a key stands beside its certificate: write \"certificates: [{ cert: \
                 /etc/lb/shop.pem, key: /etc/lb/shop.key }]\")",
        ),
    ),
    (
        &["ciphers", "cipher_suites", "ssl_ciphers", "curves", "prefer_server_ciphers"],
        NotYet("lb has the suites with forward secrecy and authenticated encryption, and no other"),
    ),
    (&["ssl_protocols", "min_tls_version", "version", "versions"], Key("min_version")),
    (&["client_ca", "ca", "ca_file", "mtls", "verify_client", "verify"], Key("client_auth")),
    (&["letsencrypt", "lets_encrypt", "auto", "automatic", "cert_resolver"], Key("acme")),
    (&["strict_sni", "sni"], Key("unknown_sni")),
    (&["strict_transport_security"], Key("hsts")),
    (
        &["alpn"],
        Message("is not a known key (write \"protocols: [h2, http/1.1]\" beside \"tls:\")"),
    ),
    (&["stapling", "ocsp", "ssl_stapling"], NotYet("lb staples no answers of OCSP")),
];

pub(super) const CERTIFICATE: Meanings = &[
    (&["certificate", "crt", "cert_file", "chain", "fullchain", "ssl_certificate"], Key("cert")),
    (&["private_key", "key_file", "privkey", "ssl_certificate_key"], Key("key")),
    (&["dir", "folder", "path"], Key("directory")),
];

pub(super) const CLIENT_AUTH: Meanings = &[
    (&["ca_file", "ca_cert", "client_ca", "trusted_ca", "ssl_client_certificate"], Key("ca")),
    (&["verify", "type", "require"], Key("mode")),
    (&["crl_file", "ssl_crl"], Key("crl")),
];

pub(super) const ACME: Meanings = &[
    (&["domain", "domains", "names", "sans", "host"], Key("hosts")),
    (&["contact", "mail"], Key("email")),
    (&["server", "ca_server", "url", "ca"], Key("directory")),
    (&["eab"], Key("external_account")),
    (
        &["storage", "storage_path", "cache"],
        Message("is not a known key (certificates are in \"state_dir:\", at the top of the file)"),
    ),
];

pub(super) const PROXY_PROTOCOL: Meanings =
    &[(&["trusted", "trusted_ips", "trusted_proxies", "allow", "addresses"], Key("from"))];
