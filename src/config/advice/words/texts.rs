//! Texts that messages about several keys have, and the words that they answer.

pub(super) const RATE: &str = "lb does not limit the rate of requests";
pub(super) const COMPRESSION: &str = "lb does not compress answers";
pub(super) const AUTHENTICATION: &str = "lb does not ask clients for a password or a token";
pub(super) const CACHE: &str = "lb does not cache answers";
pub(super) const TO_BACKENDS: &str = "lb speaks no TLS to backends";
pub(super) const MIRROR: &str = "lb does not copy requests to a second pool";
pub(super) const BODY: &str = "lb does not limit the length of a body, as client_max_body_size of nginx \
                               does; a backend may refuse one with 413, and \"client: { body: { idle, \
                               min_rate } }\" of a listener bounds its pace";
pub(super) const HEADER: &str =
    "the header of a request may have 64 KiB, and no setting changes that";
pub(super) const NO_RESOLVER: &str = "names are resolved by the system's rules, when the configuration is loaded, and not in between";
pub(super) const BY_ITSELF: &str = "is not needed: lb does it by itself (remove it)";
pub(super) const CERTIFICATES: &str = "is not a known key (write \"tls: { certificates: [{ cert: \
                                       /etc/lb/shop.pem, key: /etc/lb/shop.key }] }\")";
pub(super) const RETRIES: &str = "is not a known key (write \"retry: { attempts: 3 }\", which counts all \
                                  tries: one more than the retries)";
pub(super) const HOST_PASSES: &str =
    "is not needed: backends get the Host of the client (remove it)";

/// Words for the longest body of a request.
pub(super) const BODY_WORDS: &[&str] = &[
    "max_body",
    "max_body_size",
    "client_max_body_size",
    "body_limit",
    "body_size",
    "body_max",
    "max_request_body",
    "max_request_body_bytes",
    "max_request_size",
    "max_size",
    "request_body",
];
/// Words for the longest header of a request.
pub(super) const HEADER_WORDS: &[&str] = &[
    "max_header",
    "max_header_size",
    "max_header_bytes",
    "max_headers",
    "header_size",
    "client_header_buffer_size",
    "large_client_header_buffers",
];
