//! The selector as Pingora drives it: `iter`, `next`, and the whole of `select_with`.

mod backups;
mod eligible;
mod later_picks;
mod pingora;
mod shares;
mod slow_start;
mod threads;

use std::{
    cell::RefCell,
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use pingora_load_balancing::{Backends, LoadBalancer, discovery, selection::BackendIter};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::*;
use crate::backend::{AttemptFailure, BackendSettings, EjectionCause, Event, Policy};

const POLICY: Policy =
    Policy { rise: 1, fall: 1, checked: true, ejection: None, panic_threshold: None };
const ALL: [Algorithm; 3] = [Algorithm::RoundRobin, Algorithm::LeastConn, Algorithm::Ewma];
/// Those that take turns.
const BOTH: [Algorithm; 2] = [Algorithm::RoundRobin, Algorithm::LeastConn];

/// A selector over backends that are known by their place in the list of weights.
struct Fixture {
    selector: Arc<Selector>,
    roster: Arc<Roster>,
    backends: Vec<Arc<Backend>>,
}

impl Fixture {
    fn new(algorithm: Algorithm, weights: &[usize]) -> Self {
        Self::of(config(algorithm), weights)
    }

    fn with_backups(algorithm: Algorithm, weights: &[usize], backups: &[usize]) -> Self {
        let backups = backups.iter().map(|index| address(*index).parse().unwrap());
        let backups = Arc::new(backups.collect());
        Self::of(SelectorConfig { backups, ..config(algorithm) }, weights)
    }

    fn with_slow_start(algorithm: Algorithm, window: Duration) -> Self {
        Self::of(SelectorConfig { slow_start: window, ..config(algorithm) }, &[1, 1, 1])
    }

    fn of(config: SelectorConfig, weights: &[usize]) -> Self {
        let selector = Selector::build_with_config(&discovered(weights), &config);
        let backends = (0..weights.len())
            .map(|index| config.roster.backend(&address(index).parse().unwrap()))
            .collect();
        Self { selector: Arc::new(selector), roster: config.roster, backends }
    }

    fn eject(&self, index: usize) {
        let refused =
            Event::AttemptFailed(AttemptFailure::new(EjectionCause::Refused, clock::now()));
        self.roster.apply(&self.backends[index], refused, &POLICY, clock::now());
    }

    /// Returns the weights of those that are left, 0 for the others.
    fn eject_all(&self, weights: &[usize], ejected: &[bool]) -> Vec<usize> {
        let out = (0..ejected.len()).filter(|index| ejected[*index]);
        out.for_each(|index| self.eject(index));
        weights.iter().zip(ejected).map(|(weight, out)| if *out { 0 } else { *weight }).collect()
    }

    fn readmit(&self, index: usize) {
        self.readmit_at(index, clock::now());
    }

    fn readmit_at(&self, index: usize, then: Instant) {
        self.roster.apply(&self.backends[index], Event::CheckPassed, &POLICY, then);
    }

    /// The first pick of a request.
    fn pick(&self) -> Option<usize> {
        self.selector.iter(b"").next().map(index)
    }

    fn picks(&self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.pick().unwrap()).collect()
    }

    /// All picks of one request that refuses each of them.
    fn all_picks(&self) -> Vec<usize> {
        let mut picks = self.selector.iter(b"");
        let mut all = vec![];
        while let Some(discovered) = picks.next() {
            all.push(index(discovered));
        }
        assert!(picks.next().is_none(), "it ended");
        all
    }

    fn counts(&self, count: usize) -> Vec<usize> {
        let mut counts = vec![0; self.backends.len()];
        for pick in self.picks(count) {
            counts[pick] += 1;
        }
        counts
    }
}

/// In the order of the indexes, which is that of the addresses.
fn address(index: usize) -> String {
    format!("10.0.{}.{}:80", index / 256, index % 256)
}

fn index(discovered: &Discovered) -> usize {
    let std::net::IpAddr::V4(ip) = discovered.addr.as_inet().unwrap().ip() else { panic!("IPv4") };
    let [_, _, high, low] = ip.octets();
    usize::from(high) * 256 + usize::from(low)
}

fn discovered(weights: &[usize]) -> BTreeSet<Discovered> {
    let weights = weights.iter().enumerate();
    weights.map(|(i, weight)| Discovered::new_with_weight(&address(i), *weight).unwrap()).collect()
}

/// Without backups and slow start, of a roster that is ten minutes old.
fn config(algorithm: Algorithm) -> SelectorConfig {
    let roster = Roster::new(PoolName::new("web"), Arc::default(), ago(Duration::from_secs(600)));
    SelectorConfig {
        algorithm,
        roster: Arc::new(roster),
        backups: Arc::default(),
        slow_start: Duration::ZERO,
        seed: 7,
    }
}

fn ago(time: Duration) -> Instant {
    clock::now().checked_sub(time).unwrap()
}

fn load_balancer(algorithm: Algorithm, weights: &[usize]) -> LoadBalancer<Selector> {
    let backends = Backends::new(discovery::Static::new(discovered(weights)));
    let balancer = LoadBalancer::from_backends_with_config(backends, Some(config(algorithm)));
    let update = balancer.update();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(update).unwrap();
    balancer
}
