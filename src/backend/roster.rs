//! The backends of one pool, and what befalls them.
//!
//! Some decisions about a backend are decisions about its pool: how many may be ejected, whether
//! somebody is left, whether so many are unhealthy that health is not asked. So every event goes
//! through here, one at a time, under one lock. The request path does not take it: it reads what
//! an event has published, and reports only what would change something.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    Address, Backend, BackendId,
    event::{BackendChange, Event, OperatorAction},
    journal::Journal,
    memory::Memory,
    policy::Policy,
    probes::probe_at,
    published::{NEVER, PublishedState},
    standing::Standing,
    tally::{Tally, TallyEntry},
};
use crate::config::PoolName;

/// The process before this one may tell of what happened so long ago.
const BEFORE: Duration = Duration::from_secs(3600);

/// The backends of one pool, by address.
#[derive(Debug)]
pub struct Roster {
    pool: PoolName,
    pub(super) published: Arc<PublishedState>,
    pub(super) members: Mutex<Members>,
    journal: Arc<Journal>,
}

#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) backends: HashMap<Address, Arc<Backend>>,
    tally: Tally,
    /// Who waits for a probe, by when it is due; and from when on any request may be it.
    pub(super) probes: BTreeMap<(Instant, Address), Instant>,
}

/// What the configuration says about a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSettings {
    /// What it is shown as: host and port as configured.
    pub name: Arc<str>,
    /// Takes no new requests.
    pub drain: bool,
    /// Requests that it may have at once.
    pub max_connections: Option<usize>,
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
        /// As in [`PoolChange::PanicBegan`].
        unhealthy: usize,
        /// As in [`PoolChange::PanicBegan`].
        listening: usize,
    },
    /// No backend can take a request any more.
    Unavailable,
    /// A backend can take requests again.
    Available,
}

impl Roster {
    /// Without backends. What happens to them is told to the journal.
    #[must_use]
    pub fn new(pool: PoolName, journal: Arc<Journal>, now: Instant) -> Self {
        let published = PublishedState {
            start: now.checked_sub(BEFORE).unwrap_or(now),
            changes: AtomicU64::new(0),
            panic: AtomicBool::new(false),
            panics: AtomicU64::new(0),
            empty: AtomicBool::new(false),
            probe_due: AtomicU64::new(NEVER),
            any_probe_due: AtomicU64::new(NEVER),
        };
        Self { pool, published: Arc::new(published), members: Mutex::default(), journal }
    }

    /// The pool whose backends these are.
    #[must_use]
    pub fn pool(&self) -> &PoolName {
        &self.pool
    }

    /// Where it is told what happened.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How often what the selection goes by has changed: who is in service, and since when.
    /// Whoever keeps something that was computed from it compares this.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.published.changes.load(Ordering::Acquire)
    }

    /// The backend at this address: the one that is known, or a first one.
    #[must_use]
    pub fn backend(&self, address: &Address) -> Arc<Backend> {
        let mut members = self.members.lock();
        if let Some(backend) = members.backends.get(address) {
            return Arc::clone(backend);
        }
        let id = BackendId { pool: self.pool.clone(), address: address.clone() };
        let name = address.to_string().into();
        let address = address.clone();
        let backend = Arc::new(Backend::new(id, name, Arc::clone(&self.published)));
        members.backends.insert(address, Arc::clone(&backend));
        members.tally.add(TallyEntry::of(&Standing::default(), self.published.start));
        backend
    }

    /// Takes over a configuration: these are the backends from now on, on these terms. Whoever is
    /// not among them is forgotten, and ends as a backend when its last request does.
    ///
    /// Returns what changed, for the caller to log.
    pub fn enlist(
        &self,
        terms: &HashMap<Address, BackendSettings>,
        policy: &Policy,
        now: Instant,
    ) -> Vec<PoolChange> {
        self.members.lock().retain(|address| terms.contains_key(address), now);
        let mut notices = vec![];
        for (address, terms) in terms {
            let backend = self.backend(address);
            backend.set_name(&terms.name);
            backend.set_limit(terms.max_connections);
            if !policy.checked {
                notices.extend(self.apply(&backend, Event::ChecksEnded, policy, now));
            }
            notices.extend(self.apply(&backend, Event::Drain(terms.drain), policy, now));
        }
        notices
    }

    /// Applies an event to a backend of this roster, and publishes what follows. What befalls one
    /// that the roster has forgotten meanwhile concerns nobody.
    ///
    /// Returns what changed, for the caller to log.
    pub fn apply(
        &self,
        backend: &Arc<Backend>,
        event: Event,
        policy: &Policy,
        now: Instant,
    ) -> Vec<PoolChange> {
        let mut members = self.members.lock();
        let mut notices = vec![];
        if !members.has(backend) {
            return notices;
        }
        let mut changed = members.update(backend, &mut notices, now, |standing, tally| {
            let has_room = tally.has_room(TallyEntry::of(standing, now));
            standing.apply(event, policy, has_room, now)
        });
        if let Event::Operator(OperatorAction::Weight(weight)) = event
            && backend.set_weight(weight)
        {
            changed = true;
            notices.push(PoolChange::Backend(
                Arc::clone(backend),
                BackendChange::WeightChanged(weight),
            ));
        }
        if members.tally.is_nobody_left() {
            changed |= members.lift(&mut notices, now);
        }
        self.publish(&members, policy, changed, &mut notices);
        notices
    }

    fn publish(
        &self,
        members: &Members,
        policy: &Policy,
        mut changed: bool,
        notices: &mut Vec<PoolChange>,
    ) {
        changed |= self.publish_panic(members, policy, notices);
        self.publish_empty(members, notices);
        self.publish_probes(members);
        // Release: who sees the new count sees what it counts.
        if changed {
            self.published.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// What the next process should know of every backend.
    #[must_use]
    pub fn remember(&self, now: Instant) -> Vec<Memory> {
        let members = self.members.lock();
        let memory = |backend: &Arc<Backend>| Memory::of(backend, &backend.standing.lock(), now);
        members.backends.values().map(memory).collect()
    }

    /// Takes over what the process before knew; of backends that are not in this roster, nothing,
    /// and of what its checks have said only where they are the same as ours.
    ///
    /// Returns what changed, for the caller to log.
    pub fn recall(
        &self,
        memories: &[Memory],
        policy: &Policy,
        has_same_checks: bool,
        now: Instant,
    ) -> Vec<PoolChange> {
        let mut members = self.members.lock();
        let mut notices = vec![];
        let mut changed = false;
        for memory in memories {
            if let Some(backend) = members.backends.get(&memory.address).cloned() {
                changed |= members.replace(&backend, now, |standing, _| {
                    memory.recall(&backend, standing, has_same_checks, now);
                });
            }
        }
        // Those who were left there may be no backends here.
        if members.tally.is_nobody_left() {
            changed |= members.lift(&mut notices, now);
        }
        self.publish(&members, policy, changed, &mut notices);
        notices
    }

    fn publish_panic(
        &self,
        members: &Members,
        policy: &Policy,
        notices: &mut Vec<PoolChange>,
    ) -> bool {
        let on = members.tally.is_panic(policy.panic_threshold);
        if self.published.panic.swap(on, Ordering::Relaxed) == on {
            return false;
        }
        self.published.panics.fetch_add(u64::from(on), Ordering::Relaxed);
        for backend in members.backends.values() {
            backend.publish();
        }
        let (unhealthy, listening) = members.tally.unhealthy();
        notices.push(if on {
            PoolChange::PanicBegan { unhealthy, listening }
        } else {
            PoolChange::PanicEnded { unhealthy, listening }
        });
        true
    }

    fn publish_empty(&self, members: &Members, notices: &mut Vec<PoolChange>) {
        let empty = members.tally.is_empty(self.published.is_panic());
        if self.published.empty.swap(empty, Ordering::Relaxed) != empty {
            notices.push(if empty { PoolChange::Unavailable } else { PoolChange::Available });
        }
    }

    /// Whether so many are unhealthy that checks are not believed.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.published.is_panic()
    }

    /// How often panic has begun.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.published.panics.load(Ordering::Relaxed)
    }
}

impl Members {
    fn has(&self, backend: &Arc<Backend>) -> bool {
        let known = self.backends.get(&backend.id().address);
        known.is_some_and(|known| Arc::ptr_eq(known, backend))
    }

    fn retain(&mut self, is_wanted: impl Fn(&Address) -> bool, now: Instant) {
        let Self { backends, tally, probes } = self;
        backends.retain(|address, backend| {
            let stays = is_wanted(address);
            if !stays {
                tally.remove(TallyEntry::of(&backend.standing.lock(), now));
            }
            stays
        });
        probes.retain(|(_, address), _| is_wanted(address));
    }

    /// An event befalls a standing. Returns whether what is published has changed.
    pub(super) fn update(
        &mut self,
        backend: &Arc<Backend>,
        notices: &mut Vec<PoolChange>,
        now: Instant,
        change: impl FnOnce(&mut Standing, &Tally) -> Option<BackendChange>,
    ) -> bool {
        self.replace(backend, now, |standing, tally| {
            let before = TallyEntry::of(standing, now);
            if let Some(change) = change(standing, tally) {
                if let BackendChange::Ejected(cause, ..) = change {
                    backend.counts().ejected(cause);
                }
                notices.push(PoolChange::Backend(Arc::clone(backend), change));
            }
            let after = TallyEntry::of(standing, now);
            // One that panic has used has served all the time.
            if after.in_service && !before.in_service && !backend.is_open() {
                standing.serving_since = Some(now);
                // What it took before it went says nothing about it now.
                backend.latency().forget();
            }
        })
    }

    /// Changes a standing, and everything that is counted from it. Returns whether what is
    /// published has changed.
    fn replace(
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
        change(&mut standing, &self.tally);
        let after = TallyEntry::of(&standing, now);
        if let Some(at) = probe_at(&standing) {
            self.probes.insert((at, address.clone()), standing.any_probe_from(at));
        }
        self.tally.remove(before);
        self.tally.add(after);
        drop(standing);
        backend.publish()
    }

    /// Lets back in whoever can be.
    fn lift(&mut self, notices: &mut Vec<PoolChange>, now: Instant) -> bool {
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
