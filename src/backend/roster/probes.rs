//! Probes. A backend whose ejection term is over waits for a probe: one request that shows whether
//! it works. Probes are handed out apart from the selection, which knows nothing of them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::super::{
    Address, Backend,
    published::{NEVER, PublishedState},
};
use super::{Roster, members::Members};

impl Roster {
    pub(super) fn publish_probes(&self, members: &Members) {
        let millis = |due: Option<&Instant>| due.map_or(NEVER, |due| self.published.millis(*due));
        let due = members.probes.keys().next().map(|(at, _)| at);
        self.published.probe_due.store(millis(due), Ordering::Relaxed);
        let any = members.probes.values().min();
        self.published.any_probe_due.store(millis(any), Ordering::Relaxed);
        let has_last_resort = !members.last_resorts.is_empty();
        self.published.has_last_resort.store(has_last_resort, Ordering::Relaxed);
    }

    /// Whether a request that came now would find no backend. A backend whose probe is due counts
    /// as one: it comes back by a request, so a balancer in front that sends requests only to ready
    /// instances must be told that this one is ready.
    #[must_use]
    pub fn is_unavailable(&self, now: Instant) -> bool {
        let PublishedState { empty, probe_due, .. } = &*self.published;
        empty.load(Ordering::Relaxed) && !self.published.is_due(probe_due, now)
    }

    /// The backend whose probe a request would be, if it came now.
    #[must_use]
    pub fn next_probe(&self, repeatable: bool, now: Instant) -> Option<Address> {
        let members = self.members.lock();
        members.due_probes(repeatable, now).next().map(|backend| backend.id().address.clone())
    }

    /// Claims a backend that waits for a probe, for a request that is `repeatable` or not. The
    /// caller then owes a [`Backend::leave`] and an [`Event::ProbeEnded`](super::Event).
    #[must_use]
    pub fn claim_probe(
        &self,
        repeatable: bool,
        is_wanted: impl Fn(&Backend) -> bool,
        now: Instant,
    ) -> Option<Arc<Backend>> {
        let PublishedState { probe_due, any_probe_due, .. } = &*self.published;
        if !self.published.is_due(if repeatable { probe_due } else { any_probe_due }, now) {
            return None;
        }
        let mut members = self.members.lock();
        let mut backends = members.due_probes(repeatable, now);
        let backend =
            backends.find(|backend| is_wanted(backend) && backend.try_enter()).cloned()?;
        drop(backends);
        self.begin_probe(&mut members, &backend, now);
        Some(backend)
    }

    /// Claims an ejected backend for a request that can be repeated and would fail otherwise: the
    /// one that has been out for the longest of those whose checks pass. An ejection is only a
    /// preference for other backends, and none is left. The claim is a probe, and several may be
    /// under way, because each of these requests would fail.
    ///
    /// The claim is given back as in [`Roster::claim_probe`].
    #[must_use]
    pub fn claim_last_resort(
        &self,
        is_wanted: impl Fn(&Backend) -> bool,
        now: Instant,
    ) -> Option<Arc<Backend>> {
        if !self.published.has_last_resort.load(Ordering::Relaxed) {
            return None;
        }
        let mut members = self.members.lock();
        let mut backends =
            members.last_resorts.iter().filter_map(|(_, address)| members.backends.get(address));
        let backend =
            backends.find(|backend| is_wanted(backend) && backend.try_enter()).cloned()?;
        drop(backends);
        self.begin_probe(&mut members, &backend, now);
        Some(backend)
    }

    fn begin_probe(&self, members: &mut Members, backend: &Arc<Backend>, now: Instant) {
        members.replace(backend, now, |standing, _| standing.begin_probe(now));
        self.publish_probes(members);
    }
}

impl Members {
    /// The backends whose probe is due.
    fn due_probes(&self, repeatable: bool, now: Instant) -> impl Iterator<Item = &Arc<Backend>> {
        let due = self.probes.iter().take_while(move |((at, _), _)| *at <= now);
        let due = due.filter(move |(_, any_from)| repeatable || **any_from <= now);
        due.filter_map(|((_, address), _)| self.backends.get(address))
    }
}
