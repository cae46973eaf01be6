//! The backends of a pool, event by event, and the properties that must hold after any events.

mod checks;
mod comeback;
mod ejection;
mod enlisting;
mod next_process;
mod panic;
mod probe;
mod recall;
mod refused;
mod retry_after;
mod since;

use std::{
    collections::HashMap,
    net::SocketAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::clock;
use crate::config::{EjectionRules, Percent, PoolName};

const SECOND: Duration = Duration::from_secs(1);
const RULES: EjectionRules = EjectionRules {
    failures: NonZeroU32::new(5).unwrap(),
    base: Duration::from_secs(30),
    max: Duration::from_secs(300),
};
const CHECKED: Policy =
    Policy { rise: 2, fall: 3, checked: true, ejection: Some(RULES), panic_threshold: None };
const UNCHECKED: Policy = Policy { checked: false, ..CHECKED };
const PANICKY: Policy = Policy { panic_threshold: Percent::new(50), ..CHECKED };

/// A pool whose clock the test moves.
struct World {
    roster: Roster,
    backends: Vec<Arc<Backend>>,
    policy: Policy,
    now: Instant,
}

impl World {
    fn new(size: u16, policy: Policy) -> Self {
        let now = clock::now();
        let roster = Roster::new(PoolName::new("web"), Arc::default(), now);
        let backends = (1..=size).map(|port| roster.backend(&address(port))).collect();
        Self { roster, backends, policy, now }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn apply(&self, index: usize, event: Event) -> Vec<BackendChange> {
        let backend = &self.backends[index];
        let mut notices = self.roster.apply(backend, event, &self.policy, self.now);
        if matches!(event, Event::AttemptFailed(AttemptFailure { probe: true, .. })) {
            notices.extend(self.roster.apply(backend, Event::ProbeEnded, &self.policy, self.now));
        }
        let change = |notice| match notice {
            PoolChange::Backend(_, change) => Some(change),
            _ => None,
        };
        notices.into_iter().filter_map(change).collect()
    }

    fn fail(&self, index: usize, cause: EjectionCause) -> Vec<BackendChange> {
        self.apply(index, Event::AttemptFailed(self.failure(cause)))
    }

    /// A failure of an attempt that began in the same instant.
    fn failure(&self, cause: EjectionCause) -> AttemptFailure {
        AttemptFailure::new(cause, self.now)
    }

    fn eject(&self, index: usize) {
        (0..5).for_each(|_| drop(self.fail(index, EjectionCause::Timeout)));
        assert!(!self.is_eligible(index));
    }

    fn answer(&self, index: usize) -> Vec<BackendChange> {
        self.apply(index, Event::Answered { probe: false })
    }

    fn check(&self, index: usize, passes: bool) -> Vec<BackendChange> {
        let failed = Event::CheckFailed { refused: false };
        self.apply(index, if passes { Event::CheckPassed } else { failed })
    }

    fn is_eligible(&self, index: usize) -> bool {
        let backend = &self.backends[index];
        let eligible = backend.is_eligible();
        let reason = backend.eligibility(self.now);
        assert_eq!(eligible, reason.is_eligible(), "the gate and the predicate: {reason:?}");
        eligible
    }

    fn eligible(&self) -> Vec<usize> {
        (0..self.backends.len()).filter(|index| self.is_eligible(*index)).collect()
    }

    /// Claims a backend for a probe, and returns its index.
    fn probe(&self, repeatable: bool) -> Option<usize> {
        let claimed = self.roster.claim_probe(repeatable, |_| true, self.now)?;
        claimed.leave();
        self.backends.iter().position(|backend| Arc::ptr_eq(backend, &claimed))
    }

    fn until(&self, index: usize) -> EjectionEnd {
        match self.backends[index].eligibility(self.now) {
            Eligibility::Ejected { until, .. } => until,
            other => panic!("{other}"),
        }
    }

    fn term(&self, index: usize) -> Duration {
        match self.until(index) {
            EjectionEnd::Probe(at) => at - self.now,
            EjectionEnd::ChecksPass => panic!("until checks pass"),
        }
    }

    fn terms(&self, backend: &Backend) -> BackendSettings {
        let drain =
            backend.eligibility(self.now) == Eligibility::Draining(DrainedBy::Configuration);
        BackendSettings { name: "a:1".into(), drain, max_connections: backend.limit() }
    }

    fn change_of(&self, index: usize, set_limit: Option<usize>, drain: bool) {
        let terms = BackendSettings { name: "a:1".into(), drain, max_connections: set_limit };
        let mut all: HashMap<_, _> = self
            .backends
            .iter()
            .map(|backend| (backend.id().address.clone(), self.terms(backend)))
            .collect();
        all.insert(address(index as u16 + 1), terms);
        self.roster.enlist(&all, &self.policy, self.now);
    }
}

fn address(port: u16) -> Address {
    SocketAddr::from(([127, 0, 0, 1], port)).into()
}

#[test]
fn the_loss_of_the_last_backend_and_the_first_return_are_reported_once() {
    let world = World::new(2, CHECKED);
    let empty = |index: usize, event| {
        let notices = world.roster.apply(&world.backends[index], event, &CHECKED, world.now);
        notices.into_iter().find_map(|notice| match notice {
            PoolChange::Unavailable => Some(true),
            PoolChange::Available => Some(false),
            _ => None,
        })
    };
    let refused = Event::AttemptFailed(world.failure(EjectionCause::Refused));
    assert_eq!(empty(0, refused), None);
    assert_eq!(empty(1, refused), Some(true));
    assert_eq!(empty(1, refused), None);
    assert_eq!(empty(1, Event::CheckPassed), None);
    assert_eq!(empty(1, Event::CheckPassed), Some(false));
}

#[test]
fn a_pool_with_a_probe_due_is_available() {
    let mut world = World::new(2, UNCHECKED);
    let is_unavailable = |world: &World| world.roster.is_unavailable(world.now);
    world.fail(0, EjectionCause::Refused);
    assert!(!is_unavailable(&world));
    world.fail(1, EjectionCause::Refused);
    assert!(is_unavailable(&world));
    world.pass(SECOND);
    assert!(!is_unavailable(&world));
    let probed = world.probe(true).unwrap();
    assert!(!is_unavailable(&world), "the other one is due as well");
    world.probe(true).unwrap();
    assert!(is_unavailable(&world), "both probes are under way");
    world.apply(probed, Event::Answered { probe: true });
    assert!(!is_unavailable(&world));
}

#[test]
fn draining_takes_out_and_gives_back() {
    let world = World::new(2, CHECKED);
    world.change_of(0, None, true);
    assert_eq!(world.eligible(), [1]);
    assert_eq!(
        world.backends[0].eligibility(world.now),
        Eligibility::Draining(DrainedBy::Configuration)
    );
    world.change_of(0, None, false);
    assert_eq!(world.eligible(), [0, 1]);
}

/// One thing that may happen to one backend of a pool.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    Check(bool, bool),
    Fail(EjectionCause, bool),
    Unavailable(u64),
    Answer,
    Complete,
    /// Claim a probe; whether it is answered, fails, or (`None`) is inconclusive.
    Probe(Option<bool>),
    Drain(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let cause = prop_oneof![
        Just(EjectionCause::Refused),
        Just(EjectionCause::ConnectTimeout),
        Just(EjectionCause::Reset),
        Just(EjectionCause::Timeout),
        Just(EjectionCause::Status(503)),
    ];
    prop_oneof![
        3 => (1_u64..40_000).prop_map(Step::Pass),
        3 => any::<(bool, bool)>().prop_map(|(passes, refused)| Step::Check(passes, refused)),
        8 => (cause, any::<bool>()).prop_map(|(cause, midway)| Step::Fail(cause, midway)),
        1 => (1_u64..100).prop_map(Step::Unavailable),
        2 => Just(Step::Answer),
        1 => Just(Step::Complete),
        3 => any::<Option<bool>>().prop_map(Step::Probe),
        1 => any::<bool>().prop_map(Step::Drain),
    ]
}

fn take(world: &mut World, index: usize, step: Step) {
    match step {
        Step::Pass(millis) => world.pass(Duration::from_millis(millis)),
        Step::Check(true, _) => drop(world.apply(index, Event::CheckPassed)),
        Step::Check(false, refused) => drop(world.apply(index, Event::CheckFailed { refused })),
        Step::Fail(cause, midway) => {
            let failed = AttemptFailure { midway, ..world.failure(cause) };
            world.apply(index, Event::AttemptFailed(failed));
        }
        Step::Unavailable(seconds) => {
            let retry_after = Some(Duration::from_secs(seconds));
            let failed =
                AttemptFailure { retry_after, ..world.failure(EjectionCause::Status(503)) };
            world.apply(index, Event::AttemptFailed(failed));
        }
        Step::Answer => drop(world.answer(index)),
        Step::Complete => drop(world.apply(index, Event::Completed)),
        Step::Probe(outcome) => {
            let Some(probed) = world.probe(true) else { return };
            match outcome {
                Some(true) => drop(world.apply(probed, Event::Answered { probe: true })),
                Some(false) => {
                    let failed =
                        AttemptFailure { probe: true, ..world.failure(EjectionCause::Timeout) };
                    world.apply(probed, Event::AttemptFailed(failed));
                }
                None => {}
            }
            world.apply(probed, Event::ProbeEnded);
        }
        Step::Drain(drain) => drop(world.apply(index, Event::Drain(drain))),
    }
}

/// Whether the backend is ejected for a cause that is limited.
fn is_ejected_by_a_guess(world: &World, index: usize) -> bool {
    match world.backends[index].eligibility(world.now) {
        Eligibility::Ejected { cause, .. } | Eligibility::HalfOpen { cause } => {
            cause != EjectionCause::Refused
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn after_any_events_half_of_a_pool_stays_and_one_backend_is_left(
        size in 1_u16..8,
        steps in vec((any::<prop::sample::Index>(), step()), 0..150),
        checked in any::<bool>(),
    ) {
        let mut world = World::new(size, if checked { CHECKED } else { UNCHECKED });
        for (index, step) in steps {
            take(&mut world, index.index(usize::from(size)), step);
            let indexes = 0..usize::from(size);
            let guessed = indexes.clone().filter(|i| is_ejected_by_a_guess(&world, *i)).count();
            prop_assert!(2 * guessed <= usize::from(size), "{guessed} of {size} after {step:?}");
            prop_assert!(
                guessed == 0 || !world.eligible().is_empty(),
                "no backend is left although one could be, after {:?}", step
            );
        }
    }

    #[test]
    fn after_any_events_a_backend_that_works_again_comes_back(
        size in 1_u16..8,
        steps in vec((any::<prop::sample::Index>(), step()), 0..150),
        policy in prop_oneof![Just(CHECKED), Just(UNCHECKED), Just(PANICKY)],
    ) {
        let mut world = World::new(size, policy);
        let checked = policy.checked;
        for (index, step) in steps {
            take(&mut world, index.index(usize::from(size)), step);
        }
        let all = 0..usize::from(size);
        all.clone().for_each(|index| drop(world.apply(index, Event::Drain(false))));
        for _ in 0..size {
            if checked {
                for index in all.clone() {
                    (0..2).for_each(|_| drop(world.check(index, true)));
                }
            } else {
                // A backend that is still unhealthy comes back by its checks.
                all.clone().for_each(|index| drop(world.apply(index, Event::CheckPassed)));
                all.clone().for_each(|index| drop(world.apply(index, Event::CheckPassed)));
            }
            world.pass(RULES.max);
            while let Some(probed) = world.probe(true) {
                world.apply(probed, Event::Answered { probe: true });
                world.apply(probed, Event::ProbeEnded);
            }
        }
        prop_assert_eq!(world.eligible(), all.collect::<Vec<_>>());
    }
}
