//! The journal, as it is told to whoever listens.

use super::view;
use crate::backend::Entry;
use crate::telemetry;

/// An entry and its number, as an event.
pub(super) fn event((id, entry): (u64, Entry)) -> view::Event {
    let Entry { time, pool, backend, event, reason, lasts, by } = entry;
    view::Event {
        id,
        time: telemetry::timestamp(time),
        pool: pool.map(|pool| pool.as_str().to_owned()),
        backend,
        event: event.to_owned(),
        reason,
        for_ms: lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX)),
        by,
    }
}
