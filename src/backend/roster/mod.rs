//! The backends of one pool, and the events that change them.
//!
//! Some decisions about a backend are decisions about its pool: how many may be ejected, whether a
//! backend is left, whether the pool panics. So every event goes through here, one at a time, under
//! one lock. The request path does not take the lock: it reads the values that an event has
//! published, and reports only outcomes that would change a standing.

mod members;
mod memory;
mod probes;
mod registry;
mod tally;

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub use members::PoolChange;
pub use memory::Memory;
use parking_lot::Mutex;
pub use registry::Registry;

use super::{
    Address, Backend, BackendId,
    event::{BackendChange, Event, OperatorAction},
    journal::Journal,
    policy::Policy,
    published::{NEVER, PublishedState},
    standing::Standing,
};
use crate::config::PoolName;
use crate::count::Changes;
use members::Members;
use tally::TallyEntry;

/// The age up to which instants of the process before this one can be represented.
const BEFORE: Duration = Duration::from_secs(3600);

/// The backends of one pool, by address.
#[derive(Debug)]
pub struct Roster {
    pool: PoolName,
    published: Arc<PublishedState>,
    members: Mutex<Members>,
    journal: Arc<Journal>,
}

/// The settings of a backend in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSettings {
    /// The name by which it is shown: host and port as configured.
    pub name: Arc<str>,
    /// Takes no new requests.
    pub drain: bool,
    /// The most requests that it may have at once.
    pub max_connections: Option<usize>,
}

impl Roster {
    /// A roster without backends. Their changes go to this journal.
    #[must_use]
    pub fn new(pool: PoolName, journal: Arc<Journal>, now: Instant) -> Self {
        let published = PublishedState {
            start: now.checked_sub(BEFORE).unwrap_or(now),
            changes: Changes::default(),
            panic: AtomicBool::new(false),
            panics: AtomicU64::new(0),
            empty: AtomicBool::new(false),
            probe_due: AtomicU64::new(NEVER),
            any_probe_due: AtomicU64::new(NEVER),
            has_last_resort: AtomicBool::new(false),
        };
        Self { pool, published: Arc::new(published), members: Mutex::default(), journal }
    }

    /// The pool whose backends these are.
    #[must_use]
    pub fn pool(&self) -> &PoolName {
        &self.pool
    }

    /// The journal of this pool's changes.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The number of changes to the values that the selection uses: which backends are in service,
    /// and since when. Code that keeps a value computed from them compares this number.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.published.changes.get()
    }

    /// The backend at this address; `None` if the roster does not know it.
    #[must_use]
    pub fn known(&self, address: &Address) -> Option<Arc<Backend>> {
        self.members.lock().backends.get(address).cloned()
    }

    /// The backend at this address: the one that is known, or a candidate. A candidate counts for
    /// nothing, and nothing befalls it, until [`Roster::enlist`] makes it known; as long as it is in
    /// use it is the same for every caller.
    #[must_use]
    pub fn candidate(&self, address: &Address) -> Arc<Backend> {
        let mut members = self.members.lock();
        if let Some(backend) = members.backends.get(address) {
            return Arc::clone(backend);
        }
        let candidate = members.candidates.get(address).and_then(Weak::upgrade);
        candidate.unwrap_or_else(|| {
            let backend = self.first(address);
            members.candidates.insert(address.clone(), Arc::downgrade(&backend));
            backend
        })
    }

    fn first(&self, address: &Address) -> Arc<Backend> {
        let id = BackendId { pool: self.pool.clone(), address: address.clone() };
        let name = address.to_string().into();
        Arc::new(Backend::new(id, name, Arc::clone(&self.published)))
    }

    /// The backend at this address, and whether it was not known before.
    fn enlisted(&self, members: &mut Members, address: &Address) -> (Arc<Backend>, bool) {
        if let Some(backend) = members.backends.get(address) {
            return (Arc::clone(backend), false);
        }
        let candidate = members.candidates.remove(address).and_then(|it| it.upgrade());
        let backend = candidate.unwrap_or_else(|| self.first(address));
        members.backends.insert(address.clone(), Arc::clone(&backend));
        members.tally.add(TallyEntry::of(&Standing::default(), self.published.start));
        (backend, true)
    }

    /// The backend at this address, known from now on if it was not before.
    #[cfg(test)]
    pub(crate) fn backend(&self, address: &Address) -> Arc<Backend> {
        self.enlisted(&mut self.members.lock(), address).0
    }

    /// Takes over a configuration: from now on the pool has these backends, with these settings.
    /// Backends that are not listed are removed from the roster; a removed backend is freed when
    /// its last request ends.
    ///
    /// Returns what changed, for the caller to log.
    pub fn enlist(
        &self,
        terms: &HashMap<Address, BackendSettings>,
        policy: &Policy,
        now: Instant,
    ) -> Vec<PoolChange> {
        let others_serve = {
            let mut members = self.members.lock();
            members.retain(|address| terms.contains_key(address), now);
            !members.backends.is_empty()
        };
        let mut notices = vec![];
        for (address, terms) in terms {
            let (backend, is_new) = self.enlisted(&mut self.members.lock(), address);
            backend.set_name(&terms.name);
            backend.set_limit(terms.max_connections);
            if is_new && others_serve {
                notices.extend(self.apply(&backend, Event::Joined, policy, now));
            }
            if !policy.checked {
                notices.extend(self.apply(&backend, Event::ChecksEnded, policy, now));
            }
            notices.extend(self.apply(&backend, Event::Drain(terms.drain), policy, now));
        }
        notices
    }

    /// Applies an event to a backend of this roster, and publishes what follows. Events of a
    /// backend that the roster has removed meanwhile are ignored.
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
        if members.tally.must_lift() {
            changed |= members.lift(&mut notices, now);
        }
        // A backend that fails this often is no better than those that are out.
        if matches!(event, Event::AttemptFailed(_))
            && backend.standing.lock().is_kept_for_want_of_another(policy, now)
        {
            members.hasten_probe(now);
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
        // Counted last, so that no reader sees the count before the words.
        if changed {
            self.published.changes.note();
        }
    }

    /// The state of every backend for the next process.
    #[must_use]
    pub fn remember(&self, now: Instant) -> Vec<Memory> {
        let members = self.members.lock();
        let memory = |backend: &Arc<Backend>| Memory::of(backend, &backend.standing.lock(), now);
        members.backends.values().map(memory).collect()
    }

    /// Takes over the state of the process before this one. Backends that are not in this roster
    /// are skipped, and results of checks count only if both processes check in the same way.
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
        // The backends that were in service there may not exist here.
        if members.tally.must_lift() {
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

    /// Whether the pool panics: more than the threshold of its backends are unhealthy, so that
    /// checks are ignored.
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
