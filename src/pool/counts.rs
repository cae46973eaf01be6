//! What is counted of one pool: its clients' requests, and what became of them on the way.

use std::time::Duration;

use crate::count::{
    Counter, DurationHistogram, DurationSnapshot, Outcome, Shards, StatusClass, StatusClassCounts,
};

/// Counts of one pool since it is known.
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
    /// With a backend.
    pub served: Counter,
    /// Without one when their time was over.
    pub late: Counter,
    /// Without one, because their client left.
    pub left: Counter,
    /// Unavailable away at once, since it was full.
    pub full: Counter,
    /// How long those who came in were in it.
    pub waits: DurationHistogram,
}

impl Counts {
    /// A request has ended.
    pub fn request_ended(&self, answered: StatusClass, took: Duration) {
        let requests = self.requests.mine();
        requests.responses.one(answered);
        requests.latency.observe(took);
    }

    /// An answer has begun, so long after the end of the request.
    pub fn answer_began(&self, waited: Duration) {
        self.requests.mine().first_byte.observe(waited);
    }

    /// A failed attempt is followed by another.
    pub fn retried(&self, after: Outcome) {
        self.retries[after as usize].one();
    }

    /// Retries by how the attempt before each failed, in the order of [`Outcome::ALL`].
    #[must_use]
    pub fn retries(&self) -> [u64; Outcome::COUNT] {
        self.retries.each_ref().map(Counter::get)
    }

    /// Requests that have ended by what the client was answered, in the order of [`StatusClass::ALL`].
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
