//! The keys of the access log.
//!
//! A filter that lets nothing through is refused: its author would notice only when a line is missing.

use crate::config::{
    document::Section,
    keys::access_log::{ACCESS_LOG, FILTER, FORMAT, LOG_PATH, LOG_SAMPLE, MIN_LATENCY, STATUS},
    model::{AccessLog, LogFilter, StatusRanges},
    values::{is_off, is_on},
};

/// Returns `None` for no access log.
pub(super) fn read(top: &mut Section<'_>) -> Option<AccessLog> {
    top.switch(&ACCESS_LOG, access_log)
}

pub(super) fn access_log(keys: &mut Section<'_>) -> AccessLog {
    AccessLog { format: keys.get(&FORMAT), path: keys.get(&LOG_PATH), filter: filter(keys) }
}

fn filter(keys: &mut Section<'_>) -> Option<LogFilter> {
    let cursor = keys.optional(&FILTER)?;
    match cursor.text() {
        Some(text) if is_off(text) => return None,
        Some(text) if is_on(text) => {
            let (expected, found) = (FILTER.expected, cursor.found());
            cursor.problem(format!("must be {expected}, {found} (say which)"));
            return None;
        }
        _ => {}
    }
    let read = |keys: &mut Section<'_>| {
        let statuses: Vec<_> = keys.list(&STATUS).into_iter().flat_map(|it| it.0).collect();
        LogFilter {
            status: (!statuses.is_empty()).then_some(StatusRanges(statuses)),
            min_latency: keys.given(&MIN_LATENCY),
            sample: keys.given(&LOG_SAMPLE),
        }
    };
    let nothing = LogFilter { status: None, min_latency: None, sample: None };
    cursor.section(FILTER.expected, read).filter(|filter| *filter != nothing)
}
