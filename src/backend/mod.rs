//! One backend: its identity and its live state.
//!
//! Live state is keyed by pool and address and kept in a [`Registry`], outside both the
//! configuration and Pingora's selector: Pingora rebuilds its selector whenever the set of
//! backends changes, and a reload replaces the configuration, but a request in flight or an
//! ejection must survive both. The same address in two pools is two backends, because two pools
//! may check and judge it differently.

mod counts;
mod event;
mod id;
mod journal;
mod latency;
mod policy;
mod published;
mod roster;
mod standing;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

pub use counts::{CheckResult, Counts};
pub use event::{
    AttemptFailure, BackendChange, DrainedBy, EjectionCause, EjectionEnd, Event, OperatorAction,
    ReadmissionCause,
};
pub use id::{Address, AddressError, BackendId, BackendNames};
pub use journal::{Journal, JournalEntry};
pub use latency::Latency;
pub use policy::Policy;
pub use roster::{BackendSettings, Memory, PoolChange, Registry, Roster};
pub use standing::{Eligibility, Health, Standing};

use published::PublishedState;
use standing::eligibility::{self, Circumstances};

/// The value of a limit that does not exist.
const NO_LIMIT: usize = usize::MAX;
/// The value of a backend that has been in service from the beginning.
const ALWAYS: u64 = 0;
/// The value of a weight that no operator has changed.
const AS_CONFIGURED: u64 = 0;

/// One backend's identity and live state. Shared by everything that deals with it.
///
/// Values that the request path reads are published as single words whenever the standing changes.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    names: ArcSwap<BackendNames>,
    active: AtomicUsize,
    /// The most requests that may be active, or [`NO_LIMIT`].
    limit: AtomicUsize,
    latency: Latency,
    /// When a good answer last began, in milliseconds after the start.
    answered: AtomicU64,
    standing: Mutex<Standing>,
    /// Whether nothing but its load keeps it from a request.
    open: AtomicBool,
    /// Whether an answer would change the standing; spares the request path the lock.
    suspect: AtomicBool,
    /// When it came back into service, in milliseconds after the start, or [`ALWAYS`].
    serving_since: AtomicU64,
    /// The weight that an operator has set, or [`AS_CONFIGURED`].
    weight: AtomicU64,
    counts: Counts,
    pool: Arc<PublishedState>,
}

impl Backend {
    fn new(id: BackendId, name: Arc<str>, pool: Arc<PublishedState>) -> Self {
        Self {
            names: ArcSwap::from_pointee(BackendNames::new(name, &id.address)),
            id,
            active: AtomicUsize::new(0),
            limit: AtomicUsize::new(NO_LIMIT),
            latency: Latency::new(pool.start),
            answered: AtomicU64::new(0),
            standing: Mutex::default(),
            open: AtomicBool::new(true),
            suspect: AtomicBool::new(false),
            serving_since: AtomicU64::new(ALWAYS),
            weight: AtomicU64::new(AS_CONFIGURED),
            counts: Counts::default(),
            pool,
        }
    }

    /// The pool and the address.
    #[must_use]
    pub fn id(&self) -> &BackendId {
        &self.id
    }

    /// The names by which it is shown; a reload may change them.
    #[must_use]
    pub fn names(&self) -> Guard<Arc<BackendNames>> {
        self.names.load()
    }

    fn set_name(&self, name: &Arc<str>) {
        if self.names.load().name != *name {
            let names = BackendNames::new(Arc::clone(name), &self.id.address);
            self.names.store(Arc::new(names));
        }
    }

    /// The number of requests in flight.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// The most requests that it may have at once, if that is limited.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    fn set_limit(&self, limit: Option<usize>) {
        self.limit.store(limit.unwrap_or(NO_LIMIT), Ordering::Relaxed);
    }

    /// The counts of this backend.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The weight that an operator has set, if any. Every change of it is counted in
    /// [`Roster::changes`].
    #[must_use]
    pub fn weight(&self) -> Option<u64> {
        Some(self.weight.load(Ordering::Relaxed)).filter(|weight| *weight != AS_CONFIGURED)
    }

    /// Sets the weight. Returns whether that is a change.
    fn set_weight(&self, weight: Option<u64>) -> bool {
        let weight = weight.unwrap_or(AS_CONFIGURED);
        self.weight.swap(weight, Ordering::Relaxed) != weight
    }

    /// An operator's order to drain it, or not to drain it; `None` without an order.
    #[must_use]
    pub fn ordered_to_drain(&self) -> Option<bool> {
        self.standing.lock().ordered
    }

    /// The expected time to the first byte of an answer.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Counts a request in, unless the backend is full. After `true` the caller owes one
    /// [`Backend::leave`]; take a lease from the pool instead of calling this.
    #[must_use]
    pub fn try_enter(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == NO_LIMIT {
            self.active.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let enter = |active| (active < limit).then_some(active + 1);
        self.active.fetch_update(Ordering::SeqCst, Ordering::Relaxed, enter).is_ok()
    }

    /// Counts a request out.
    pub fn leave(&self) {
        // Either this thread sees a waiting request after this, or the waiting request sees the
        // free slot.
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether it may get a request now: the result of [`Backend::eligibility`], without the reason
    /// and without a lock.
    #[must_use]
    pub fn is_eligible(&self) -> bool {
        self.is_open() && !self.is_full()
    }

    /// Whether nothing but its load keeps it from a request. Every change of this is counted in
    /// [`Roster::changes`].
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    fn is_full(&self) -> bool {
        self.active() >= self.limit.load(Ordering::Relaxed)
    }

    /// Whether it may get a request, and why not.
    #[must_use]
    pub fn eligibility(&self, now: Instant) -> Eligibility {
        self.state(now).0
    }

    /// The result of [`Backend::eligibility`], and when that state began. `None` for a full backend,
    /// which is full for as long as requests last, and for one that only panic makes eligible.
    #[must_use]
    pub fn state(&self, now: Instant) -> (Eligibility, Option<Instant>) {
        let around = Circumstances { panic: self.pool.is_panic(), full: self.is_full() };
        let standing = self.standing.lock();
        let state = eligibility::of(&standing, around, now);
        (state, standing.since(state))
    }

    /// When it came back into service; `None` if it has always been.
    #[must_use]
    pub fn serving_since(&self) -> Option<Instant> {
        match self.serving_since.load(Ordering::Relaxed) {
            ALWAYS => None,
            after => Some(self.pool.start + Duration::from_millis(after)),
        }
    }

    /// Whether an active check has ended.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.standing.lock().health != Health::Unchecked
    }

    /// Whether its ejection was cut short, because the pool could not spare another one.
    #[must_use]
    pub fn is_hastened(&self) -> bool {
        self.standing.lock().ejection.is_some_and(|ejection| ejection.hastened_from.is_some())
    }

    /// Whether a good answer would change the standing, so that it must be reported.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Notes that a good answer has begun.
    pub fn note_answer(&self, now: Instant) {
        let now = self.pool.millis(now);
        // Written at most once a millisecond, so that threads do not contend for the cache line.
        if self.answered.load(Ordering::Relaxed) < now {
            self.answered.store(now, Ordering::Relaxed);
        }
    }

    /// The later of an instant and the last good answer.
    #[must_use]
    pub fn since_answer(&self, began: Instant) -> Instant {
        began.max(self.pool.start + Duration::from_millis(self.answered.load(Ordering::Relaxed)))
    }

    /// Publishes the values that the request path reads. Returns whether a value has changed that
    /// the selection uses.
    fn publish(&self) -> bool {
        let standing = self.standing.lock();
        let around = Circumstances { panic: self.pool.is_panic(), full: false };
        // Any instant will do here: an ejection ends by an event.
        let open = eligibility::of(&standing, around, self.pool.start).is_eligible();
        let was_open = self.open.swap(open, Ordering::Relaxed);
        self.suspect.store(standing.is_suspect(), Ordering::Relaxed);
        let since = standing.serving_since.map_or(ALWAYS, |since| self.pool.millis(since).max(1));
        self.serving_since.swap(since, Ordering::Relaxed) != since || was_open != open
    }
}
