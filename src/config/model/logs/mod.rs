//! The settings of the logs and of traces.

mod field;
mod target;

use std::time::Duration;

pub use field::{ChosenField, FieldItem, LogField, StandardField};
pub use target::{Facility, LogDelivery, LogRotation, LogTarget, Syslog, SyslogSocket};

use super::quantity::{Percent, StatusRanges};
use crate::config::word::Word;

/// The destination and the format of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// The format of a line.
    pub format: LogFormat,
    /// The fields of a line, as the file lists them.
    pub fields: Vec<FieldItem>,
    /// The fields whose values are shown although they may be secrets.
    pub unmasked: Vec<LogField>,
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

impl AccessLog {
    /// The fields of a line in JSON, in order, each once.
    #[must_use]
    pub fn chosen_fields(&self) -> Vec<ChosenField> {
        self.chosen(field::listed(&self.fields))
    }

    /// The fields that are listed one by one, in order, each once.
    #[must_use]
    pub fn listed_fields(&self) -> Vec<ChosenField> {
        let mut items = self.fields.clone();
        items.retain(|item| matches!(item, FieldItem::With(_)));
        self.chosen(field::listed(&items))
    }

    fn chosen(&self, fields: Vec<LogField>) -> Vec<ChosenField> {
        let is_masked = |field: &LogField| field.is_secret() && !self.unmasked.contains(field);
        let chosen = |field| ChosenField { is_masked: is_masked(&field), field };
        fields.into_iter().map(chosen).collect()
    }
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
