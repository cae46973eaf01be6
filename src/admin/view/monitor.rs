//! The sampling in the background, so that the listener can show more than one moment: the counts
//! once a second, and the journal often enough for clients that follow the events.

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

use super::last_minute::{self, LastMinute};
use crate::admin::view;
use crate::backend::JournalEntry;
use crate::clock;
use crate::generation::Current;
use crate::telemetry;

/// The time between two looks at the journal: soon enough for a person who watches a screen.
const JOURNAL_INTERVAL: Duration = Duration::from_millis(100);

/// The samples up to this moment.
#[derive(Debug)]
pub(in crate::admin) struct Monitor {
    pub(in crate::admin) last_minute: Mutex<LastMinute>,
    /// The number of the last entry of the journal.
    last_event: watch::Sender<u64>,
}

/// The source of events for a client that follows them.
pub(in crate::admin) struct EventFeed {
    /// The events after the one with this number, oldest first. The oldest may be forgotten.
    pub(in crate::admin) after: Box<dyn Fn(u64) -> Vec<view::Event> + Send + Sync>,
    /// The number of the last event, as it changes.
    pub(in crate::admin) last: watch::Receiver<u64>,
    /// Whether a client that was admitted would still be admitted: a reload may change the token.
    pub(in crate::admin) is_welcome: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self { last_minute: Mutex::default(), last_event: watch::Sender::new(0) }
    }
}

impl Monitor {
    /// The events, for a client that the current configuration admits.
    pub(in crate::admin) fn feed(&self, current: &Arc<Current>) -> EventFeed {
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
        EventFeed { after: Box::new(after), last: self.last_event.subscribe(), is_welcome }
    }

    /// Takes samples until it is dropped.
    pub(in crate::admin) async fn run(self: Arc<Self>, current: Arc<Current>) {
        let mut ticks = interval(JOURNAL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sampled: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let last = current.registry().journal().last();
            self.last_event.send_if_modified(|known| std::mem::replace(known, last) != last);
            let now = clock::now();
            let age = sampled.map(|sampled| now.saturating_duration_since(sampled));
            if age.is_none_or(|age| age >= last_minute::INTERVAL) {
                sampled = Some(now);
                let (monitor, current) = (Arc::clone(&self), Arc::clone(&current));
                // With ten thousand backends this takes a while.
                let sample = move || monitor.last_minute.lock().sample(&current, now);
                if spawn_blocking(sample).await.is_err() {
                    log::error!("the counts of the last minute could not be sampled");
                    sampled = None;
                }
            }
        }
    }
}

/// A journal entry and its number, as clients read it.
fn event((id, entry): (u64, JournalEntry)) -> view::Event {
    let JournalEntry { time, pool, backend, event, text, reason, lasts, by } = entry;
    view::Event {
        id,
        time: telemetry::timestamp(time),
        pool: pool.map(|pool| pool.as_str().to_owned()),
        backend: backend.as_ref().map(|names| names.name.to_string()),
        address: backend.map(|names| names.address.to_string()),
        event: event.to_owned(),
        text,
        reason,
        for_ms: lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX)),
        by,
    }
}
