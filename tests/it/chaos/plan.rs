//! Which backend plays which fault, and when: a value made from a seed, so that the same seed plays
//! the same faults.
//!
//! At each instant one backend is *the one that is spared*: it has been well for long enough to pass
//! its checks, and stays well for long enough that requests that count on it end. In a *storm* all others
//! fail requests at once and pass their checks. The one that is spared has often been ejected before,
//! and a request must find it all the same.

use std::time::Duration;

use fastrand::Rng;

/// Backends of each pool.
pub(super) const BACKENDS: usize = 5;
/// The one that is a process of its own.
pub(super) const PROCESS: usize = 4;
/// How long a backend that was at fault takes at most until its checks pass.
pub(super) const SETTLE: Duration = Duration::from_millis(1_500);
/// How long a backend that was spared stays well when another one is.
const OVERLAP: Duration = Duration::from_millis(1_500);
/// At the beginning every backend is well for this long.
const CALM: Duration = Duration::from_millis(500);

/// What a backend does to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Its process is killed: connections end, and new ones are refused.
    Killed,
    /// Its process is stopped: the system accepts connections for it.
    Stopped,
    /// It accepts connections and closes them.
    Closes,
    /// It accepts connections and resets them.
    Resets,
    /// It takes requests and says nothing.
    Silent,
    /// It resets the connection instead of an answer.
    ResetsBeforeHeader,
    /// It resets the connection in the header of an answer.
    ResetsInHeader,
    /// It resets the connection in the body of an answer.
    ResetsInBody,
    /// It closes the connection in the body of an answer.
    ClosesInBody,
    /// The header of an answer comes byte by byte, for longer than a request waits.
    DribblesHeader,
    /// The body of an answer comes in small pieces.
    DribblesBody,
    /// It answers 503.
    Unavailable,
    /// It answers 503, and says when to come back.
    RetryAfter,
    /// It answers 502 or 504.
    GatewayError,
    /// It answers what is no HTTP, or no valid answer.
    Garbage,
}

impl Fault {
    /// What a scripted backend can play.
    const SCRIPTED: &'static [Self] = &[
        Self::Killed,
        Self::Closes,
        Self::Resets,
        Self::Silent,
        Self::ResetsBeforeHeader,
        Self::ResetsInHeader,
        Self::ResetsInBody,
        Self::ClosesInBody,
        Self::DribblesHeader,
        Self::DribblesBody,
        Self::Unavailable,
        Self::Unavailable,
        Self::RetryAfter,
        Self::GatewayError,
        Self::Garbage,
    ];
    /// What a process can play, which has a scripted backend behind it.
    const OF_A_PROCESS: &'static [Self] = &[
        Self::Killed,
        Self::Killed,
        Self::Stopped,
        Self::Stopped,
        Self::Unavailable,
        Self::ResetsInBody,
    ];

    /// What a backend plays in a storm: nothing that its checks notice.
    const IN_A_STORM: &'static [Self] =
        &[Self::Unavailable, Self::Unavailable, Self::GatewayError, Self::ResetsBeforeHeader];

    /// Whether the backend does it to a connection, and not to a request: checks meet it, too.
    pub(super) fn is_of_connections(self) -> bool {
        matches!(self, Self::Killed | Self::Stopped | Self::Closes | Self::Resets)
    }

    /// Whether every request is answered well all the same, and nothing speaks against the backend.
    pub(super) fn is_harmless(self) -> bool {
        self == Self::DribblesBody
    }
}

/// A fault that a backend plays for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub backend: usize,
    pub fault: Fault,
    /// Whether the backend passes its checks all the same.
    pub passes_checks: bool,
    /// Since the beginning.
    pub from: Duration,
    pub to: Duration,
}

/// All faults of a run, in the order in which they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub periods: Vec<Period>,
}

impl Plan {
    /// The plan of this seed for a run of this length.
    pub(super) fn of(seed: u64, length: Duration) -> Self {
        let mut rng = Rng::with_seed(seed);
        let spared = spared(&mut rng, length);
        let storms: Vec<_> = spared.iter().filter_map(|it| storm(&mut rng, it, length)).collect();
        let mut periods: Vec<_> = (0..BACKENDS)
            .flat_map(|backend| {
                let own = spared.iter().filter(|spared| spared.backend == backend);
                let own: Vec<_> = own.copied().collect();
                let storms = storms.iter().filter(|storm| storm.spares != backend);
                let mut faults = Faults { backend, now: CALM, periods: vec![] };
                faults.draw(&mut rng, &own, &storms.copied().collect::<Vec<_>>(), length);
                faults.periods
            })
            .collect();
        periods.sort_by_key(|period| (period.from, period.backend));
        Self { periods }
    }
}

/// A backend that has no fault for a while.
#[derive(Debug, Clone, Copy)]
struct Spared {
    backend: usize,
    from: Duration,
    to: Duration,
}

/// One after the other.
fn spared(rng: &mut Rng, length: Duration) -> Vec<Spared> {
    let mut all = vec![];
    let mut backend = rng.usize(..BACKENDS);
    let mut now = Duration::ZERO;
    while now < length {
        let end = now + between(rng, 4_000, 8_000);
        all.push(Spared { backend, from: now.saturating_sub(SETTLE), to: end + OVERLAP });
        backend = (backend + rng.usize(1..BACKENDS)) % BACKENDS;
        now = end;
    }
    all
}

/// All but one fail.
#[derive(Debug, Clone, Copy)]
struct Storm {
    spares: usize,
    from: Duration,
    to: Duration,
}

/// In the midst of the time of one that is spared, where no other is.
fn storm(rng: &mut Rng, spared: &Spared, length: Duration) -> Option<Storm> {
    let begin = spared.from + SETTLE + OVERLAP + between(rng, 0, 1_000);
    let end = (spared.to - OVERLAP).saturating_sub(SETTLE).min(length);
    let to = (begin + between(rng, 1_000, 4_000)).min(end);
    (rng.u8(..3) > 0 && begin < to).then_some(Storm { spares: spared.backend, from: begin, to })
}

/// The faults of one backend, drawn one after the other.
struct Faults {
    backend: usize,
    now: Duration,
    periods: Vec<Period>,
}

impl Faults {
    /// Fills the time, wherever the backend is not spared.
    fn draw(&mut self, rng: &mut Rng, spared: &[Spared], storms: &[Storm], length: Duration) {
        let kinds = if self.backend == PROCESS { Fault::OF_A_PROCESS } else { Fault::SCRIPTED };
        while self.now < length {
            let storm = storms.iter().find(|storm| storm.to > self.now);
            if let Some(storm) = storm.filter(|storm| storm.from <= self.now) {
                let kinds =
                    if self.backend == PROCESS { &[Fault::Unavailable] } else { Fault::IN_A_STORM };
                self.push(kinds[rng.usize(..kinds.len())], true, self.now, storm.to);
                continue;
            }
            let from = self.now + between(rng, 50, 1_200);
            let wanted = from + between(rng, 300, 4_000);
            let fault = kinds[rng.usize(..kinds.len())];
            let passes_checks =
                fault.is_harmless() || !fault.is_of_connections() && rng.u8(..3) > 0;
            if let Some(storm) = storm.filter(|storm| storm.from <= from) {
                self.now = storm.from;
            } else if let Some(spared) = spared.iter().find(|it| it.from <= from && from < it.to) {
                self.now = spared.to;
            } else {
                let begins = spared.iter().map(|it| it.from).filter(|begins| *begins > from);
                let limits = begins.chain(storm.map(|storm| storm.from)).chain([length]);
                let to = limits.min().map_or(wanted, |limit| limit.min(wanted));
                self.push(fault, passes_checks, from, to);
            }
        }
    }

    fn push(&mut self, fault: Fault, passes_checks: bool, from: Duration, to: Duration) {
        if from < to {
            self.periods.push(Period { backend: self.backend, fault, passes_checks, from, to });
        }
        self.now = to.max(from);
    }
}

fn between(rng: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(rng.u64(least..=most))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(60);

    #[test]
    fn the_same_seed_plays_the_same_faults_and_another_one_others() {
        for seed in 0..50 {
            assert_eq!(Plan::of(seed, LENGTH), Plan::of(seed, LENGTH));
            assert_ne!(Plan::of(seed, LENGTH), Plan::of(seed + 1, LENGTH));
        }
    }

    #[test]
    fn at_each_instant_a_backend_is_well_and_has_been_for_long_enough() {
        for seed in 0..200 {
            let plan = Plan::of(seed, LENGTH);
            for tenth in 0..LENGTH.as_millis() / 100 {
                let at = Duration::from_millis(u64::try_from(tenth).unwrap() * 100);
                let is_bad = |backend: usize| {
                    plan.periods.iter().any(|period| {
                        period.backend == backend && period.from <= at && at < period.to + SETTLE
                    })
                };
                assert!((0..BACKENDS).any(|one| !is_bad(one)), "seed {seed}, at {at:?}");
            }
        }
    }

    #[test]
    fn a_backend_has_one_fault_at_a_time_and_all_of_them_end() {
        for seed in 0..200 {
            let plan = Plan::of(seed, LENGTH);
            for backend in 0..BACKENDS {
                let mut last = Duration::ZERO;
                for period in plan.periods.iter().filter(|period| period.backend == backend) {
                    assert!(last <= period.from && period.from < period.to && period.to <= LENGTH);
                    last = period.to;
                }
            }
        }
    }

    #[test]
    fn every_fault_is_played() {
        let plans = (0..20).flat_map(|seed| Plan::of(seed, LENGTH).periods);
        let played: BTreeSet<_> = plans.map(|it| (it.fault, it.backend == PROCESS)).collect();
        let wanted = |kinds: &[Fault], is_process| -> BTreeSet<_> {
            kinds.iter().map(|kind| (*kind, is_process)).collect()
        };
        let of_a_process = wanted(Fault::OF_A_PROCESS, true);
        assert!(Fault::IN_A_STORM.iter().all(|fault| Fault::SCRIPTED.contains(fault)));
        assert_eq!(played, &wanted(Fault::SCRIPTED, false) | &of_a_process);
    }

    #[test]
    fn four_of_five_are_at_fault_now_and_then() {
        let plan = Plan::of(1, LENGTH);
        let at_fault =
            |at: &Duration| plan.periods.iter().filter(|it| it.from <= *at && *at < it.to).count();
        let instants = plan.periods.iter().map(|period| period.from);
        assert_eq!(instants.map(|at| at_fault(&at)).max(), Some(BACKENDS - 1));
    }
}
