//! The keys of traces.
//!
//! What is left out may come from the variables of the environment by which programs with
//! OpenTelemetry's own libraries are set up; the reader knows their names.

use std::{path::PathBuf, time::Duration};

use super::key::{Group, Key, Pairs, Presence, Preset};
use crate::config::{
    model::{HeaderText, OtlpProtocol, SampledParent, Share},
    values::{
        ATTRIBUTE, COLLECTOR, DURATION, FILE, HEADER_TEXT, OTLP_PROTOCOL, SAMPLED_PARENT, SHARE,
        TEXT, TRUTH, attribute_name, header_name,
    },
};

pub(in crate::config) static TRACING: Group = Group::new(
    "tracing",
    Presence::IfGiven,
    "off, or a mapping such as { endpoint: \"http://localhost:4318\" }",
    "Traces for an OpenTelemetry collector: a span for each request, and one for each try. Left out, or \
     off: nothing is recorded.",
);

pub(in crate::config) static ENDPOINT: Key<Box<str>> = Key::optional(
    "tracing.endpoint",
    COLLECTOR,
    (
        "http://localhost:4318/v1/traces",
        "$OTEL_EXPORTER_OTLP_ENDPOINT, else this machine at port 4318, or 4317 with grpc",
    ),
    "the collector; over http/protobuf /v1/traces is added to a URL without a path",
);

pub(in crate::config) static PROTOCOL: Key<OtlpProtocol> = Key::optional(
    "tracing.protocol",
    OTLP_PROTOCOL,
    ("http/protobuf", "$OTEL_EXPORTER_OTLP_PROTOCOL, else http/protobuf"),
    "http/protobuf or grpc",
);

pub(in crate::config) static HEADERS: Pairs<HeaderText> = Pairs::optional(
    "tracing.headers",
    (header_name, HEADER_TEXT),
    (
        "a mapping such as { x-api-key: \"${file:/run/secrets/key}\" }",
        "{ x-api-key: 3f1c0d7e52a94b68 }",
        "none but those of $OTEL_EXPORTER_OTLP_HEADERS, which are added in any case",
    ),
    "fields that are sent with every export; never shown",
)
.secret();

// As OpenTelemetry's own libraries: a trace is there when it is looked for the first time. What is too
// much for the collector is dropped, and counted.
pub(in crate::config) static TRACE_SAMPLE: Preset<Share> = Preset::new(
    "tracing.sample",
    SHARE,
    || Share::ALL,
    "the share of requests that are recorded where no caller has decided; as little as 0.0001%",
);

// As OpenTelemetry's own libraries: a trace has no holes.
pub(in crate::config) static PARENT: Preset<SampledParent> = Preset::new(
    "tracing.parent",
    SAMPLED_PARENT,
    || SampledParent::Any,
    "whose decision in traceparent is followed: of any caller, of trusted_proxies (trusted), or of none",
);

pub(in crate::config) static SERVICE_NAME: Key<Box<str>> = Key::optional(
    "tracing.service_name",
    TEXT,
    ("lb", "$OTEL_SERVICE_NAME, else lb"),
    "the name under which the spans are found",
);

pub(in crate::config) static ATTRIBUTES: Pairs<Box<str>> = Pairs::optional(
    "tracing.attributes",
    (attribute_name, ATTRIBUTE),
    (
        "a mapping such as { deployment.environment.name: production }",
        "{ deployment.environment.name: production }",
        "none but those of $OTEL_RESOURCE_ATTRIBUTES, which are added in any case",
    ),
    "attributes of the process, which all its spans have",
);

// Queries have tokens, and names of people.
pub(in crate::config) static QUERY: Preset<bool> = Preset::new(
    "tracing.query",
    TRUTH,
    || false,
    "true: spans have the query of a request, which may hold secrets",
);

// As OpenTelemetry's own libraries.
pub(in crate::config) static EXPORT_TIMEOUT: Preset<Duration> = Preset::new(
    "tracing.timeout",
    DURATION,
    || Duration::from_secs(10),
    "the limit on one export, with its retries",
);

pub(in crate::config) static CA: Key<PathBuf> = Key::optional(
    "tracing.ca",
    FILE,
    ("/etc/lb/collector.pem", "the certificates that the system trusts"),
    "certificates in PEM, one of which signs the collector's own",
);
