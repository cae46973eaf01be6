//! The backends in service, kept until they change.
//!
//! With ten thousand backends, asking each of them for every request would cost too much. The
//! result changes in two ways: by an event, which the roster counts, and by time, when the share of
//! a returned backend grows. So a snapshot is kept with the roster's count and the first instant at
//! which a share grows; while neither has passed, it is complete.
//!
//! Backends are in tiers. A request gets a backend of the second tier only if none of the first is
//! left for it.

use std::time::{Duration, Instant};

use super::{
    candidates::Candidates,
    round_robin::Rotation,
    slow_start::{FULL, Share},
};
use crate::backend::Backend;

/// The number of tiers: primaries and backups.
pub(super) const TIERS: usize = 2;

/// The most snapshots that growing shares may cost during one slow start, however many shares grow:
/// two for each step of a share.
const RENEWALS: u32 = 2 * FULL as u32;

/// The backends in service at one instant, and their turns.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) tiers: [Tier; TIERS],
    changes: u64,
    valid_until: Option<Instant>,
}

/// Backends among which the algorithm alone decides.
#[derive(Debug, Clone)]
pub(super) struct Tier {
    pub(super) candidates: Candidates,
    pub(super) rotation: Rotation,
}

impl Snapshot {
    /// Takes a snapshot of the backends of each tier, given as the caller's index, the backend, and
    /// its weight.
    ///
    /// `changes` is the roster's count, read before this call, so that a change that this call may
    /// have missed makes the snapshot stale. `turns` is the result of [`Snapshot::turns`] of the
    /// snapshot that this one replaces.
    pub(super) fn take<'a>(
        tiers: [impl Iterator<Item = (usize, &'a Backend, u64)>; TIERS],
        slow_start: Duration,
        changes: u64,
        turns: [u64; TIERS],
        now: Instant,
    ) -> Self {
        let mut valid_until: Option<Instant> = None;
        let mut turns = turns.into_iter();
        let tiers = tiers.map(|backends| {
            let mut shares = vec![];
            for (member, backend, weight) in backends {
                if backend.is_open() {
                    let share = Share::of(backend.serving_since(), slow_start, now);
                    shares.push((member, weight, share));
                    valid_until = [valid_until, share.until].into_iter().flatten().min();
                }
            }
            Tier::of(&shares, turns.next().unwrap_or_default())
        });
        let valid_until = valid_until.map(|until| until.max(now + slow_start / RENEWALS));
        Self { tiers, changes, valid_until }
    }

    /// Whether it has every backend in service; the clock is read only if a share grows.
    pub(super) fn is_complete(&self, changes: u64, now: impl FnOnce() -> Instant) -> bool {
        self.changes == changes && self.valid_until.is_none_or(|until| now() < until)
    }

    /// The number of turns that were taken in each tier.
    pub(super) fn turns(&self) -> [u64; TIERS] {
        self.tiers.each_ref().map(|tier| tier.rotation.turn())
    }

    /// The members in it, primaries first.
    pub(super) fn members(&self) -> impl Iterator<Item = usize> {
        self.tiers.iter().flat_map(|tier| tier.candidates.members())
    }
}

impl Tier {
    /// While all backends have their full share, which is nearly always, the plain weights are
    /// used: a cycle of weights multiplied by parts would be longer, and a start in its middle
    /// would cost more.
    fn of(shares: &[(usize, u64, Share)], turn: u64) -> Self {
        let is_whole = shares.iter().all(|(.., share)| share.parts == FULL);
        let weighed = shares.iter().map(|(member, weight, share)| {
            (*member, if is_whole { *weight } else { weight * share.parts })
        });
        let candidates = Candidates::new(weighed);
        let rotation = Rotation::starting_at(turn, candidates.weights());
        Self { candidates, rotation }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        backend::{AttemptFailure, EjectionCause, Event, Policy, Roster},
        config::PoolName,
    };

    const POLICY: Policy =
        Policy { rise: 1, fall: 3, checked: true, ejection: None, panic_threshold: None };

    struct Fixture {
        roster: Roster,
        backends: Vec<Arc<Backend>>,
        start: Instant,
        slow_start: Duration,
    }

    impl Fixture {
        fn new() -> Self {
            Self::many(3)
        }

        fn many(count: u16) -> Self {
            let start = crate::clock::now();
            let roster = Roster::new(PoolName::new("web"), Arc::default(), start);
            let backends = (1..=count)
                .map(|port| roster.backend(&format!("127.0.0.1:{port}").parse().unwrap()))
                .collect();
            Self { roster, backends, start, slow_start: Duration::ZERO }
        }

        fn apply(&self, index: usize, event: Event, now: Instant) {
            self.roster.apply(&self.backends[index], event, &POLICY, now);
        }

        fn eject(&self, index: usize, now: Instant) {
            self.apply(
                index,
                Event::AttemptFailed(AttemptFailure::new(EjectionCause::Refused, now)),
                now,
            );
        }

        fn take(&self, now: Instant) -> Snapshot {
            // The last one is a backup.
            let last = self.backends.len() - 1;
            let tiers = [0..last, last..last + 1]
                .map(|members| members.map(|member| (member, &*self.backends[member], 3)));
            Snapshot::take(tiers, self.slow_start, self.roster.changes(), [0; TIERS], now)
        }
    }

    fn members(snapshot: &Snapshot) -> Vec<usize> {
        snapshot.members().collect()
    }

    fn weights(snapshot: &Snapshot) -> [Vec<u64>; TIERS] {
        snapshot.tiers.each_ref().map(|tier| tier.candidates.weights().collect())
    }

    fn no_clock() -> Instant {
        panic!("the clock was read without need")
    }

    #[test]
    fn only_the_eligible_are_in_it() {
        let fixture = Fixture::new();
        assert_eq!(members(&fixture.take(fixture.start)), [0, 1, 2]);
        fixture.eject(1, fixture.start);
        assert_eq!(members(&fixture.take(fixture.start)), [0, 2]);
    }

    #[test]
    fn an_event_makes_it_incomplete_and_the_clock_is_not_asked() {
        let fixture = Fixture::new();
        let snapshot = fixture.take(fixture.start);
        assert!(snapshot.is_complete(fixture.roster.changes(), no_clock));
        fixture.eject(1, fixture.start);
        assert!(!snapshot.is_complete(fixture.roster.changes(), no_clock));
        let next = fixture.take(fixture.start);
        assert!(next.is_complete(fixture.roster.changes(), no_clock));
    }

    #[test]
    fn each_tier_has_its_own() {
        let snapshot = Fixture::new().take(crate::clock::now());
        let members = snapshot.tiers.each_ref().map(|t| t.candidates.members().collect::<Vec<_>>());
        assert_eq!(members, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn each_step_of_a_slow_start_makes_it_incomplete() {
        let slow_start = Duration::from_secs(20);
        let fixture = Fixture { slow_start, ..Fixture::new() };
        let start = fixture.start + Duration::from_secs(1);
        fixture.eject(1, start);
        fixture.apply(1, Event::CheckPassed, start);
        let changes = fixture.roster.changes();
        // A part takes a second here, and the least share is two parts.
        for (second, parts) in [(0, 2), (3, 3), (4, 4), (19, 19)] {
            let second = start + Duration::from_secs(second);
            let snapshot = fixture.take(second);
            assert_eq!(weights(&snapshot), [vec![60, 3 * parts], vec![3]]);
            let until = start + Duration::from_secs(parts + 1);
            assert!(snapshot.is_complete(changes, || until - Duration::from_millis(1)));
            assert!(!snapshot.is_complete(changes, || until));
        }
        let whole = fixture.take(start + slow_start);
        assert_eq!(weights(&whole), [vec![3, 3], vec![3]]);
        assert!(whole.is_complete(changes, no_clock));
    }

    #[test]
    fn many_shares_that_grow_cost_no_more_snapshots_than_one() {
        let slow_start = Duration::from_secs(20);
        let fixture = Fixture { slow_start, ..Fixture::many(500) };
        // They come back one after the other, over one step of a share.
        let returns = |index: usize| fixture.start + Duration::from_millis(2 * index as u64);
        for index in 0..fixture.backends.len() {
            fixture.eject(index, fixture.start);
            fixture.apply(index, Event::CheckPassed, returns(index));
        }
        let mut now = returns(fixture.backends.len());
        let mut snapshots = 0;
        while let Some(until) = fixture.take(now).valid_until {
            now = until;
            snapshots += 1;
        }
        assert!(snapshots <= RENEWALS, "{snapshots}");
        assert!(now >= fixture.start + slow_start);
    }
}
