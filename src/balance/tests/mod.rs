//! The selector as Pingora drives it: `iter`, `next`, and the whole of `select_with`.

mod backups;
mod eligible;
mod later_picks;
mod pingora;
mod shares;
mod slow_start;
mod threads;

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::{selector::Selector, *};
use crate::backend::{
    Address, AttemptFailure, BackendSettings, EjectionCause, Event, Policy, Roster,
};
use crate::clock;
use crate::config::{Algorithm, PoolName, Weight};

const POLICY: Policy =
    Policy { rise: 1, fall: 1, checked: true, ejection: None, panic_threshold: None };
const ALL: [Algorithm; 3] = [Algorithm::RoundRobin, Algorithm::LeastConn, Algorithm::Ewma];
/// The algorithms that take turns.
const BOTH: [Algorithm; 2] = [Algorithm::RoundRobin, Algorithm::LeastConn];

/// A selector over backends that are known by their place in the list of weights.
struct Fixture {
    pingora: Arc<PingoraSelector>,
    selector: Arc<Selector>,
    roster: Arc<Roster>,
    backends: Vec<Arc<Backend>>,
}

impl Fixture {
    fn new(algorithm: Algorithm, weights: &[u16]) -> Self {
        Self::of(config(algorithm), weights, &[])
    }

    fn with_backups(algorithm: Algorithm, weights: &[u16], backups: &[usize]) -> Self {
        Self::of(config(algorithm), weights, backups)
    }

    fn with_slow_start(algorithm: Algorithm, window: Duration) -> Self {
        Self::of(SelectorConfig { slow_start: window, ..config(algorithm) }, &[1, 1, 1], &[])
    }

    fn of(config: SelectorConfig, weights: &[u16], backups: &[usize]) -> Self {
        let roster = Arc::clone(&config.roster);
        let backends = (0..weights.len()).map(|index| roster.backend(&address(index))).collect();
        let succession = Succession::new(config);
        let set = set(weights, backups);
        let pingora = Arc::new(PingoraSelector::build_with_config(&set, &succession));
        Self { selector: Arc::clone(&pingora.0), pingora, roster, backends }
    }

    fn eject(&self, index: usize) {
        let refused =
            Event::AttemptFailed(AttemptFailure::new(EjectionCause::Refused, clock::now()));
        self.roster.apply(&self.backends[index], refused, &POLICY, clock::now());
    }

    /// Returns the weights of those that are left, 0 for the others.
    fn eject_all(&self, weights: &[u16], ejected: &[bool]) -> Vec<usize> {
        let out = (0..ejected.len()).filter(|index| ejected[*index]);
        out.for_each(|index| self.eject(index));
        let left = |(weight, out): (&u16, &bool)| if *out { 0 } else { usize::from(*weight) };
        weights.iter().zip(ejected).map(left).collect()
    }

    fn readmit(&self, index: usize) {
        self.readmit_at(index, clock::now());
    }

    fn readmit_at(&self, index: usize, then: Instant) {
        self.roster.apply(&self.backends[index], Event::CheckPassed, &POLICY, then);
    }

    /// The first pick of a request.
    fn pick(&self) -> Option<usize> {
        self.pingora.iter(b"").next().map(index)
    }

    fn picks(&self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.pick().unwrap()).collect()
    }

    /// All picks of one request that refuses each of them.
    fn all_picks(&self) -> Vec<usize> {
        let mut picks = self.pingora.iter(b"");
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

/// The address of the backend with this index; both have the same order.
fn address(index: usize) -> Address {
    format!("10.0.{}.{}:80", index / 256, index % 256).parse().unwrap()
}

fn index(discovered: &Discovered) -> usize {
    index_of(&Address::Tcp(*discovered.addr.as_inet().unwrap()))
}

fn index_of(address: &Address) -> usize {
    let std::net::IpAddr::V4(ip) = address.tcp().unwrap().ip() else { panic!("IPv4") };
    let [_, _, high, low] = ip.octets();
    usize::from(high) * 256 + usize::from(low)
}

fn set(weights: &[u16], backups: &[usize]) -> BTreeSet<Discovered> {
    let weights = weights.iter().map(|weight| Weight::new(*weight).unwrap()).enumerate();
    let discovered = weights.map(|(i, it)| discovered(&address(i), it, backups.contains(&i)));
    discovered.collect::<Option<_>>().unwrap()
}

/// A configuration without slow start, of a roster that is ten minutes old.
fn config(algorithm: Algorithm) -> SelectorConfig {
    let roster = Roster::new(PoolName::new("web"), Arc::default(), ago(Duration::from_secs(600)));
    SelectorConfig { algorithm, roster: Arc::new(roster), slow_start: Duration::ZERO, seed: 7 }
}

fn ago(time: Duration) -> Instant {
    clock::now().checked_sub(time).unwrap()
}

fn balancer(algorithm: Algorithm, weights: &[u16]) -> Balancer {
    let balancer = Balancer::new(config(algorithm));
    update(&balancer, set(weights, &[]));
    balancer
}

/// Enlists these backends, and tells the balancer of them.
fn update(balancer: &Balancer, set: BTreeSet<Discovered>) {
    for discovered in &set {
        let _ = balancer.roster().backend(&discovered.addr.as_inet().unwrap().to_owned().into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(balancer.update(set)).unwrap();
}

/// The first pick of a request through Pingora.
fn pick_by(balancer: &Balancer) -> usize {
    balancer.select(None, |address| Some(index_of(address))).unwrap()
}
