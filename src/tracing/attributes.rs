//! The names of attributes: OpenTelemetry's for HTTP, in their stable form, and our own, which begin with
//! `lb.`.

use opentelemetry::KeyValue;

pub(super) const METHOD: &str = "http.request.method";
pub(super) const ORIGINAL_METHOD: &str = "http.request.method_original";
pub(super) const RESEND_COUNT: &str = "http.request.resend_count";
pub(super) const REQUEST_SIZE: &str = "http.request.body.size";
pub(super) const RESPONSE_SIZE: &str = "http.response.body.size";
pub(super) const STATUS: &str = "http.response.status_code";
pub(super) const ROUTE: &str = "http.route";
pub(super) const PATH: &str = "url.path";
pub(super) const QUERY: &str = "url.query";
pub(super) const SCHEME: &str = "url.scheme";
pub(super) const URL: &str = "url.full";
pub(super) const SERVER: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const CLIENT: &str = "client.address";
pub(super) const PEER: &str = "network.peer.address";
pub(super) const PEER_PORT: &str = "network.peer.port";
pub(super) const PROTOCOL_VERSION: &str = "network.protocol.version";
pub(super) const USER_AGENT: &str = "user_agent.original";
pub(super) const ERROR_TYPE: &str = "error.type";

pub(super) const LISTENER: &str = "lb.listener";
pub(super) const REQUEST_ID: &str = "lb.request_id";
pub(super) const POOL: &str = "lb.pool";
pub(super) const ATTEMPTS: &str = "lb.attempts";
pub(super) const ERROR: &str = "lb.error";
pub(super) const NO_BACKEND: &str = "lb.no_backend";
pub(super) const BACKEND: &str = "lb.backend";
pub(super) const OUTCOME: &str = "lb.outcome";
pub(super) const RETRIED: &str = "lb.retried";
pub(super) const REUSED: &str = "lb.connection.reused";

/// Attributes that are added one by one, as far as their values are known.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push(KeyValue::new(name, value.into()));
    }

    pub(super) fn word(&mut self, name: &'static str, value: &'static str) {
        self.0.push(KeyValue::new(name, value));
    }

    pub(super) fn number(&mut self, name: &'static str, value: impl Into<i64>) {
        self.0.push(KeyValue::new(name, value.into()));
    }

    /// Bytes that a client has sent; what is not UTF-8 is replaced.
    pub(super) fn bytes(&mut self, name: &'static str, value: &[u8]) {
        self.text(name, String::from_utf8_lossy(value));
    }

    /// A size in bytes; none is left out.
    pub(super) fn size(&mut self, name: &'static str, bytes: u64) {
        if bytes > 0 {
            self.number(name, i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn truth(&mut self, name: &'static str, value: bool) {
        self.0.push(KeyValue::new(name, value));
    }
}
