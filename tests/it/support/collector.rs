//! A collector of traces in Python, made of OpenTelemetry's public protocol (`collector.py`).

use serde_json::Value;

use super::{
    PATIENCE,
    eventually::wait_for,
    process::{LbProcess, new_folder},
    python,
};

/// A running collector. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    process: LbProcess,
    /// Its port for HTTP.
    pub http: u64,
    /// Its port for gRPC.
    pub grpc: u64,
}

impl Collector {
    /// One that takes every span.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// One with these arguments.
    #[track_caller]
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut command = python::program("collector.py", &["grpc", "opentelemetry"]);
        command.args(arguments);
        let mut process = LbProcess::spawn(new_folder(), command);
        let ports = process.wait_for_stdout("\"grpc\"");
        let ports: Value = serde_json::from_str(&ports).expect("a line of JSON");
        let port = |name: &str| ports[name].as_u64().expect("a port");
        Self { http: port("http"), grpc: port("grpc"), process }
    }

    /// The block `tracing` that leads to it by this protocol, with more keys.
    pub(crate) fn keys(&self, protocol: &str, more: &str) -> String {
        let port = if protocol == "grpc" { self.grpc } else { self.http };
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        format!(
            "tracing: {{ protocol: {protocol}, endpoint: \"http://127.0.0.1:{port}\"{more} }}\n"
        )
    }

    /// The spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let lines = self.process.stdout();
        let spans = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).map(Span);
        spans.filter(|span| span.0["trace_id"].is_string()).collect()
    }

    /// All spans, as soon as there are this many.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Span> {
        let spans = wait_for(PATIENCE, || Some(self.spans()).filter(|it| it.len() >= count));
        spans.unwrap_or_else(|| panic!("{count} spans did not come: {:#?}", self.spans()))
    }

    /// The span of the request for this path, as soon as it is there with those of its attempts, and all spans.
    #[track_caller]
    pub(crate) fn wait_for_path(&self, path: &str) -> (Span, Vec<Span>) {
        let found = wait_for(PATIENCE, || {
            let spans = self.spans();
            let span = spans.iter().find(|span| span.is_server() && span["url.path"] == path);
            let span = span.cloned()?;
            let attempts = spans.iter().filter(|it| it.parent() == span.id()).count() as u64;
            (span["lb.attempts"].as_u64().unwrap_or_default() == attempts).then_some((span, spans))
        });
        found.unwrap_or_else(|| panic!("no span of {path}: {:#?}", self.spans()))
    }
}

/// A span, as the collector got it. An index is the name of an attribute.
#[derive(Debug, Clone)]
pub(crate) struct Span(pub Value);

impl Span {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().expect("a text")
    }

    pub(crate) fn is_server(&self) -> bool {
        self.0["kind"] == "server"
    }

    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    pub(crate) fn trace(&self) -> &str {
        self.text("trace_id")
    }

    pub(crate) fn id(&self) -> &str {
        self.text("span_id")
    }

    /// The span that it is a part of; empty if it is of none.
    pub(crate) fn parent(&self) -> &str {
        self.text("parent")
    }

    pub(crate) fn start(&self) -> u64 {
        self.0["start"].as_u64().expect("a time")
    }

    pub(crate) fn end(&self) -> u64 {
        self.0["end"].as_u64().expect("a time")
    }

    /// Whether its status is an error.
    pub(crate) fn is_error(&self) -> bool {
        self.0["status"] == 2
    }
}

impl std::ops::Index<&str> for Span {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.0["attributes"][name]
    }
}
