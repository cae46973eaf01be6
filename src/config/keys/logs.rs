//! The keys of both logs.

use std::{num::NonZeroU64, time::Duration};

use super::key::{Group, Instead, Key, List, Presence, Preset};
use crate::config::{
    model::{Facility, FieldItem, LogField, LogFormat, LogTarget, Percent, StatusRanges},
    values::{
        APP_NAME, DURATION, ERROR_LOG, ERROR_LOG_FORMAT, FIELD, FIELD_ITEM, KEEP, Kind, LOG_SIZE,
        SAMPLE, STATUSES, TARGET,
    },
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

// With all of them a line answers what an operator asks first, and a program that reads lines finds each field.
pub(in crate::config) static FIELDS: List<FieldItem> = List::new(
    "access_log.fields",
    FIELD_ITEM,
    "a list of fields such as [default, request_header.accept, cookie.theme]",
    "the fields of a line, in order: default for all of them, -NAME without one, NAME, \
     request_header.NAME, response_header.NAME, cookie.NAME; text and combined have their own, and \
     those of this list behind them",
)
.or(Instead::OneItem, || vec![FieldItem::Default]);

// Whether a value is a secret is certain to its owner alone.
pub(in crate::config) static UNMASKED: List<LogField> = List::new(
    "access_log.unmasked",
    FIELD,
    "a list of fields such as [cookie.theme]",
    "fields whose values are shown; else those of cookies, and of headers whose names sound like a \
     secret, are ***",
)
.or(Instead::OneItem, Vec::new)
.optional("[cookie.theme]", "none");

// Containers and service managers expect the log on standard output.
pub(in crate::config) static LOG_PATH: Preset<LogTarget> = Preset::new(
    "access_log.path",
    TARGET,
    || LogTarget::Stdout,
    "stdout, stderr, a file to append to, journald, syslog (at /dev/log), syslog:unix:PATH, or \
     syslog:udp:ADDRESS",
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

pub(in crate::config) static PROCESS_LOG: Preset<LogTarget> = Preset::new(
    "error_log",
    ERROR_LOG,
    || LogTarget::Stderr,
    "Where the process log goes: stderr, a file to append to, journald, syslog, syslog:unix:PATH, or \
     syslog:udp:ADDRESS. It says what changed: started, ejected, back again. SIGUSR1 reopens the files of \
     both logs, which a log rotation needs.",
);

// One reader then takes both logs; the journal has fields beside a message for people.
pub(in crate::config) static PROCESS_LOG_FORMAT: Preset<Option<LogFormat>> = Preset::new(
    "error_log_format",
    ERROR_LOG_FORMAT,
    || None,
    "The format of the process log: json, text, or auto, which is json if the access log is json and the \
     process log does not go to journald.",
);

pub(in crate::config) static ROTATION: Group = Group::new(
    "log_rotation",
    Presence::IfGiven,
    "off, or a mapping such as { size: 100MiB, keep: 5 }",
    "Puts the files of both logs aside when they are full, without the help of another program: \
     access.log becomes access.log.1, and so on.",
);

// Large enough to be rare, small enough to be looked through.
pub(in crate::config) static ROTATION_SIZE: Preset<NonZeroU64> = Preset::new(
    "log_rotation.size",
    LOG_SIZE,
    || NonZeroU64::MIN.saturating_add((100 << 20) - 1),
    "the most that one file holds",
);

pub(in crate::config) static ROTATION_KEEP: Preset<u16> =
    Preset::new("log_rotation.keep", KEEP, || 5, "how many files are kept beside it");

pub(in crate::config) static SYSLOG: Group = Group::new(
    "syslog",
    Presence::Always,
    "a mapping such as { facility: local0, app_name: lb }",
    "How lb introduces itself to syslog and journald, where a log goes there.",
);

pub(in crate::config) static SYSLOG_FACILITY: Preset<Facility> = Preset::new(
    "syslog.facility",
    Kind::word("daemon, user, or local0 to local7"),
    || Facility::Daemon,
    "daemon, user, or local0 to local7",
);

pub(in crate::config) static SYSLOG_APP_NAME: Preset<Box<str>> = Preset::new(
    "syslog.app_name",
    APP_NAME,
    || "lb".into(),
    "the name of the program, which tells several instances on a machine apart",
);
