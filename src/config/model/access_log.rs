//! The settings of the access log and of traces.

use std::{path::PathBuf, time::Duration};

use super::quantity::{Percent, StatusRanges};
use crate::config::word::Word;

/// The destination and the format of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// The format of a line.
    pub format: LogFormat,
    /// The destination.
    pub path: LogTarget,
    /// The requests that have a line; `None` for all.
    pub filter: Option<LogFilter>,
}

/// Which requests have a line in the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Requests with one of these statuses.
    pub status: Option<StatusRanges>,
    /// Requests that took at least this long.
    pub min_latency: Option<Duration>,
    /// This share of all other requests. If it is left out, none of them has a line if one of the
    /// keys above is given, and all of them if neither is.
    pub sample: Option<Percent>,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// A line for people.
    Text,
    /// The combined format of Apache and nginx.
    Combined,
}

/// The destination of log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of this file.
    File(PathBuf),
}

/// The treatment of a request that is not part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traceparent {
    /// A trace is started.
    Start,
    /// The request is passed on without a trace.
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
