//! The settings of traces: which requests are recorded, and the collector that gets their spans.

use std::{fmt, path::PathBuf, time::Duration};

use super::quantity::Share;
use crate::config::{origin::Origin, word::Word};

/// Which requests are recorded, and where their spans are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// The URL of the collector; over HTTP with the path.
    pub endpoint: Box<str>,
    /// The protocol that the collector speaks.
    pub protocol: OtlpProtocol,
    /// Fields that are sent with every export, names in lower case; none twice.
    pub headers: Vec<(Box<str>, HeaderText)>,
    /// The share of the requests that are recorded where no caller has decided.
    pub sample: Share,
    /// The callers whose decision is followed.
    pub parent: SampledParent,
    /// The name under which the spans are found.
    pub service_name: Box<str>,
    /// More attributes of the process.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// Whether spans have the query of a request.
    pub query: bool,
    /// The limit on one export.
    pub timeout: Duration,
    /// The file with certificates one of which signs the collector's own; `None` for those that the
    /// system trusts.
    pub ca: Option<PathBuf>,
    /// Where it was written, for messages about its files.
    pub origin: Origin,
}

impl Tracing {
    /// Whether both settings mean the same, wherever they are written.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Self { origin: other.origin.clone(), ..self.clone() } == *other
    }
}

/// The protocol that a collector speaks, as OpenTelemetry names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf in POST requests.
    HttpProtobuf,
    /// gRPC.
    Grpc,
}

/// The callers whose decision to record a trace, or not to, is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampledParent {
    /// Every caller.
    Any,
    /// Trusted proxies.
    Trusted,
    /// No caller.
    None,
}

impl Word for OtlpProtocol {
    const ALL: &'static [Self] = &[Self::HttpProtobuf, Self::Grpc];

    fn word(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }
}

impl Word for SampledParent {
    const ALL: &'static [Self] = &[Self::Any, Self::Trusted, Self::None];

    fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Trusted => "trusted",
            Self::None => "none",
        }
    }
}

/// The value of a header that may be a secret. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderText(pub(in crate::config) Box<str>);

impl HeaderText {
    /// The value itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
