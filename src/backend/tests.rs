//! What befalls the backends of a pool, event by event, and what must hold whatever happens.

use std::{
    collections::HashMap,
    net::SocketAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::*;
use crate::clock;
use crate::config::{EjectionRules, Percent};

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

/// A pool whose time is what the test says.
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
        let backends = (1..=size).map(|port| roster.backend(address(port))).collect();
        Self { roster, backends, policy, now }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn apply(&self, index: usize, event: Event) -> Vec<Change> {
        let notices = self.roster.apply(&self.backends[index], event, &self.policy, self.now);
        let change = |notice| match notice {
            Notice::Backend(_, change) => Some(change),
            Notice::Panic { .. } | Notice::Empty(_) => None,
        };
        notices.into_iter().filter_map(change).collect()
    }

    fn fail(&self, index: usize, cause: Cause) -> Vec<Change> {
        self.apply(index, Event::Failed(self.failure(cause)))
    }

    /// One that began when it failed.
    fn failure(&self, cause: Cause) -> Failed {
        Failed::new(cause, self.now)
    }

    fn eject(&self, index: usize) {
        (0..5).for_each(|_| drop(self.fail(index, Cause::Timeout)));
        assert!(!self.is_eligible(index));
    }

    fn answer(&self, index: usize) -> Vec<Change> {
        self.apply(index, Event::Answered { probe: false })
    }

    fn check(&self, index: usize, passes: bool) -> Vec<Change> {
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

    /// Who is claimed for a probe now.
    fn probe(&self, repeatable: bool) -> Option<usize> {
        let claimed = self.roster.claim_probe(repeatable, |_| true, self.now)?;
        claimed.leave();
        self.backends.iter().position(|backend| Arc::ptr_eq(backend, &claimed))
    }

    fn until(&self, index: usize) -> Until {
        match self.backends[index].eligibility(self.now) {
            Eligibility::Ejected { until, .. } => until,
            other => panic!("{other}"),
        }
    }

    fn term(&self, index: usize) -> Duration {
        match self.until(index) {
            Until::Probe(at) => at - self.now,
            Until::ChecksPass => panic!("until checks pass"),
        }
    }

    fn terms(&self, backend: &Backend) -> Terms {
        let drain = backend.eligibility(self.now) == Eligibility::Draining(Says::Configuration);
        Terms { drain, max_connections: backend.limit() }
    }

    fn change_of(&self, index: usize, set_limit: Option<usize>, drain: bool) {
        let terms = Terms { drain, max_connections: set_limit };
        let mut all: HashMap<_, _> = self
            .backends
            .iter()
            .map(|backend| (backend.id().address, self.terms(backend)))
            .collect();
        all.insert(address(index as u16 + 1), terms);
        self.roster.enlist(&all, &self.policy, self.now);
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

mod checks {
    use super::*;

    #[test]
    fn a_backend_never_checked_is_used() {
        assert_eq!(World::new(1, CHECKED).eligible(), [0]);
    }

    #[test]
    fn the_first_check_decides() {
        let world = World::new(1, CHECKED);
        assert_eq!(world.check(0, false), [Change::BecameUnhealthy(1)]);
        assert!(!world.is_eligible(0));
        let world = World::new(1, CHECKED);
        assert_eq!(world.check(0, true), []);
        assert!(world.is_eligible(0));
    }

    #[test]
    fn who_comes_up_for_the_first_time_needs_one_pass() {
        let world = World::new(1, CHECKED);
        world.check(0, false);
        world.check(0, false);
        assert_eq!(world.check(0, true), [Change::BecameHealthy(1)]);
        assert!(world.is_eligible(0));
    }

    #[test]
    fn falls_after_fall_failures_in_a_row() {
        let world = World::new(1, CHECKED);
        for passes in [true, false, false, true, false, false] {
            assert_eq!(world.check(0, passes), []);
        }
        assert!(world.is_eligible(0));
        assert_eq!(world.check(0, false), [Change::BecameUnhealthy(3)]);
        assert_eq!(world.check(0, false), [], "a change is reported once");
        assert!(!world.is_eligible(0));
    }

    #[test]
    fn rises_after_rise_passes_in_a_row() {
        let world = World::new(1, CHECKED);
        world.check(0, true);
        (0..3).for_each(|_| drop(world.check(0, false)));
        for passes in [true, false, true] {
            assert_eq!(world.check(0, passes), []);
        }
        assert_eq!(world.check(0, true), [Change::BecameHealthy(2)]);
        assert!(world.is_eligible(0));
    }
}

mod enlisting {
    use super::*;

    fn enlist(world: &World, ports: &[u16], policy: &Policy) {
        let terms = Terms { drain: false, max_connections: None };
        let terms = ports.iter().map(|port| (address(*port), terms)).collect();
        world.roster.enlist(&terms, policy, world.now);
    }

    #[test]
    fn who_stays_keeps_what_is_known_of_it() {
        let world = World::new(3, CHECKED);
        world.fail(0, Cause::Refused);
        enlist(&world, &[1, 2, 7], &CHECKED);
        assert_eq!(world.eligible(), [1, 2]);
        assert!(Arc::ptr_eq(&world.roster.backend(address(1)), &world.backends[0]));
    }

    #[test]
    fn who_is_removed_does_not_count_any_more_whatever_befalls_it() {
        let world = World::new(4, CHECKED);
        enlist(&world, &[1, 2], &CHECKED);
        (0..9).for_each(|_| assert!(world.fail(3, Cause::Timeout).is_empty()));
        assert!(world.fail(2, Cause::Refused).is_empty());
        world.eject(0);
        (0..9).for_each(|_| assert!(world.fail(1, Cause::Timeout).is_empty(), "half of two"));
        assert_eq!(world.eligible(), [1, 2, 3]);
    }

    #[test]
    fn who_returns_is_a_new_one() {
        let world = World::new(2, CHECKED);
        world.fail(1, Cause::Refused);
        enlist(&world, &[1], &CHECKED);
        enlist(&world, &[1, 2], &CHECKED);
        assert!(world.roster.backend(address(2)).is_eligible());
    }

    #[test]
    fn without_checks_their_word_is_void_and_who_refused_is_probed() {
        let world = World::new(3, CHECKED);
        world.check(0, false);
        world.fail(1, Cause::Refused);
        assert_eq!(world.eligible(), [2]);
        enlist(&world, &[1, 2, 3], &UNCHECKED);
        assert_eq!(world.eligible(), [0, 2]);
        assert_eq!(world.probe(true), Some(1));
    }
}

mod refused {
    use super::*;

    #[test]
    fn ejects_at_once_until_rise_checks_have_passed_since() {
        let mut world = World::new(1, CHECKED);
        (0..2).for_each(|_| drop(world.check(0, true)));
        let ejected = Change::Ejected(Cause::Refused, Until::ChecksPass, 1);
        assert_eq!(world.fail(0, Cause::Refused), [ejected]);
        assert_eq!(world.fail(0, Cause::Refused), [], "one ejection at a time");
        world.pass(3600 * SECOND);
        assert!(!world.is_eligible(0));
        assert_eq!(world.probe(true), None, "checks are asked, not requests");
        assert_eq!(world.check(0, true), [], "passes from before do not count");
        let readmitted = Change::Readmitted(Readmission::ChecksPassed(2));
        assert_eq!(world.check(0, true), [readmitted]);
        assert!(world.is_eligible(0));
    }

    #[test]
    fn takes_out_all_of_them_if_all_refuse() {
        let world = World::new(3, CHECKED);
        (0..3).for_each(|index| drop(world.fail(index, Cause::Refused)));
        assert!(world.eligible().is_empty());
    }

    #[test]
    fn before_the_first_check_ends_with_rise_passes_too() {
        let world = World::new(1, CHECKED);
        world.fail(0, Cause::Refused);
        assert_eq!(world.check(0, true), []);
        assert!(!world.is_eligible(0));
        assert_eq!(world.check(0, true).len(), 1);
        assert!(world.is_eligible(0));
    }

    #[test]
    fn unhealthy_and_ejected_end_together() {
        let world = World::new(1, CHECKED);
        world.check(0, true);
        world.fail(0, Cause::Refused);
        (0..3).for_each(|_| drop(world.check(0, false)));
        world.check(0, true);
        assert_eq!(world.check(0, true), [Change::BecameHealthy(2)]);
        assert!(world.is_eligible(0));
    }

    #[test]
    fn with_checks_off_probes_come_after_a_second_to_a_minute() {
        let mut world = World::new(1, UNCHECKED);
        world.fail(0, Cause::Refused);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(world.term(0), seconds * SECOND);
            assert_eq!(world.probe(true), None);
            world.pass(seconds * SECOND);
            assert_eq!(world.probe(true), Some(0));
            let refused = Failed { probe: true, ..world.failure(Cause::Refused) };
            assert_eq!(world.apply(0, Event::Failed(refused)).len(), 1);
        }
    }
}

mod ejection {
    use super::*;

    const CAUSES: [Cause; 6] = [
        Cause::ConnectTimeout,
        Cause::ConnectFailure,
        Cause::Reset,
        Cause::Timeout,
        Cause::Status(502),
        Cause::Status(503),
    ];

    #[test]
    fn follows_five_failures_in_a_row_of_whatever_cause() {
        let world = World::new(2, CHECKED);
        for cause in [Cause::Reset, Cause::Timeout, Cause::Status(503), Cause::ConnectTimeout] {
            assert_eq!(world.fail(0, cause), []);
        }
        let until = Until::Probe(world.now + RULES.base);
        let ejected = Change::Ejected(Cause::Status(502), until, 5);
        assert_eq!(world.fail(0, Cause::Status(502)), [ejected]);
        assert_eq!(world.eligible(), [1]);
    }

    #[test]
    fn an_answer_in_between_starts_the_row_anew() {
        let world = World::new(2, CHECKED);
        (0..4).for_each(|_| drop(world.fail(0, Cause::Reset)));
        assert!(world.backends[0].is_suspect());
        world.answer(0);
        assert!(!world.backends[0].is_suspect());
        (0..4).for_each(|_| drop(world.fail(0, Cause::Reset)));
        assert!(world.is_eligible(0));
    }

    #[test]
    fn two_are_enough_when_for_a_second_it_has_shown_nothing_else() {
        for cause in CAUSES {
            let mut world = World::new(2, CHECKED);
            assert_eq!(world.fail(0, cause), []);
            world.pass(SECOND);
            assert_eq!(world.fail(0, cause).len(), 1, "{cause}");
        }
    }

    #[test]
    fn an_attempt_that_hung_for_a_second_counts_from_its_beginning() {
        let mut world = World::new(2, CHECKED);
        let since = world.now;
        world.pass(SECOND);
        let hung = Failed { since, ..world.failure(Cause::Timeout) };
        assert_eq!(world.apply(0, Event::Failed(hung)), [], "one may be the request's fault");
        assert_eq!(world.apply(0, Event::Failed(hung)).len(), 1);
    }

    #[test]
    fn a_sign_of_life_to_another_request_is_something_else() {
        let mut world = World::new(2, CHECKED);
        let began = world.now;
        world.pass(SECOND);
        world.backends[0].note_answer(world.now);
        let since = world.backends[0].since_answer(began);
        assert_eq!(since, world.now);
        let hung = Failed { since, ..world.failure(Cause::Timeout) };
        assert_eq!(world.apply(0, Event::Failed(hung)), []);
        assert_eq!(world.apply(0, Event::Failed(hung)), []);
    }

    #[test]
    fn five_answers_in_a_row_that_break_off_eject_although_each_began_well() {
        let world = World::new(2, CHECKED);
        let break_off = || {
            world.answer(0);
            world.apply(0, Event::Failed(Failed { midway: true, ..world.failure(Cause::Reset) }))
        };
        (0..4).for_each(|_| assert_eq!(break_off(), []));
        world.apply(0, Event::Completed);
        (0..4).for_each(|_| assert_eq!(break_off(), []));
        assert_eq!(break_off().len(), 1);
    }

    #[test]
    fn switched_off_leaves_only_refused_connections() {
        let world = World::new(2, Policy { ejection: None, ..CHECKED });
        (0..50).for_each(|_| assert_eq!(world.fail(0, Cause::Timeout), []));
        assert_eq!(world.fail(0, Cause::Refused).len(), 1);
    }

    #[test]
    fn takes_out_half_of_a_pool_at_most() {
        for (size, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
            let world = World::new(size, CHECKED);
            for index in 0..usize::from(size) {
                (0..9).for_each(|_| drop(world.fail(index, Cause::Timeout)));
            }
            assert_eq!(usize::from(size) - world.eligible().len(), most, "of {size}");
        }
    }

    #[test]
    fn never_takes_out_the_last_one() {
        let world = World::new(3, CHECKED);
        world.fail(1, Cause::Refused);
        world.fail(2, Cause::Refused);
        (0..9).for_each(|_| assert_eq!(world.fail(0, Cause::Timeout), []));
        assert_eq!(world.eligible(), [0]);
    }

    #[test]
    fn ends_when_nobody_else_is_left() {
        let world = World::new(2, CHECKED);
        world.eject(0);
        let changes = world.fail(1, Cause::Refused);
        assert_eq!(changes[1..], [Change::Readmitted(Readmission::NobodyLeft)]);
        assert_eq!(world.eligible(), [0]);
    }

    #[test]
    fn lasts_as_often_thirty_seconds_as_it_follows_another_and_no_longer_than_300() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        for terms in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10] {
            assert_eq!(world.term(0), terms * RULES.base);
            world.pass(terms * RULES.base);
            assert_eq!(world.probe(true), Some(0));
            let failed = Failed { probe: true, ..world.failure(Cause::Timeout) };
            assert_eq!(
                world.apply(0, Event::Failed(failed)).len(),
                1,
                "one failed probe is enough"
            );
        }
    }

    #[test]
    fn who_has_served_for_as_long_as_it_was_out_starts_anew() {
        let mut world = World::new(2, CHECKED);
        for (served, terms) in [(0, 1), (29, 2), (60, 1), (29, 2), (59, 3)] {
            world.pass(served * SECOND);
            world.eject(0);
            assert_eq!(world.term(0), terms * RULES.base, "after {served} s");
            world.pass(terms * RULES.base);
            world.probe(true);
            world.apply(0, Event::Answered { probe: true });
        }
    }

    #[test]
    fn long_ago_is_forgotten_also_when_it_has_refused_since() {
        let mut world = World::new(2, CHECKED);
        for _ in 0..5 {
            world.eject(0);
            let term = world.term(0);
            world.pass(term);
            world.probe(true);
            world.apply(0, Event::Answered { probe: true });
        }
        world.pass(24 * 3600 * SECOND);
        world.fail(0, Cause::Refused);
        (0..2).for_each(|_| drop(world.check(0, true)));
        world.pass(10 * SECOND);
        world.eject(0);
        assert_eq!(world.term(0), RULES.base);
    }

    #[test]
    fn its_jitter_shortens_it_by_a_tenth_at_most() {
        for (draw, millis) in [(0.0, 30_000), (0.5, 28_500), (1.0, 27_000)] {
            let world = World::new(2, CHECKED);
            let failed = Failed { draw, ..world.failure(Cause::Reset) };
            (0..5).for_each(|_| drop(world.apply(0, Event::Failed(failed))));
            assert_eq!(world.term(0), Duration::from_millis(millis));
        }
    }

    #[test]
    fn passed_checks_do_not_shorten_it() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        (0..100).for_each(|_| assert_eq!(world.check(0, true), []));
        world.pass(RULES.base);
        (0..100).for_each(|_| assert_eq!(world.check(0, true), []));
        assert!(!world.is_eligible(0));
        assert_eq!(
            world.backends[0].eligibility(world.now),
            Eligibility::HalfOpen { cause: Cause::Timeout }
        );
    }

    #[test]
    fn becomes_one_for_refusing_when_a_check_finds_nobody_listening() {
        let world = World::new(2, CHECKED);
        world.check(0, true);
        world.eject(0);
        let ejected = Change::Ejected(Cause::Refused, Until::ChecksPass, 1);
        assert_eq!(world.apply(0, Event::CheckFailed { refused: true }), [ejected]);
        assert_eq!(world.check(0, true), []);
        assert!(!world.is_eligible(0));
        assert_eq!(world.check(0, true).len(), 1);
        assert!(world.is_eligible(0));
    }

    #[test]
    fn late_answers_to_others_do_not_end_it() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        assert_eq!(world.answer(0), []);
        world.pass(RULES.base);
        assert_eq!(world.probe(true), Some(0));
        assert_eq!(world.answer(0), []);
        assert!(!world.is_eligible(0));
    }
}

mod retry_after {
    use super::*;

    fn unavailable(world: &World, seconds: u64) -> Vec<Change> {
        let retry_after = Some(Duration::from_secs(seconds));
        let failed = Failed { retry_after, draw: 1.0, ..world.failure(Cause::Status(503)) };
        world.apply(0, Event::Failed(failed))
    }

    #[test]
    fn ejects_for_that_long_on_the_second_503_in_a_row() {
        let world = World::new(2, CHECKED);
        assert_eq!(unavailable(&world, 7), []);
        let until = Until::Probe(world.now + 7 * SECOND);
        assert_eq!(unavailable(&world, 7), [Change::Ejected(Cause::RetryAfter, until, 2)]);
    }

    #[test]
    fn is_obeyed_for_thirty_seconds_at_most() {
        let world = World::new(2, CHECKED);
        unavailable(&world, 3600);
        unavailable(&world, 3600);
        assert_eq!(world.term(0), 30 * SECOND);
    }

    #[test]
    fn is_obeyed_by_the_next_probe_too_and_leaves_the_count_alone() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        world.pass(RULES.base);
        world.probe(true);
        let retry_after = Some(7 * SECOND);
        let failed = Failed { probe: true, retry_after, ..world.failure(Cause::Status(503)) };
        world.apply(0, Event::Failed(failed));
        assert_eq!(world.term(0), 7 * SECOND);
    }

    #[test]
    fn needs_two_503_in_a_row() {
        let world = World::new(2, CHECKED);
        unavailable(&world, 7);
        world.answer(0);
        assert_eq!(unavailable(&world, 7), []);
        world.fail(0, Cause::Status(502));
        assert_eq!(unavailable(&world, 7), []);
    }

    #[test]
    fn keeps_to_the_same_caps() {
        let world = World::new(1, CHECKED);
        (0..9).for_each(|_| assert_eq!(unavailable(&world, 7), []));
    }
}

mod probe {
    use super::*;

    #[test]
    fn is_one_at_a_time_and_readmits_when_answered() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        world.pass(RULES.base - SECOND);
        assert_eq!(world.probe(true), None);
        world.pass(SECOND);
        assert_eq!(world.probe(true), Some(0));
        assert_eq!(world.probe(true), None);
        let readmitted = Change::Readmitted(Readmission::Probe);
        assert_eq!(world.apply(0, Event::Answered { probe: true }), [readmitted]);
        assert!(world.is_eligible(0));
    }

    #[test]
    fn that_showed_nothing_is_followed_by_another_later() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        world.pass(RULES.base);
        for seconds in [1, 2, 4] {
            assert_eq!(world.probe(true), Some(0));
            assert_eq!(world.apply(0, Event::ProbeEnded), []);
            assert_eq!(world.probe(true), None, "it has cost a client");
            world.pass(seconds * SECOND);
        }
        assert_eq!(world.probe(true), Some(0));
    }

    #[test]
    fn is_a_request_that_can_be_repeated_or_after_a_while_any() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        world.pass(RULES.base);
        assert_eq!(world.probe(false), None);
        world.pass(29 * SECOND);
        assert_eq!(world.probe(false), None);
        world.pass(SECOND);
        assert_eq!(world.probe(false), Some(0));
    }

    #[test]
    fn of_who_refused_is_any_request_as_it_cannot_be_lost_there() {
        let mut world = World::new(2, UNCHECKED);
        world.fail(0, Cause::Refused);
        assert_eq!(world.probe(false), None);
        world.pass(SECOND);
        assert_eq!(world.probe(false), Some(0));
    }

    #[test]
    fn is_not_sent_to_who_is_out_for_another_reason() {
        let mut world = World::new(4, CHECKED);
        world.eject(0);
        world.eject(1);
        world.pass(RULES.base);
        (0..3).for_each(|_| drop(world.check(0, false)));
        world.change_of(1, None, true);
        assert_eq!(world.probe(true), None);
        (0..2).for_each(|_| drop(world.check(0, true)));
        assert_eq!(world.probe(true), Some(0));
        world.change_of(1, None, false);
        assert_eq!(world.probe(true), Some(1));
    }

    #[test]
    fn does_not_go_where_it_is_not_wanted_or_has_no_place() {
        let mut world = World::new(2, CHECKED);
        world.eject(0);
        world.pass(RULES.base);
        assert!(world.roster.claim_probe(true, |_| false, world.now).is_none());
        world.change_of(0, Some(1), false);
        assert!(world.backends[0].try_enter());
        assert_eq!(world.probe(true), None);
        world.backends[0].leave();
        assert_eq!(world.probe(true), Some(0));
    }
}

mod comeback {
    use super::*;

    #[test]
    fn forgets_how_fast_it_was() {
        let mut world = World::new(2, CHECKED);
        world.backends[0].latency().observe(SECOND, world.now);
        world.eject(0);
        world.pass(RULES.base);
        assert_eq!(world.probe(true), Some(0));
        assert!(world.backends[0].latency().is_measured());
        world.apply(0, Event::Answered { probe: true });
        assert!(world.is_eligible(0) && !world.backends[0].latency().is_measured());
    }

    #[test]
    fn is_marked_for_slow_start_but_not_the_beginning() {
        let mut world = World::new(3, CHECKED);
        (0..3).for_each(|index| drop(world.check(index, true)));
        assert!(world.backends.iter().all(|backend| backend.serving_since().is_none()));
        world.fail(0, Cause::Refused);
        world.pass(SECOND);
        (0..2).for_each(|_| drop(world.check(0, true)));
        assert_eq!(world.backends[0].serving_since(), Some(world.now));
        (0..3).for_each(|_| drop(world.check(1, false)));
        world.pass(SECOND);
        (0..2).for_each(|_| drop(world.check(1, true)));
        assert_eq!(world.backends[1].serving_since(), Some(world.now));
        world.eject(2);
        world.pass(RULES.base);
        world.probe(true);
        world.apply(2, Event::Answered { probe: true });
        assert_eq!(world.backends[2].serving_since(), Some(world.now));
    }

    #[test]
    fn and_going_are_counted_as_changes_and_nothing_else_is() {
        let world = World::new(2, CHECKED);
        world.fail(0, Cause::Timeout);
        world.answer(0);
        world.check(0, true);
        assert_eq!(world.roster.changes(), 0);
        world.fail(0, Cause::Refused);
        assert_eq!(world.roster.changes(), 1);
        world.fail(0, Cause::Refused);
        assert_eq!(world.roster.changes(), 1);
        (0..2).for_each(|_| drop(world.check(0, true)));
        assert_eq!(world.roster.changes(), 2);
    }
}

mod panic {
    use super::*;

    fn fall(world: &World, index: usize, refused: bool) {
        world.check(index, true);
        (0..3).for_each(|_| drop(world.apply(index, Event::CheckFailed { refused })));
    }

    #[test]
    fn uses_the_unhealthy_when_more_than_the_threshold_are() {
        let world = World::new(4, PANICKY);
        fall(&world, 0, false);
        fall(&world, 1, false);
        assert_eq!(world.eligible(), [2, 3], "half is not more than half");
        fall(&world, 2, false);
        assert_eq!(world.eligible(), [0, 1, 2, 3]);
        (0..2).for_each(|_| drop(world.check(0, true)));
        assert_eq!(world.eligible(), [0, 3], "and ends");
    }

    #[test]
    fn is_off_unless_configured() {
        let world = World::new(3, CHECKED);
        (0..3).for_each(|index| fall(&world, index, false));
        assert!(world.eligible().is_empty());
    }

    #[test]
    fn neither_counts_nor_uses_the_draining_and_the_refusing() {
        let world = World::new(5, PANICKY);
        world.change_of(0, None, true);
        fall(&world, 0, false);
        fall(&world, 1, true);
        world.check(2, true);
        world.fail(2, Cause::Refused);
        assert_eq!(world.eligible(), [3, 4], "nobody who listens is unhealthy");
        fall(&world, 3, false);
        assert_eq!(world.eligible(), [4], "one of two who listen is");
        fall(&world, 4, false);
        assert_eq!(world.eligible(), [3, 4], "both are");
    }

    #[test]
    fn takes_back_who_has_refused_once_and_listens_again() {
        let world = World::new(3, PANICKY);
        (0..3).for_each(|index| fall(&world, index, false));
        for index in 0..3 {
            world.fail(index, Cause::Refused);
            assert!(!world.is_eligible(index));
            world.apply(index, Event::CheckFailed { refused: false });
            assert_eq!(world.eligible(), [0, 1, 2]);
        }
    }

    #[test]
    fn counts_as_service_for_who_becomes_healthy_meanwhile() {
        let world = World::new(3, PANICKY);
        (0..3).for_each(|index| fall(&world, index, false));
        (0..2).for_each(|_| drop(world.check(0, true)));
        assert_eq!(world.backends[0].serving_since(), None);
    }

    #[test]
    fn counts_each_change_of_who_may_be_used() {
        let world = World::new(3, PANICKY);
        (0..3).for_each(|index| fall(&world, index, false));
        world.apply(1, Event::CheckFailed { refused: true });
        let changes = world.roster.changes();
        assert_eq!(world.eligible(), [0, 2]);
        world.apply(1, Event::CheckFailed { refused: false });
        assert_eq!(world.eligible(), [0, 1, 2]);
        assert!(world.roster.changes() > changes);
        assert_eq!(world.roster.panics(), 1);
    }

    #[test]
    fn is_reported_when_it_begins_and_when_it_ends() {
        let world = World::new(1, PANICKY);
        let report = |event| {
            let notices = world.roster.apply(&world.backends[0], event, &PANICKY, world.now);
            notices.into_iter().find_map(|notice| match notice {
                Notice::Panic { on, unhealthy, of } => Some((on, unhealthy, of)),
                Notice::Backend(..) | Notice::Empty(_) => None,
            })
        };
        assert_eq!(report(Event::CheckFailed { refused: false }), Some((true, 1, 1)));
        assert_eq!(report(Event::CheckFailed { refused: false }), None);
        assert_eq!(report(Event::CheckPassed), Some((false, 0, 1)));
    }
}

mod limit {
    use super::*;

    #[test]
    fn is_never_exceeded_and_says_full() {
        let world = World::new(1, CHECKED);
        let backend = &world.backends[0];
        world.change_of(0, Some(2), false);
        assert!(backend.try_enter() && backend.try_enter());
        assert!(!backend.try_enter());
        assert_eq!(backend.eligibility(world.now), Eligibility::Full);
        assert!(backend.is_open() && !backend.is_eligible());
        backend.leave();
        assert!(backend.is_eligible() && backend.try_enter());
        assert_eq!(backend.active(), 2);
    }
}

#[test]
fn that_nobody_is_left_is_reported_once_and_so_is_the_first_to_come_back() {
    let world = World::new(2, CHECKED);
    let empty = |index: usize, event| {
        let notices = world.roster.apply(&world.backends[index], event, &CHECKED, world.now);
        notices.into_iter().find_map(|notice| match notice {
            Notice::Empty(empty) => Some(empty),
            _ => None,
        })
    };
    let refused = Event::Failed(world.failure(Cause::Refused));
    assert_eq!(empty(0, refused), None);
    assert_eq!(empty(1, refused), Some(true));
    assert_eq!(empty(1, refused), None);
    assert_eq!(empty(1, Event::CheckPassed), None);
    assert_eq!(empty(1, Event::CheckPassed), Some(false));
}

#[test]
fn while_nobody_is_left_a_probe_that_is_due_is_somebody() {
    let mut world = World::new(2, UNCHECKED);
    let has_nobody = |world: &World| world.roster.has_nobody(world.now);
    world.fail(0, Cause::Refused);
    assert!(!has_nobody(&world));
    world.fail(1, Cause::Refused);
    assert!(has_nobody(&world));
    world.pass(SECOND);
    assert!(!has_nobody(&world));
    let probed = world.probe(true).unwrap();
    assert!(!has_nobody(&world), "the other one is due as well");
    world.probe(true).unwrap();
    assert!(has_nobody(&world), "both probes are under way");
    world.apply(probed, Event::Answered { probe: true });
    assert!(!has_nobody(&world));
}

#[test]
fn draining_takes_out_and_gives_back() {
    let world = World::new(2, CHECKED);
    world.change_of(0, None, true);
    assert_eq!(world.eligible(), [1]);
    assert_eq!(
        world.backends[0].eligibility(world.now),
        Eligibility::Draining(Says::Configuration)
    );
    world.change_of(0, None, false);
    assert_eq!(world.eligible(), [0, 1]);
}

/// One thing that may happen to one backend of a pool.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    Check(bool, bool),
    Fail(Cause, bool),
    Unavailable(u64),
    Answer,
    Complete,
    /// Claim a probe, and what comes of it.
    Probe(Option<bool>),
    Drain(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let cause = prop_oneof![
        Just(Cause::Refused),
        Just(Cause::ConnectTimeout),
        Just(Cause::Reset),
        Just(Cause::Timeout),
        Just(Cause::Status(503)),
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
            let failed = Failed { midway, ..world.failure(cause) };
            world.apply(index, Event::Failed(failed));
        }
        Step::Unavailable(seconds) => {
            let retry_after = Some(Duration::from_secs(seconds));
            let failed = Failed { retry_after, ..world.failure(Cause::Status(503)) };
            world.apply(index, Event::Failed(failed));
        }
        Step::Answer => drop(world.answer(index)),
        Step::Complete => drop(world.apply(index, Event::Completed)),
        Step::Probe(outcome) => {
            let Some(probed) = world.probe(true) else { return };
            match outcome {
                Some(true) => drop(world.apply(probed, Event::Answered { probe: true })),
                Some(false) => {
                    let failed = Failed { probe: true, ..world.failure(Cause::Timeout) };
                    world.apply(probed, Event::Failed(failed));
                }
                None => {}
            }
            world.apply(probed, Event::ProbeEnded);
        }
        Step::Drain(drain) => drop(world.apply(index, Event::Drain(drain))),
    }
}

/// Who is out by a guess.
fn is_ejected_by_a_guess(world: &World, index: usize) -> bool {
    match world.backends[index].eligibility(world.now) {
        Eligibility::Ejected { cause, .. } | Eligibility::HalfOpen { cause } => {
            cause != Cause::Refused
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(Config {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    })]

    #[test]
    fn whatever_happens_half_stays_and_somebody_is_left(
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
                "nobody is left although somebody could be, after {:?}", step
            );
        }
    }

    #[test]
    fn whatever_has_happened_who_works_again_comes_back(
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
                // Who is unhealthy from before has nobody to ask it.
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

mod what_the_next_process_is_told {
    use super::*;

    fn told(world: &World, other: &World) {
        let memories = serde_json::to_vec(&world.roster.remember(world.now)).unwrap();
        let memories: Vec<Memory> = serde_json::from_slice(&memories).unwrap();
        other.roster.recall(&memories, &other.policy, true, other.now);
    }

    #[test]
    fn is_not_what_other_checks_have_said() {
        let (before, after) = (World::new(1, CHECKED), World::new(1, CHECKED));
        before.check(0, false);
        after.check(0, true);
        let memories = before.roster.remember(before.now);
        after.roster.recall(&memories, &after.policy, false, after.now);
        assert_eq!(after.eligible(), [0]);
    }

    #[test]
    fn is_health_ejection_slow_start_and_latency() {
        let mut before = World::new(4, CHECKED);
        (0..3).for_each(|_| drop(before.check(0, false)));
        before.eject(1);
        before.pass(RULES.base);
        before.answer(1);
        assert_eq!(before.probe(true), Some(1));
        before.apply(1, Event::Answered { probe: true });
        before.fail(2, Cause::Refused);
        before.backends[3].latency().observe(SECOND, before.now);
        before.pass(10 * SECOND);
        before.eject(3);
        before.pass(5 * SECOND);

        let after = World::new(5, CHECKED);
        (0..5).for_each(|index| drop(after.check(index, true)));
        told(&before, &after);
        assert_eq!(after.eligible(), [1, 4]);
        assert_eq!(after.backends[0].eligibility(after.now), Eligibility::Unhealthy);
        assert_eq!(after.until(2), Until::ChecksPass);
        assert_eq!(after.term(3), before.term(3));
        let served = |world: &World| {
            let since = world.backends[1].serving_since().unwrap();
            world.now.duration_since(since).as_millis()
        };
        assert!(served(&after).abs_diff(served(&before)) <= 1);
        assert_eq!(after.backends[4].serving_since(), None);
        assert!(after.backends[3].latency().is_measured());
    }

    #[test]
    fn counts_for_the_next_ejection() {
        let before = World::new(2, CHECKED);
        before.eject(0);
        let mut after = World::new(2, CHECKED);
        told(&before, &after);
        after.pass(RULES.base);
        assert_eq!(after.probe(true), Some(0));
        let failed = Failed { probe: true, ..after.failure(Cause::Timeout) };
        after.apply(0, Event::Failed(failed));
        assert!(after.term(0) > RULES.base, "it is the second in a row");
    }

    #[test]
    fn does_not_keep_out_whoever_is_the_last_one_here() {
        let before = World::new(2, UNCHECKED);
        before.eject(0);
        let after = World::new(1, UNCHECKED);
        told(&before, &after);
        assert_eq!(after.eligible(), [0]);
    }

    #[test]
    fn leaves_what_this_process_checks_where_the_other_did_not() {
        let (before, after) = (World::new(1, UNCHECKED), World::new(1, CHECKED));
        after.check(0, false);
        told(&before, &after);
        assert_eq!(after.backends[0].eligibility(after.now), Eligibility::Unhealthy);
    }
}
