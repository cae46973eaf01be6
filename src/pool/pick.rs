//! Who gets a request: a probe that is due, an eligible backend that was not tried, a place in the
//! queue, or a backend that was tried when there is no other.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Lease, Member, Pool, QueueCounts, Unavailable};
use crate::backend::{Address, Backend, Eligibility};
use crate::clock;
use crate::retry::Failure;

/// How long it is good enough who was in which state.
const STATES_KEPT: Duration = Duration::from_millis(100);

/// A backend that has failed a request.
#[derive(Debug, Clone)]
pub struct TriedBackend {
    /// Which one.
    pub backend: Arc<Backend>,
    /// How it failed.
    pub failure: Failure,
}

impl TriedBackend {
    fn has_answered(&self) -> bool {
        matches!(self.failure, Failure::Status(_))
    }
}

/// What a request asks of the backend for its next attempt.
#[derive(Debug, Clone)]
pub struct PickRequest<'a> {
    /// The backends that have failed it, in order.
    pub tried: Cow<'a, [TriedBackend]>,
    /// Whether it can be repeated if it fails, so that it may serve as a probe.
    pub repeatable: bool,
}

impl PickRequest<'_> {
    pub(super) fn has_tried(&self) -> bool {
        !self.tried.is_empty()
    }

    /// Whether the backend at this address has failed it.
    #[must_use]
    pub fn is_tried(&self, address: &Address) -> bool {
        self.tried.iter().any(|tried| tried.backend.id().address == *address)
    }

    /// Whether it may take a chance: no answer is given up for the attempt. Then it may go to one
    /// that waits for a probe, or back to one that was tried.
    fn may_go_back(&self) -> bool {
        self.tried.last().is_none_or(|last| !last.has_answered())
    }

    fn is_last(&self, address: &Address) -> bool {
        self.tried.last().is_some_and(|last| last.backend.id().address == *address)
    }

    /// Whether this one answered; it would only say the same again.
    fn has_answer_of(&self, address: &Address) -> bool {
        let is_it = |tried: &&TriedBackend| tried.backend.id().address == *address;
        self.tried.iter().filter(is_it).any(TriedBackend::has_answered)
    }

    /// As an owner of what it has borrowed.
    #[must_use]
    pub fn into_owned(self) -> PickRequest<'static> {
        PickRequest { tried: Cow::Owned(self.tried.into_owned()), repeatable: self.repeatable }
    }
}

/// A wait in the queue, counted however it ends.
struct Waiting<'a> {
    counts: &'a QueueCounts,
    since: Instant,
    /// How the queue ended it, with a place or without; it may also just be dropped.
    end: Option<Option<Unavailable>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match self.end {
            Some(Some(Unavailable::Full | Unavailable::NoneEligible)) => {
                return self.counts.full.one();
            }
            Some(Some(Unavailable::QueueTimeout)) => self.counts.late.one(),
            Some(None) => self.counts.served.one(),
            None => self.counts.left.one(),
        }
        self.counts.waits.observe(clock::now().saturating_duration_since(self.since));
    }
}

impl Pool {
    /// A backend for an attempt, claimed.
    ///
    /// # Errors
    ///
    /// [`Unavailable::NoneEligible`], or [`Unavailable::Full`] when it is worth waiting.
    pub fn pick(
        self: &Arc<Self>,
        wanted: &PickRequest<'_>,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        // Newcomers do not overtake those who wait.
        if self.queue.len() > 0 { Err(Unavailable::Full) } else { self.find(wanted, now) }
    }

    /// A place on a backend, waited for in the queue; `deadline` may be before the queue's own.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Full`] or [`Unavailable::QueueTimeout`], as the queue is.
    pub async fn wait(
        self: &Arc<Self>,
        wanted: PickRequest<'_>,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        let until = now + self.config.queue.timeout;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let mut waiting = Waiting { counts: &self.history.counts.queue, since: now, end: None };
        let waited = self.queue.wait(self, wanted.into_owned(), until).await;
        waiting.end = Some(waited.as_ref().err().copied());
        waited
    }

    /// As [`Pool::pick`], for the first in line.
    pub(super) fn find(
        self: &Arc<Self>,
        wanted: &PickRequest<'_>,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        if !wanted.has_tried()
            && let Some(lease) = self.claim_probe(wanted, now)
        {
            return Ok(lease);
        }
        if let Some(lease) = self.select(|address| !wanted.is_tried(address)) {
            return Ok(lease);
        }
        let is_new = |address: &Address| !wanted.is_tried(address);
        if self.is_anybody_full(is_new) {
            return Err(Unavailable::Full);
        }
        if !wanted.may_go_back() {
            return Err(Unavailable::NoneEligible);
        }
        if let Some(lease) = self.claim_probe(wanted, now) {
            return Ok(lease);
        }
        let is_silent = |address: &Address| !wanted.has_answer_of(address);
        let is_another = |address: &Address| is_silent(address) && !wanted.is_last(address);
        if let Some(lease) = self.select(is_another).or_else(|| self.select(is_silent)) {
            return Ok(lease);
        }
        Err(if self.is_anybody_full(is_silent) {
            Unavailable::Full
        } else {
            Unavailable::NoneEligible
        })
    }

    /// Why a request with these wishes finds nobody: how many backends for each reason, by its word.
    /// One that has failed the request, and that nothing else keeps from serving, is `tried`.
    ///
    /// May ask every backend, so it is for requests that have found nobody.
    #[must_use]
    pub fn reasons(&self, wanted: &PickRequest<'_>, now: Instant) -> Vec<(&'static str, usize)> {
        let mut counts = self.states(now);
        let tried = wanted.tried.iter().filter(|tried| tried.backend.is_eligible()).count();
        let eligible = Eligibility::Eligible.word();
        let left = counts.remove(eligible).unwrap_or_default().saturating_sub(tried);
        let others = [(eligible, left), ("tried", tried)];
        counts.extend(others.into_iter().filter(|(_, count)| *count > 0));
        counts.into_iter().collect()
    }

    /// How many backends are in which state, at most a tenth of a second ago: in an outage many ask.
    fn states(&self, now: Instant) -> BTreeMap<&'static str, usize> {
        let mut known = self.states.lock();
        if let Some((at, states)) = &*known
            && now.saturating_duration_since(*at) < STATES_KEPT
        {
            return states.clone();
        }
        let mut states = BTreeMap::new();
        for member in self.members.values() {
            *states.entry(member.backend.eligibility(now).word()).or_default() += 1;
        }
        *known = Some((now, states.clone()));
        states
    }

    fn select(self: &Arc<Self>, accept: impl Fn(&Address) -> bool) -> Option<Lease> {
        let claimed = Cell::new(None);
        let claim = |candidate: &pingora_load_balancing::Backend| {
            let address = Address::Tcp(*candidate.addr.as_inet()?);
            let member = self.members.get(&address).filter(|_| accept(&address))?;
            Some(member).filter(|member| member.backend.try_enter())
        };
        self.balancer.select_with(b"", usize::MAX, |candidate, _pingoras_verdict| {
            claimed.set(claim(candidate));
            claimed.get().is_some()
        })?;
        Some(Lease::new(self, claimed.get()?, false))
    }

    fn claim_probe(self: &Arc<Self>, wanted: &PickRequest<'_>, now: Instant) -> Option<Lease> {
        let is_wanted = |backend: &Backend| {
            let address = &backend.id().address;
            !wanted.is_tried(address) && self.members.contains_key(address)
        };
        let backend = self.roster.claim_probe(wanted.repeatable, is_wanted, now)?;
        let member = self.members.get(&backend.id().address)?;
        Some(Lease::new(self, member, true))
    }

    /// Whether one of these could take it, but for its load.
    fn is_anybody_full(&self, accept: impl Fn(&Address) -> bool) -> bool {
        let is_open = |address, member: &Member| member.backend.is_open() && accept(address);
        self.has_limits && self.members.iter().any(|(address, member)| is_open(address, member))
    }
}
