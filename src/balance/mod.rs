//! Which backend gets the request, and which one after it was refused.
//!
//! [`Selector`] plugs into Pingora's load balancer, which asks it for backends one by one until
//! its caller accepts one. It yields each eligible backend at most once and ends only when there
//! is no other. Who is eligible says [`crate::backend`]; Pingora's own verdict is not asked.
//!
//! The first backend comes from the algorithm. If the caller refuses it, because this request has
//! tried it already, the next one depends on the algorithm: with least connections the best of
//! the rest, with round robin one drawn by weight. Taking the next turn instead would give the
//! whole share of a backend that fails to whoever follows it in the list.
//!
//! The order of the list is Pingora's, which sorts backends by address; that of the configuration
//! is not known here.
//!
//! Pingora rebuilds its selector when the set of backends changes. What must survive that lives
//! in the [`Roster`], which reaches each new selector through [`SelectorConfig`].

mod candidates;
mod least_conn;
mod random;
mod round_robin;
mod snapshot;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use pingora_load_balancing::{
    Backend as Discovered,
    selection::{BackendIter, BackendSelection},
};

use crate::backend::{Backend, Roster};
use crate::clock;
use crate::config::{Algorithm, PoolName, Weight, defaults};

use random::Random;
use snapshot::Snapshot;

/// After so many refusals the rest follow in the order of the list; no request tries that often.
const CHOSEN: usize = 8;

/// What a selector needs beside the backends.
#[derive(Debug, Clone)]
pub struct SelectorConfig {
    /// Who gets the next request.
    pub algorithm: Algorithm,
    /// Where the live state of the backends is.
    pub roster: Arc<Roster>,
    /// For what is drawn at random.
    pub seed: u64,
}

/// Picks backends for one pool.
///
/// A member is an index into both lists. They are apart because choosing looks at several of the
/// backends and at nothing else, and among ten thousand what counts is the memory it touches.
#[derive(Debug)]
pub struct Selector {
    discovered: Box<[Discovered]>,
    backends: Box<[Arc<Backend>]>,
    algorithm: Algorithm,
    roster: Arc<Roster>,
    random: Random,
    snapshot: ArcSwap<Snapshot>,
    /// Held by the one thread that takes the next snapshot; nobody waits for it.
    renewal: Mutex<()>,
}

impl Selector {
    fn new(discovered: &BTreeSet<Discovered>, config: &SelectorConfig) -> Self {
        let (discovered, backends): (Vec<_>, Vec<_>) = discovered
            .iter()
            .filter_map(|discovered| {
                let backend = config.roster.backend(*discovered.addr.as_inet()?);
                Some((discovered.clone(), backend))
            })
            .unzip();
        let snapshot = take_snapshot(&discovered, &backends, &config.roster, 0);
        Self {
            discovered: discovered.into(),
            backends: backends.into(),
            algorithm: config.algorithm,
            roster: Arc::clone(&config.roster),
            random: Random::new(config.seed),
            snapshot: ArcSwap::from_pointee(snapshot),
            renewal: Mutex::new(()),
        }
    }

    /// A complete snapshot; or, while another thread takes that, the one before.
    fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        let snapshot = self.snapshot.load();
        if self.is_complete(&snapshot) {
            return snapshot;
        }
        let Some(_renewing) = self.renewal.try_lock() else { return snapshot };
        let snapshot = self.snapshot.load();
        if !self.is_complete(&snapshot) {
            let turn = snapshot.rotation.turn();
            let next = take_snapshot(&self.discovered, &self.backends, &self.roster, turn);
            self.snapshot.store(Arc::new(next));
        }
        self.snapshot.load()
    }

    fn is_complete(&self, snapshot: &Snapshot) -> bool {
        snapshot.is_complete(self.roster.changes(), clock::now)
    }
}

fn take_snapshot(
    discovered: &[Discovered],
    backends: &[Arc<Backend>],
    roster: &Roster,
    turn: u64,
) -> Snapshot {
    let changes = roster.changes();
    let backends = backends.iter().map(|backend| &**backend);
    Snapshot::take(backends.zip(discovered.iter().map(weight)), changes, turn, clock::now())
}

/// Zero would be a backend that is never found; the configuration excludes it.
fn weight(discovered: &Discovered) -> u64 {
    (discovered.weight as u64).clamp(1, u64::from(Weight::MAX))
}

impl BackendSelection for Selector {
    type Iter = Picks;
    type Config = SelectorConfig;

    fn build_with_config(discovered: &BTreeSet<Discovered>, config: &SelectorConfig) -> Self {
        Self::new(discovered, config)
    }

    /// With the default algorithm, and live state that nobody else sees.
    fn build(discovered: &BTreeSet<Discovered>) -> Self {
        let roster = Roster::new(PoolName::new(""), clock::now());
        let config =
            SelectorConfig { algorithm: defaults::ALGORITHM, roster: Arc::new(roster), seed: 0 };
        Self::new(discovered, &config)
    }

    /// The key is not used: no algorithm here depends on the request.
    fn iter(self: &Arc<Self>, _key: &[u8]) -> Picks {
        Picks {
            selector: Arc::clone(self),
            snapshot: self.snapshot(),
            yielded: Yielded::default(),
            sweep: None,
        }
    }
}

/// The backends for one request, best first; each eligible one once.
#[derive(Debug)]
pub struct Picks {
    selector: Arc<Selector>,
    snapshot: Guard<Arc<Snapshot>>,
    yielded: Yielded,
    sweep: Option<Sweep>,
}

impl BackendIter for Picks {
    fn next(&mut self) -> Option<&Discovered> {
        let member = self.advance()?;
        Some(&self.selector.discovered[member])
    }
}

impl Picks {
    fn advance(&mut self) -> Option<usize> {
        if self.sweep.is_none() && !self.yielded.is_full() {
            if let Some(member) = self.choose() {
                self.yielded.push(member);
                return Some(member);
            }
            if self.selector.is_complete(&self.snapshot) {
                self.sweep = Some(Sweep::default());
                return None;
            }
        }
        self.go_on_in_order()
    }

    /// The algorithm's choice among the candidates that are left.
    ///
    /// Every candidate is asked again whether it is eligible, because the snapshot may be stale.
    /// The instant it was taken at serves for that: a candidate ejected since is refused, one
    /// whose ejection has ended since comes with the next snapshot, and no clock is read.
    fn choose(&self) -> Option<usize> {
        let Self { selector, snapshot, yielded, .. } = self;
        let candidates = &snapshot.candidates;
        let free = |position| {
            let member = candidates.member(position);
            let backend = &selector.backends[member];
            let is_free = backend.is_eligible(snapshot.taken) && !yielded.contains(member);
            is_free.then_some(backend)
        };
        let is_free = |position: usize| free(position).is_some();
        let position = match selector.algorithm {
            Algorithm::RoundRobin => {
                let turn = if yielded.is_empty() { snapshot.rotation.pick() } else { None };
                turn.filter(|position| is_free(*position))
                    .or_else(|| candidates.draw_among(&mut selector.random.stream(), is_free))
            }
            Algorithm::LeastConn | Algorithm::Ewma => {
                least_conn::pick(candidates, &snapshot.rotation, &selector.random, |position| {
                    free(position).map(|backend| backend.active())
                })
            }
        };
        position.map(|position| candidates.member(position))
    }

    /// The next eligible one in the order of the list: when the snapshot missed somebody, or when
    /// so many were refused that remembering them would cost more than their order is worth.
    fn go_on_in_order(&mut self) -> Option<usize> {
        let Self { selector, yielded, sweep, .. } = self;
        let backends = &selector.backends;
        let now = clock::now();
        sweep
            .get_or_insert_with(|| Sweep::over(backends.len(), &selector.random))
            .find(|member| backends[*member].is_eligible(now) && !yielded.contains(*member))
    }
}

/// The members yielded so far, as long as they are few: no allocation.
#[derive(Debug, Default)]
struct Yielded {
    members: [usize; CHOSEN],
    len: usize,
}

impl Yielded {
    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn is_full(&self) -> bool {
        self.len == CHOSEN
    }

    fn contains(&self, member: usize) -> bool {
        self.members[..self.len].contains(&member)
    }

    fn push(&mut self, member: usize) {
        self.members[self.len] = member;
        self.len += 1;
    }
}

/// Every member once, from a place drawn at random, so that the first of the list is not always
/// the first asked. By default nobody: the end of it.
#[derive(Debug, Default)]
struct Sweep {
    next: usize,
    left: usize,
    len: usize,
}

impl Sweep {
    fn over(len: usize, random: &Random) -> Self {
        let next = if len == 0 { 0 } else { random.stream().usize(0..len) };
        Self { next, left: len, len }
    }
}

impl Iterator for Sweep {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let member = self.next;
        self.next = (member + 1) % self.len;
        Some(member)
    }
}
