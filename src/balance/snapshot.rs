//! Who is eligible, remembered until that changes.
//!
//! Asking every backend for every request does not do with ten thousand of them. Eligibility
//! changes in two ways: by an event, which the roster counts, and by time, when a cool-down ends.
//! So the answer is kept with the count it was taken at and the first instant at which it
//! may change by itself; while neither has moved on, it is complete.

use std::time::Instant;

use super::{candidates::Candidates, round_robin::Rotation};
use crate::backend::Backend;

/// The eligible backends at one instant, and whose turn it is among them.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) candidates: Candidates,
    pub(super) rotation: Rotation,
    /// Who was eligible then is here.
    pub(super) taken: Instant,
    changes: u64,
    valid_until: Option<Instant>,
}

impl Snapshot {
    /// Of these backends and their weights; members are known by their place among them.
    ///
    /// `changes` is the roster's count, read before this call, so that a change that this call
    /// may have missed makes the snapshot stale. `turn` is what [`Rotation::turn`] was on the
    /// snapshot that this one replaces.
    pub(super) fn take<'a>(
        backends: impl Iterator<Item = (&'a Backend, u64)>,
        changes: u64,
        turn: u64,
        now: Instant,
    ) -> Self {
        let mut valid_until: Option<Instant> = None;
        let mut eligible = vec![];
        for (member, (backend, weight)) in backends.enumerate() {
            if backend.is_eligible(now) {
                eligible.push((member, weight));
            } else if let Some(at) = backend.eligible_at() {
                valid_until = Some(valid_until.map_or(at, |until| until.min(at)));
            }
        }
        let candidates = Candidates::new(eligible);
        let rotation = Rotation::starting_at(turn, candidates.weights());
        Self { candidates, rotation, taken: now, changes, valid_until }
    }

    /// Whether it names everyone who is eligible; the clock is read only where that matters.
    pub(super) fn is_complete(&self, changes: u64, now: impl FnOnce() -> Instant) -> bool {
        self.changes == changes && self.valid_until.is_none_or(|until| now() < until)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        backend::{Policy, Roster},
        config::PoolName,
    };

    const CHECKED: Policy = Policy { rise: 2, fall: 3, checked: true };
    const UNCHECKED: Policy = Policy { rise: 2, fall: 3, checked: false };

    struct Fixture {
        roster: Roster,
        backends: Vec<Arc<Backend>>,
        start: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            let start = crate::clock::now();
            let roster = Roster::new(PoolName::new("web"), start);
            let backends = (1..=3)
                .map(|port| roster.backend(format!("127.0.0.1:{port}").parse().unwrap()))
                .collect();
            Self { roster, backends, start }
        }

        fn take(&self, now: Instant) -> Snapshot {
            let backends = self.backends.iter().map(|backend| (&**backend, 1));
            Snapshot::take(backends, self.roster.changes(), 0, now)
        }
    }

    fn members(snapshot: &Snapshot) -> Vec<usize> {
        (0..snapshot.candidates.len()).map(|p| snapshot.candidates.member(p)).collect()
    }

    fn no_clock() -> Instant {
        panic!("the clock was read without need")
    }

    #[test]
    fn only_the_eligible_are_in_it() {
        let fixture = Fixture::new();
        assert_eq!(members(&fixture.take(fixture.start)), [0, 1, 2]);
        fixture.backends[1].observe(fixture.start, |s| s.refused(&CHECKED, fixture.start));
        assert_eq!(members(&fixture.take(fixture.start)), [0, 2]);
    }

    #[test]
    fn an_event_makes_it_incomplete_and_the_clock_is_not_asked() {
        let fixture = Fixture::new();
        let snapshot = fixture.take(fixture.start);
        assert!(snapshot.is_complete(fixture.roster.changes(), no_clock));
        fixture.backends[1].observe(fixture.start, |s| s.refused(&CHECKED, fixture.start));
        assert!(!snapshot.is_complete(fixture.roster.changes(), no_clock));
        let next = fixture.take(fixture.start);
        assert!(next.is_complete(fixture.roster.changes(), no_clock));
    }

    #[test]
    fn the_first_cool_down_that_ends_makes_it_incomplete() {
        let fixture = Fixture::new();
        let later = fixture.start + Duration::from_millis(300);
        fixture.backends[2].observe(later, |s| s.refused(&UNCHECKED, later));
        fixture.backends[0].observe(fixture.start, |s| s.refused(&UNCHECKED, fixture.start));
        let snapshot = fixture.take(later);
        assert_eq!(members(&snapshot), [1]);

        let until = fixture.backends[0].eligible_at().unwrap();
        let changes = fixture.roster.changes();
        assert!(snapshot.is_complete(changes, || until - Duration::from_millis(1)));
        assert!(!snapshot.is_complete(changes, || until));
        assert_eq!(members(&fixture.take(until)), [0, 1]);
    }
}
