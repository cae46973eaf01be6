//! Picks the backend of a request: one whose probe is due, the one that it prefers, an eligible one
//! that it has not tried, or one that it has tried if there is no other.

use std::{sync::Arc, time::Instant};

use super::{
    lease::{Claim, Lease, Member},
    membership::Membership,
    request::{PickRequest, Unavailable},
};
use crate::backend::{Address, Backend, Roster};

/// The most attempts of one request on one backend, however many `retry.attempts` allows: as many as it
/// allows by default. A backend that has failed all of these is broken, and more would only be a load.
const ON_ONE_BACKEND: usize = 3;

impl Membership {
    /// Picks and claims a backend for an attempt.
    pub(super) fn pick(
        &self,
        roster: &Roster,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        let is_new = |address: &Address| !request.is_tried(address);
        let probe = || self.claim_probe(roster, request, now);
        let wish = || self.claim(request.sticky.as_ref().filter(|address| is_new(address))?);
        if !request.has_tried()
            && let Some(lease) = probe()
        {
            return Ok(lease);
        }
        if let Some(lease) = wish().or_else(|| self.select(request, is_new)) {
            return Ok(lease);
        }
        if self.is_any_full(is_new) {
            return Err(Unavailable::Full);
        }
        // Every eligible backend has failed this request, so an ejected one may well be better.
        if let Some(lease) = self.claim_last_resort(roster, request, now) {
            return Ok(lease);
        }
        if !request.may_go_back() {
            return Err(Unavailable::NoneEligible);
        }
        if let Some(lease) = probe() {
            return Ok(lease);
        }
        let is_silent = |address: &Address| {
            !request.has_answer_of(address) && request.attempts_on(address) < ON_ONE_BACKEND
        };
        let is_another = |address: &Address| is_silent(address) && !request.is_last(address);
        let again = self.select(request, is_another).or_else(|| self.select(request, is_silent));
        let is_full = || self.is_any_full(is_silent);
        again.ok_or_else(|| if is_full() { Unavailable::Full } else { Unavailable::NoneEligible })
    }

    fn select(
        &self,
        request: &PickRequest<'_>,
        accept: impl Fn(&Address) -> bool,
    ) -> Option<Lease> {
        let claim = |address: &Address| {
            let member = self.get(address).filter(|_| accept(address))?;
            member.backend.try_enter().then(|| Arc::clone(member))
        };
        self.balancer
            .select(request.hash_key, claim)
            .map(|member| Lease::new(member, Claim::Request))
    }

    /// Claims the backend at this address, if it is eligible.
    fn claim(&self, address: &Address) -> Option<Lease> {
        let member = self.get(address).filter(|member| member.backend.is_open())?;
        member.backend.try_enter().then(|| Lease::new(Arc::clone(member), Claim::Request))
    }

    fn claim_probe(
        &self,
        roster: &Roster,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Option<Lease> {
        let is_wanted = |backend: &Backend| self.is_wanted(request, backend);
        let backend = roster.claim_probe(request.repeatable, is_wanted, now)?;
        let member = self.get(&backend.id().address)?;
        let claim = if backend.is_hastened() { Claim::EarlyProbe } else { Claim::Probe };
        Some(Lease::new(Arc::clone(member), claim))
    }

    /// Claims an ejected backend for a request that would fail otherwise.
    fn claim_last_resort(
        &self,
        roster: &Roster,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Option<Lease> {
        if !request.may_be_last_resort || request.may_be_answered_yet() {
            return None;
        }
        let is_wanted = |backend: &Backend| self.is_wanted(request, backend);
        let backend = roster.claim_last_resort(is_wanted, now)?;
        let member = self.get(&backend.id().address)?;
        Some(Lease::new(Arc::clone(member), Claim::EarlyProbe))
    }

    /// Whether the request may go to this very backend. The address is not enough: while the
    /// members change, the roster may have another backend there, and its claim would be lost.
    fn is_wanted(&self, request: &PickRequest<'_>, backend: &Backend) -> bool {
        let address = &backend.id().address;
        let is_ours = |member: &Arc<Member>| std::ptr::eq(&*member.backend, backend);
        !request.is_tried(address) && self.get(address).is_some_and(is_ours)
    }

    /// Whether one of these backends could take the request if it were not full.
    fn is_any_full(&self, accept: impl Fn(&Address) -> bool) -> bool {
        let is_open =
            |member: &Member| member.backend.is_open() && accept(&member.endpoint.address);
        self.has_limits && self.members().iter().any(|member| is_open(member))
    }
}
