//! What the configuration says of the access log and of traces.

use std::{path::PathBuf, time::Duration};

use super::quantity::{Percent, StatusRanges};
use crate::config::word::Word;

/// Where request lines go, and how they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// How a line looks.
    pub format: LogFormat,
    /// Where it goes.
    pub path: LogTarget,
    /// Which requests have one; `None` for all.
    pub filter: Option<LogFilter>,
}

/// Which requests have a line in the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Those with such a status.
    pub status: Option<StatusRanges>,
    /// Requests that took at least this long.
    pub min_latency: Option<Duration>,
    /// Of all others, this share. Left out, it is none of them where one of the keys above is
    /// given, and all of them where neither is.
    pub sample: Option<Percent>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
    /// For what reads the logs of Apache and nginx.
    Combined,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to this file.
    File(PathBuf),
}

/// What becomes of a request that is no part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traceparent {
    /// It starts one.
    Start,
    /// It stays as it is.
    Pass,
}

impl Word for LogFormat {
    const ALL: &'static [Self] = &[Self::Json, Self::Text, Self::Combined];

    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Combined => "combined",
        }
    }
}

impl Word for Traceparent {
    const ALL: &'static [Self] = &[Self::Start, Self::Pass];

    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pass => "pass",
        }
    }
}
