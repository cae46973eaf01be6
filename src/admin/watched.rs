//! What is looked at again and again, so that whoever asks gets more than a moment: counts once a
//! second, and the journal often enough for whoever follows it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    api::Api,
    samples::{self, Samples},
    stream::Feed,
    view,
};
use crate::backend::JournalEntry;
use crate::clock;
use crate::generation::Current;
use crate::telemetry;

/// Soon enough for somebody who looks at a screen.
const JOURNAL: Duration = Duration::from_millis(100);

/// What was seen up to now.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) samples: Mutex<Samples>,
    /// The number of the last entry of the journal.
    last: watch::Sender<u64>,
}

impl Default for Watched {
    fn default() -> Self {
        Self { samples: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Watched {
    /// What happens, for somebody who follows it.
    pub(super) fn feed(&self, current: &Arc<Current>) -> Feed {
        let token = |current: &Current| {
            let admin = current.pin().config.admin.clone();
            admin.map(|admin| (admin.address, admin.token))
        };
        let (then, now) = (token(current), Arc::clone(current));
        let is_welcome = Box::new(move || token(&now) == then);
        let current = Arc::clone(current);
        let after = move |number| {
            let entries = current.registry().journal().after(number);
            entries.into_iter().map(event).collect()
        };
        Feed { after: Box::new(after), last: self.last.subscribe(), is_welcome }
    }
}

/// Looks until it is dropped.
pub(super) async fn watch(api: Api) {
    let mut ticks = interval(JOURNAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let last = api.current.registry().journal().last();
        api.watched.last.send_if_modified(|known| std::mem::replace(known, last) != last);
        let now = clock::now();
        if looked.is_none_or(|looked| now.saturating_duration_since(looked) >= samples::INTERVAL) {
            looked = Some(now);
            let api = api.clone();
            // Among ten thousand backends it takes a while.
            let look = move || api.watched.samples.lock().look(&api.current, now);
            if spawn_blocking(look).await.is_err() {
                log::error!("the counts of the last minute are not looked at any more");
                looked = None;
            }
        }
    }
}

/// An entry and its number, as it is told.
fn event((id, entry): (u64, JournalEntry)) -> view::Event {
    let JournalEntry { time, pool, backend, event, reason, lasts, by } = entry;
    view::Event {
        id,
        time: telemetry::timestamp(time),
        pool: pool.map(|pool| pool.as_str().to_owned()),
        backend: backend.as_ref().map(|names| names.name.to_string()),
        address: backend.map(|names| names.address.to_string()),
        event: event.to_owned(),
        reason,
        for_ms: lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX)),
        by,
    }
}
