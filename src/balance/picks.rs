//! The backends for one request, one after the other, until its caller accepts one.

use std::{ops::Range, sync::Arc};

use arc_swap::Guard;
use pingora_load_balancing::Backend as Discovered;

use super::{
    ewma, least_conn,
    random::Random,
    selector::Selector,
    snapshot::{Snapshot, Tier},
};
use crate::backend::Address;
use crate::clock;
use crate::config::Algorithm;

/// After this many refusals the rest follow in the order of the list; no request has that many
/// attempts.
const CHOSEN: usize = 8;

/// The backends for one request, best first: each eligible one once, backups last.
#[derive(Debug)]
pub struct Picks {
    selector: Arc<Selector>,
    snapshot: Guard<Arc<Snapshot>>,
    yielded: Yielded,
    /// The tier that picks come from now.
    tier: usize,
    sweep: Option<Sweep>,
}

/// The backends that the next request would be offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// The backends in the order in which they would be offered, if each was refused.
    pub offered: Vec<Address>,
    /// Whether the first of them was drawn at random, so that the next request may well get another.
    pub by_chance: bool,
}

impl Picks {
    /// The picks of the next request.
    pub(super) fn of(selector: Arc<Selector>) -> Self {
        let snapshot = selector.snapshot();
        Self { selector, snapshot, yielded: Yielded::default(), tier: 0, sweep: None }
    }

    /// All picks of the next request, without taking a turn.
    pub(super) fn rehearse(selector: &Selector) -> Rehearsal {
        let mut picks = Self::of(Arc::new(selector.copy()));
        let mut offered = vec![];
        let mut rivals = 0;
        let mut first_tier = None;
        while let Some(member) = picks.advance() {
            rivals += usize::from(*first_tier.get_or_insert(picks.tier) == picks.tier);
            offered.push(picks.selector.members.backend(member).id().address.clone());
        }
        Rehearsal { offered, by_chance: !is_exact(selector.config.algorithm, rivals) }
    }

    /// This member as Pingora knows it.
    pub(super) fn discovered(&self, member: usize) -> &Discovered {
        self.selector.members.discovered(member)
    }

    /// The next member; `None` when all eligible ones have been yielded.
    pub(super) fn advance(&mut self) -> Option<usize> {
        while let Some(places) = self.selector.members.tier(self.tier) {
            if let Some(member) = self.advance_among(places) {
                return Some(member);
            }
            (self.tier, self.sweep) = (self.tier + 1, None);
        }
        None
    }

    fn advance_among(&mut self, places: Range<usize>) -> Option<usize> {
        if self.sweep.is_none() && !self.yielded.is_full() {
            if let Some(member) = self.choose(&self.snapshot.tiers[self.tier]) {
                self.yielded.push(member);
                return Some(member);
            }
            if self.selector.is_complete(&self.snapshot) {
                return None;
            }
        }
        self.go_on_in_order(places)
    }

    /// The algorithm's choice among the candidates that are left.
    ///
    /// Eligibility is tested again for every candidate, because the snapshot may be stale and does
    /// not know which backends are full.
    fn choose(&self, tier: &Tier) -> Option<usize> {
        let Self { selector, yielded, .. } = self;
        let Tier { candidates, rotation } = tier;
        let random = &selector.random;
        let free = |position| {
            let member = candidates.member(position);
            let backend = selector.members.backend(member);
            let is_free = backend.is_eligible() && !yielded.contains(member);
            is_free.then_some(backend)
        };
        let is_free = |position: usize| free(position).is_some();
        let position = match selector.config.algorithm {
            Algorithm::RoundRobin => {
                let turn = if yielded.is_empty() { rotation.pick() } else { None };
                turn.filter(|position| is_free(*position))
                    .or_else(|| candidates.draw_among(&mut random.stream(), is_free))
            }
            Algorithm::LeastConn => least_conn::pick(candidates, rotation, random, |position| {
                free(position).map(|backend| backend.active())
            }),
            Algorithm::Ewma => ewma::pick(candidates, random, clock::now(), free),
        };
        position.map(|position| candidates.member(position))
    }

    /// The next eligible member in the order of the list. Used if the snapshot has missed one, or
    /// if more were refused than it pays to remember.
    fn go_on_in_order(&mut self, places: Range<usize>) -> Option<usize> {
        let Self { selector, yielded, sweep, .. } = self;
        let members = &selector.members;
        sweep
            .get_or_insert_with(|| Sweep::over(places, &selector.random))
            .find(|member| members.backend(*member).is_eligible() && !yielded.contains(*member))
    }
}

/// Whether the algorithm's first choice among this many candidates is made without a draw.
fn is_exact(algorithm: Algorithm, candidates: usize) -> bool {
    match algorithm {
        Algorithm::RoundRobin => true,
        Algorithm::LeastConn => least_conn::is_exact(candidates),
        Algorithm::Ewma => ewma::is_exact(candidates),
    }
}

/// The members yielded so far, while they are few, without an allocation.
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

/// Every place once, starting at a random one, so that the first of the list is not always tried
/// first.
#[derive(Debug)]
struct Sweep {
    places: Range<usize>,
    next: usize,
    left: usize,
}

impl Sweep {
    fn over(places: Range<usize>, random: &Random) -> Self {
        let next = if places.is_empty() { 0 } else { random.stream().usize(places.clone()) };
        Self { next, left: places.len(), places }
    }
}

impl Iterator for Sweep {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let member = self.next;
        let following = member + 1;
        self.next = if following < self.places.end { following } else { self.places.start };
        Some(member)
    }
}
