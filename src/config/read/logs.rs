//! The keys of both logs.
//!
//! A filter that lets nothing through is refused, and so is a list of fields that does not come to what it
//! says: its author would notice only when something is missing.

use crate::config::{
    document::{Firsts, Section},
    keys::logs::{
        ACCESS_LOG, FIELDS, FILTER, FORMAT, LOG_PATH, LOG_SAMPLE, MIN_LATENCY, ROTATION,
        ROTATION_KEEP, ROTATION_SIZE, STATUS, SYSLOG, SYSLOG_APP_NAME, SYSLOG_FACILITY, UNMASKED,
    },
    model::{
        AccessLog, FieldItem, LogDelivery, LogField, LogFilter, LogRotation, StatusRanges, Syslog,
    },
    values::{is_off, is_on},
};

/// Returns `None` for no access log.
pub(super) fn read(top: &mut Section<'_>) -> Option<AccessLog> {
    top.switch(&ACCESS_LOG, access_log)
}

pub(super) fn access_log(keys: &mut Section<'_>) -> AccessLog {
    let fields = fields(keys);
    AccessLog {
        format: keys.get(&FORMAT),
        unmasked: unmasked(keys, &fields),
        fields,
        path: keys.get(&LOG_PATH),
        filter: filter(keys),
    }
}

/// How lines get to files and daemons.
pub(super) fn delivery(top: &mut Section<'_>) -> LogDelivery {
    LogDelivery { rotation: rotation(top), syslog: syslog(top) }
}

fn syslog(top: &mut Section<'_>) -> Syslog {
    top.group(&SYSLOG, |keys| Syslog {
        facility: keys.get(&SYSLOG_FACILITY),
        app_name: keys.get(&SYSLOG_APP_NAME),
    })
}

fn rotation(top: &mut Section<'_>) -> Option<LogRotation> {
    let cursor = top.optional(&ROTATION)?;
    match cursor.text() {
        Some(text) if is_off(text) => None,
        Some(text) if is_on(text) => {
            let (expected, found) = (ROTATION.expected, cursor.found());
            cursor.problem(format!("must be {expected}, {found} (say how large a file may be)"));
            None
        }
        _ => cursor.section(ROTATION.expected, rotation_settings),
    }
}

fn rotation_settings(keys: &mut Section<'_>) -> LogRotation {
    LogRotation { size: keys.get(&ROTATION_SIZE), keep: keys.get(&ROTATION_KEEP) }
}

fn fields(keys: &mut Section<'_>) -> Vec<FieldItem> {
    let Some(items) = keys.items(&FIELDS) else { return (FIELDS.default)() };
    let (mut fields, mut firsts) = (Vec::new(), Firsts::default());
    for cursor in items {
        let Some(item) = cursor.value(&FIELDS.kind) else { continue };
        if let Some(earlier) = firsts.earlier(item.to_string(), &cursor) {
            cursor.problem(format!("is already given at {earlier} (remove one)"));
        }
        if matches!(item, FieldItem::Without(_)) && !fields.contains(&FieldItem::Default) {
            cursor.problem("takes out what is not there (write default before it)");
        }
        fields.push(item);
    }
    fields
}

fn unmasked(keys: &mut Section<'_>, fields: &[FieldItem]) -> Vec<LogField> {
    let mut unmasked = Vec::new();
    for cursor in keys.items(&UNMASKED).unwrap_or_default() {
        let Some(field) = cursor.value(&UNMASKED.kind) else { continue };
        if !fields.contains(&FieldItem::With(field.clone())) {
            cursor.warning(format!("is not a field of the log (add {field} to access_log.fields)"));
        }
        unmasked.push(field);
    }
    unmasked
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
