//! The backends of one pool and the figures derived from them, kept in step with every change of a
//! standing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Weak},
    time::Instant,
};

use super::super::{
    Address, Backend,
    event::BackendChange,
    standing::{Standing, eligibility::probe_at},
};
use super::tally::{Tally, TallyEntry};

/// The backends by address, the number in each state, and the probes to come.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) backends: HashMap<Address, Arc<Backend>>,
    /// Backends of memberships that are being prepared, and are perhaps never used.
    pub(super) candidates: HashMap<Address, Weak<Backend>>,
    pub(super) tally: Tally,
    /// The backends that wait for a probe, by when it is due; the value is when any request may be
    /// the probe.
    pub(super) probes: BTreeMap<(Instant, Address), Instant>,
    /// Ejected backends that a request may try before it fails, by when they have failed last.
    pub(super) last_resorts: BTreeSet<(Instant, Address)>,
}

/// A change of a pool or of one of its backends; each is logged once.
#[derive(Debug, Clone)]
pub enum PoolChange {
    /// A backend has changed.
    Backend(Arc<Backend>, BackendChange),
    /// Too many backends are unhealthy, so health is ignored from now on.
    PanicBegan {
        /// Unhealthy backends among the listening ones.
        unhealthy: usize,
        /// Backends that neither drain nor refuse connections.
        listening: usize,
    },
    /// Health counts again.
    PanicEnded {
        /// Counted as in [`PoolChange::PanicBegan`].
        unhealthy: usize,
        /// Counted as in [`PoolChange::PanicBegan`].
        listening: usize,
    },
    /// No backend can take a request any more.
    Unavailable,
    /// A backend can take requests again.
    Available,
}

impl Members {
    pub(super) fn has(&self, backend: &Arc<Backend>) -> bool {
        let known = self.backends.get(&backend.id().address);
        known.is_some_and(|known| Arc::ptr_eq(known, backend))
    }

    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Address) -> bool, now: Instant) {
        let Self { backends, candidates, tally, probes, last_resorts } = self;
        candidates.retain(|_, candidate| candidate.strong_count() > 0);
        backends.retain(|address, backend| {
            let stays = is_wanted(address);
            if !stays {
                tally.remove(TallyEntry::of(&backend.standing.lock(), now));
            }
            stays
        });
        probes.retain(|(_, address), _| is_wanted(address));
        last_resorts.retain(|(_, address)| is_wanted(address));
    }

    /// Applies an event to a standing. Returns whether a published value has changed.
    pub(super) fn update(
        &mut self,
        backend: &Arc<Backend>,
        notices: &mut Vec<PoolChange>,
        now: Instant,
        change: impl FnOnce(&mut Standing, &Tally) -> Vec<BackendChange>,
    ) -> bool {
        self.replace(backend, now, |standing, tally| {
            let before = TallyEntry::of(standing, now);
            for change in change(standing, tally) {
                if let BackendChange::Ejected(cause, ..) = change {
                    backend.counts().ejected(cause);
                }
                notices.push(PoolChange::Backend(Arc::clone(backend), change));
            }
            let after = TallyEntry::of(standing, now);
            // A backend that was used during panic has served all the time.
            if after.in_service && !before.in_service && !backend.is_open() {
                standing.serving_since = Some(now);
                // Its latency before it went out says nothing about it now.
                backend.latency().forget();
            }
        })
    }

    /// Changes a standing and all figures derived from it. Returns whether a published value has
    /// changed.
    pub(super) fn replace(
        &mut self,
        backend: &Arc<Backend>,
        now: Instant,
        change: impl FnOnce(&mut Standing, &Tally),
    ) -> bool {
        let address = &backend.id().address;
        let mut standing = backend.standing.lock();
        let before = TallyEntry::of(&standing, now);
        if let Some(at) = probe_at(&standing) {
            self.probes.remove(&(at, address.clone()));
        }
        if let Some(since) = standing.last_resort_since() {
            self.last_resorts.remove(&(since, address.clone()));
        }
        change(&mut standing, &self.tally);
        standing.note_since(now);
        let after = TallyEntry::of(&standing, now);
        if let Some(at) = probe_at(&standing) {
            self.probes.insert((at, address.clone()), standing.any_probe_from(at));
        }
        if let Some(since) = standing.last_resort_since() {
            self.last_resorts.insert((since, address.clone()));
        }
        self.tally.remove(before);
        self.tally.add(after);
        drop(standing);
        backend.publish()
    }

    /// Makes the next request the probe of the backend that has been ejected for the longest.
    pub(super) fn hasten_probe(&mut self, now: Instant) {
        let longest = self.last_resorts.first().and_then(|(_, at)| self.backends.get(at)).cloned();
        if let Some(backend) = longest {
            self.replace(&backend, now, |standing, _| standing.hasten(now));
        }
    }

    /// Readmits the ejected backends that nothing but a limited ejection keeps out.
    pub(super) fn lift(&mut self, notices: &mut Vec<PoolChange>, now: Instant) -> bool {
        let is_spare =
            |backend: &&Arc<Backend>| TallyEntry::of(&backend.standing.lock(), now).spare;
        let spare: Vec<_> = self.backends.values().filter(is_spare).cloned().collect();
        let mut changed = false;
        for backend in spare {
            changed |= self.update(&backend, notices, now, |standing, _| standing.lift());
        }
        changed
    }
}
