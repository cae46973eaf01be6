//! Whoever is ejected and has served its time waits for a probe: one request that shows whether it
//! works. Probes are handed out apart from the selection, which knows nothing of them.

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
    }

    /// Whether a request that came now would find nobody. A backend that waits for its probe is
    /// somebody once that is due: it comes back by a request, so whoever sends requests only to
    /// those who can take one must be told that it can.
    #[must_use]
    pub fn has_nobody(&self, now: Instant) -> bool {
        let PublishedState { empty, probe_due, .. } = &*self.published;
        empty.load(Ordering::Relaxed) && !self.published.is_due(probe_due, now)
    }

    /// Whose probe a request would be, if it came now.
    #[must_use]
    pub fn next_probe(&self, repeatable: bool, now: Instant) -> Option<Address> {
        let members = self.members.lock();
        members.due_probes(repeatable, now).next().map(|backend| backend.id().address.clone())
    }

    /// Claims a backend that waits for a probe, for a request that can be repeated or for any.
    /// Whoever claims it owes a [`Backend::leave`] and an [`Event::ProbeEnded`](super::Event).
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
        members.update(&backend, &mut vec![], now, |standing, _| {
            standing.begin_probe();
            vec![]
        });
        self.publish_probes(&members);
        Some(backend)
    }
}

impl Members {
    /// Who waits for a probe that is due.
    fn due_probes(&self, repeatable: bool, now: Instant) -> impl Iterator<Item = &Arc<Backend>> {
        let due = self.probes.iter().take_while(move |((at, _), _)| *at <= now);
        let due = due.filter(move |(_, any_from)| repeatable || **any_from <= now);
        due.filter_map(|((_, address), _)| self.backends.get(address))
    }
}
