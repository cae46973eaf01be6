//! The counts of one pool: its clients' requests, their retries, and their waits.

use std::time::{Duration, Instant};

use super::request::Unavailable;
use crate::clock;
use crate::count::{
    Counter, DurationHistogram, DurationSnapshot, Outcome, Shards, StatusClass, StatusClassCounts,
};

/// Counts of one pool, since the registry has known it.
#[derive(Debug, Default)]
pub struct Counts {
    requests: Shards<Requests>,
    /// Retries, by how the attempt before each failed.
    retries: [Counter; Outcome::COUNT],
    /// Retries that the budget did not allow.
    pub budget_exhausted: Counter,
    /// How requests left the queue.
    pub queue: QueueCounts,
}

/// Requests that have ended.
#[derive(Debug, Default)]
struct Requests {
    responses: StatusClassCounts,
    latency: DurationHistogram,
    first_byte: DurationHistogram,
}

/// How requests left the queue.
#[derive(Debug, Default)]
pub struct QueueCounts {
    /// They got a backend.
    pub served: Counter,
    /// Their time was over before a backend was free.
    pub late: Counter,
    /// Their client left.
    pub left: Counter,
    /// They were turned away at once, because the queue was full.
    pub full: Counter,
    /// How long each queued request waited.
    pub waits: DurationHistogram,
}

/// A wait in the queue, counted however it ends.
pub(super) struct QueueWait<'a> {
    counts: &'a QueueCounts,
    since: Instant,
    /// How the queue ended the wait, with a backend (`None` inside) or without; `None` while it
    /// goes on.
    end: Option<Option<Unavailable>>,
}

impl QueueCounts {
    /// Begins to count a request that has come to the queue.
    pub(super) fn arrived(&self, now: Instant) -> QueueWait<'_> {
        QueueWait { counts: self, since: now, end: None }
    }
}

impl QueueWait<'_> {
    /// Notes how the queue ended the wait. A wait that is dropped without this has lost its client.
    pub(super) fn ended<T>(mut self, with: &Result<T, Unavailable>) {
        self.end = Some(with.as_ref().err().copied());
    }
}

impl Drop for QueueWait<'_> {
    fn drop(&mut self) {
        match self.end {
            Some(Some(Unavailable::Full | Unavailable::NoneEligible)) => {
                return self.counts.full.one();
            }
            Some(Some(Unavailable::QueueTimeout)) => self.counts.late.one(),
            Some(None) => self.counts.served.one(),
            None => self.counts.left.one(),
        }
        self.counts.waits.observe(clock::now().saturating_duration_since(self.since));
    }
}

impl Counts {
    /// Counts a request that has ended.
    pub fn request_ended(&self, answered: StatusClass, took: Duration) {
        let requests = self.requests.mine();
        requests.responses.one(answered);
        requests.latency.observe(took);
    }

    /// Notes that an answer began this long after the end of the request.
    pub fn answer_began(&self, waited: Duration) {
        self.requests.mine().first_byte.observe(waited);
    }

    /// Counts a retry by how the attempt before it ended.
    pub fn retried(&self, after: Outcome) {
        self.retries[after as usize].one();
    }

    /// Retries by how the attempt before each failed, in the order of [`Outcome::ALL`].
    #[must_use]
    pub fn retries(&self) -> [u64; Outcome::COUNT] {
        self.retries.each_ref().map(Counter::get)
    }

    /// Requests that have ended, by the class of their status, in the order of
    /// [`StatusClass::ALL`].
    #[must_use]
    pub fn responses(&self) -> [u64; StatusClass::ALL.len()] {
        StatusClassCounts::sum(self.requests.iter().map(|requests| &requests.responses))
    }

    /// From a request's header to the end of its answer.
    #[must_use]
    pub fn latency(&self) -> DurationSnapshot {
        self.observed(|requests| &requests.latency)
    }

    /// From the end of a request to the first byte of its answer.
    #[must_use]
    pub fn first_byte(&self) -> DurationSnapshot {
        self.observed(|requests| &requests.first_byte)
    }

    fn observed(&self, of: impl Fn(&Requests) -> &DurationHistogram) -> DurationSnapshot {
        let mut sum = DurationSnapshot::default();
        self.requests.iter().for_each(|requests| sum.add(&of(requests).get()));
        sum
    }
}
