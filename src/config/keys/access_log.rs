//! The keys of the access log.

use std::time::Duration;

use super::key::{Group, Instead, Key, List, Presence, Preset};
use crate::config::{
    model::{LogFormat, LogTarget, Percent, StatusRanges},
    values::{DURATION, Kind, SAMPLE, STATUSES, TARGET},
};

pub(in crate::config) static ACCESS_LOG: Group = Group::new(
    "access_log",
    Presence::UnlessOff,
    "off, or a mapping such as { format: json, path: stdout }",
    "One line for each request. `access_log: off` for none.",
);

// JSON is the default, because the log is mostly read by machines; `text` is for people.
pub(in crate::config) static FORMAT: Preset<LogFormat> = Preset::new(
    "access_log.format",
    Kind::word("json, text or combined"),
    || LogFormat::Json,
    "or text, for people; combined, for tools that read the logs of Apache and nginx",
);

// Containers and service managers expect the log on standard output.
pub(in crate::config) static LOG_PATH: Preset<LogTarget> = Preset::new(
    "access_log.path",
    TARGET,
    || LogTarget::Stdout,
    "stdout, stderr, or a file to append to",
);

pub(in crate::config) static FILTER: Group = Group::new(
    "access_log.filter",
    Presence::IfGiven,
    "off, or a mapping such as { status: [4xx, 5xx], min_latency: 500ms }",
    "which requests have a line: those that one of these keys names, and those whose answer broke \
     off; left out, or off: all",
);

pub(in crate::config) static STATUS: List<StatusRanges> = List::new(
    "access_log.filter.status",
    STATUSES,
    "a list of statuses such as [4xx, 500-599]",
    "requests answered with one of these statuses",
)
.or(Instead::OneItem, Vec::new)
.optional("[4xx, 5xx]", "no status");

pub(in crate::config) static MIN_LATENCY: Key<Duration> = Key::optional(
    "access_log.filter.min_latency",
    DURATION,
    ("500ms", "no latency"),
    "requests that took at least this long",
);

pub(in crate::config) static LOG_SAMPLE: Key<Percent> = Key::optional(
    "access_log.filter.sample",
    SAMPLE,
    ("10%", "none of them"),
    "a share of all other requests",
);
