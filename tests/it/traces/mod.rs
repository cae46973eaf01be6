//! Traces: how they are passed on, and the spans that a collector gets.

/// A collector with TLS, and settings from the environment.
mod connecting;
/// A request that is not recorded.
mod passing_on;
/// What spans say.
mod spans;
/// A collector that is gone, slow, or refuses.
mod trouble;

use crate::support::{
    backend::ScriptedBackend,
    collector::{Collector, Span},
    lb::{Lb, addresses},
};

/// The two protocols of collectors.
const PROTOCOLS: [&str; 2] = ["http/protobuf", "grpc"];

/// Lines of a configuration with one pool over these backends.
fn pool_of(backends: &[&ScriptedBackend]) -> String {
    format!(
        "routes: [ {{ pool: web }} ]\npools: {{ web: {{ health_check: off, retry: {{ backoff: off }}, \
         backends: [{}] }} }}\n",
        addresses(backends)
    )
}

/// A balancer over these backends that sends its spans to the collector, with more settings of `tracing`.
fn traced(collector: &Collector, backends: &[&ScriptedBackend], more: &str) -> Lb {
    Lb::start(&(collector.keys("http/protobuf", more) + &pool_of(backends)))
}

/// The attempts below this span, in order.
fn attempts(spans: &[Span], request: &Span) -> Vec<Span> {
    let mut below: Vec<Span> =
        spans.iter().filter(|span| span.parent() == request.id()).cloned().collect();
    below.sort_by_key(Span::start);
    below
}
