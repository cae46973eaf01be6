//! The keys of the access log, and the parsers of their values.
//!
//! A filter that lets nothing through is a mistake that nobody would notice before the line they need
//! is not there; so a share of nothing, and an empty list, are refused.

use std::path::PathBuf;

use super::{
    cursor::{Cursor, Section},
    defaults,
    model::{AccessLog, LogFilter, LogFormat, LogTarget, Percent, StatusRanges},
    values::{DURATION, Kind, STATUSES, choice, is_off, is_on, percent},
    wording::quoted,
};

const FORMAT: Kind<LogFormat> = Kind {
    expected: "json, text or combined",
    parse: |text| {
        choice(
            text,
            &[
                ("json", LogFormat::Json),
                ("text", LogFormat::Text),
                ("combined", LogFormat::Combined),
            ],
        )
    },
};

const TARGET: Kind<LogTarget> = Kind {
    expected: "stdout, stderr or the path of a file",
    parse: |text| match text {
        "stdout" => Ok(LogTarget::Stdout),
        "stderr" => Ok(LogTarget::Stderr),
        _ if text.is_empty() || text.ends_with('/') || text.contains('\0') => {
            Err(format!("must be stdout, stderr or the path of a file, found {}", quoted(text)))
        }
        _ => Ok(LogTarget::File(PathBuf::from(text))),
    },
};

const SAMPLE: Kind<Percent> = Kind {
    expected: "a percentage such as 10%",
    parse: |text| {
        percent(text, 1).map_err(|message| match text {
            "0" | "0%" => format!("{message} (for none of the other requests, leave it out)"),
            _ => message,
        })
    },
};

const FILTER: &str = "off, or a mapping such as { status: [4xx, 5xx], min_latency: 500ms }";

/// `None` for no access log.
pub(super) fn read(top: &mut Section<'_>) -> Option<AccessLog> {
    let expected = "off, or a mapping such as { format: json, path: stdout }";
    top.switch("access_log", defaults::ACCESS_LOG, expected, |keys| AccessLog {
        format: keys.setting("format", &FORMAT).or(defaults::ACCESS_LOG.format),
        path: keys.setting("path", &TARGET).or(defaults::ACCESS_LOG.path),
        filter: filter(keys),
    })
}

fn filter(keys: &mut Section<'_>) -> Option<LogFilter> {
    let cursor = keys.optional("filter")?;
    match cursor.text() {
        Some(text) if is_off(text) => return None,
        Some(text) if is_on(text) => {
            cursor.problem(format!("must be {FILTER}, {} (say which)", cursor.found()));
            return None;
        }
        _ => {}
    }
    let read = |keys: &mut Section<'_>| LogFilter {
        status: keys.optional("status").and_then(|cursor| statuses(&cursor)),
        min_latency: keys.setting("min_latency", &DURATION).given(),
        sample: keys.setting("sample", &SAMPLE).given(),
    };
    let nothing = LogFilter { status: None, min_latency: None, sample: None };
    cursor.section(FILTER, read).filter(|filter| *filter != nothing)
}

/// A list, or one of its items alone.
fn statuses(cursor: &Cursor<'_>) -> Option<StatusRanges> {
    if cursor.text().is_some() {
        return cursor.value(&STATUSES);
    }
    let items = cursor.filled_list("a list of statuses such as [4xx, 500-599]")?;
    let ranges: Option<Vec<_>> = items.iter().map(|item| item.value(&STATUSES)).collect();
    Some(StatusRanges(ranges?.into_iter().flat_map(|ranges| ranges.0).collect()))
}
