//! What a client may cost beside its requests: one budget for all floods.
//!
//! Requests that are answered pay for requests that are cancelled, and a moderate number each second is
//! free. What QUIC limits itself (streams at a time, bytes ahead) needs no budget.

use std::time::Instant;

/// The budget of a new connection, and the most that can be saved up: all requests that may be under way
/// can be cancelled at once.
const FULL: f64 = 2048.0;
/// What each second adds.
const PER_SECOND: f64 = 128.0;
/// What a whole answer adds.
const ANSWER: f64 = 16.0;
/// What a request costs, answered or not.
const REQUEST: f64 = 4.0;

/// What costs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// A request that the client cancels: more than it costs `lb` may have been done for it.
    Cancelled,
    /// A request that breaks the rules, or whose head does not come.
    Malformed,
    /// A request whose fields come too far apart, beside those of too many others.
    Unfinished,
    /// Requests whose client sends or takes too little: they were held for as long as that takes.
    Stalled(u32),
    /// Frames that belong to no request, or pieces of instructions for a table that there is not.
    ControlFrames(u32),
    /// Frames on a request's stream that bring nothing.
    EmptyFrames(u32),
    /// Frames of QUIC that ask for an answer and move nothing.
    Probes(u64),
    /// A stream that belongs to no request.
    UniStream,
}

impl Cost {
    fn units(self) -> f64 {
        match self {
            Self::UniStream => 4.0,
            Self::Cancelled => 8.0,
            Self::Malformed | Self::Unfinished => 48.0,
            Self::Stalled(requests) => 192.0 * f64::from(requests),
            Self::ControlFrames(count) | Self::EmptyFrames(count) => 4.0 * f64::from(count),
            // As a PING in HTTP/2: each is acknowledged.
            Self::Probes(count) => 4.0 * count as f64,
        }
    }
}

/// The budget of one connection.
#[derive(Debug)]
pub(super) struct Budget {
    left: f64,
    since: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: FULL, since: now }
    }

    /// Pays for something. Returns whether there was enough.
    pub(super) fn pay(&mut self, cost: Cost, now: impl FnOnce() -> Instant) -> bool {
        self.left -= cost.units();
        if self.left < 0.0 {
            let now = now();
            let added = now.saturating_duration_since(self.since).as_secs_f64() * PER_SECOND;
            self.left = (self.left + added).min(FULL);
            self.since = now;
        }
        self.left >= 0.0
    }

    /// A request has come. It alone is no reason to cut a connection: what becomes of it may be.
    pub(super) fn asked(&mut self) {
        self.left = (self.left - REQUEST).max(0.0);
    }

    /// A request was answered.
    pub(super) fn answered(&mut self) {
        self.left = (self.left + ANSWER).min(FULL);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn answers_pay_for_requests_and_for_some_that_are_cancelled() {
        let now = clock::now();
        let mut budget = Budget::new(now);
        for _ in 0..100_000 {
            budget.asked();
            assert!(budget.pay(Cost::Cancelled, || now));
            budget.answered();
        }
    }

    #[test]
    fn probes_are_free_up_to_thirty_a_second() {
        let now = clock::now();
        let lasts = |a_second: u64| {
            let mut budget = Budget::new(now);
            // They are counted every two seconds.
            let pay = |twos: &u64| {
                let at = now + Duration::from_secs(2 * twos);
                budget.pay(Cost::Probes(2 * a_second), || at)
            };
            (1..1000).take_while(pay).count()
        };
        assert_eq!((lasts(30), lasts(200), lasts(300)), (999, 1, 0));
    }

    #[test]
    fn a_client_that_only_cancels_has_spent_its_budget_soon() {
        let now = clock::now();
        let mut budget = Budget::new(now);
        let cancels = |budget: &mut Budget, now| {
            budget.asked();
            budget.pay(Cost::Cancelled, || now)
        };
        let most = (0..).take_while(|_| cancels(&mut budget, now)).count();
        assert!((128..300).contains(&most), "all at once, and not many more: {most}");
        // Ten a second are free for ever.
        let mut budget = Budget::new(now);
        let at = |step: u64| now + Duration::from_millis(100 * step);
        assert!((0..10_000).all(|step| cancels(&mut budget, at(step))));
    }
}
