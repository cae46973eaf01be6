//! The state of a pool that outlives its configuration: roster, membership, queue, and the figures
//! learned from its requests.
//!
//! A reload makes another [`Pool`](super::Pool) of the same name, which goes on with this. So
//! requests in the queue stay in line, and a request of an older configuration gets a backend of the
//! newest membership.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Instant,
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use pingora_core::Result;
use tokio::sync::Notify;

use super::{
    counts::Counts,
    lease::{Lease, Lender},
    membership::Membership,
    queue::{Places, Queue},
    request::{PickRequest, Unavailable},
};
use crate::backend::{Backend, Event, Roster};
use crate::clock;
use crate::retry::{Budget, Quantile};
use crate::state_log::{self, ChangeCause};

/// The state of one pool.
pub(super) struct PoolState {
    pub(super) roster: Arc<Roster>,
    pub(super) queue: Queue<Lease>,
    pub(super) budget: Budget,
    /// How long the first byte of an answer usually takes.
    pub(super) first_byte: Quantile,
    pub(super) counts: Counts,
    /// The number of backends in each state, and when they were counted.
    pub(super) states: Mutex<Option<(Instant, BTreeMap<&'static str, usize>)>>,
    /// Notified when a change of members may have brought backends that were never checked.
    pub(super) joined: Notify,
    membership: ArcSwap<Membership>,
    /// Held while the membership changes: one change after the other.
    changing: tokio::sync::Mutex<()>,
}

impl PoolState {
    pub(super) fn new(roster: Arc<Roster>, membership: Membership, now: Instant) -> Self {
        Self {
            roster,
            queue: Queue::new(),
            budget: Budget::new(now),
            first_byte: Quantile::default(),
            counts: Counts::default(),
            states: Mutex::default(),
            joined: Notify::new(),
            membership: ArcSwap::from_pointee(membership),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    /// The membership that serves now.
    pub(super) fn membership(&self) -> Guard<Arc<Membership>> {
        self.membership.load()
    }

    /// The lender to which leases of this pool are given back.
    pub(super) fn as_lender(self: &Arc<Self>) -> Weak<dyn Lender> {
        let lender: Weak<Self> = Arc::downgrade(self);
        lender
    }

    /// Replaces the membership: new backends are enlisted, and start slowly if others serve
    /// already; those that left get no new requests and are forgotten. There is no moment at which
    /// a request finds neither the old ones nor the new ones.
    pub(super) async fn change(&self, next: Arc<Membership>, now: Instant) -> Result<()> {
        let _changing = self.changing.lock().await;
        let before = self.membership.load_full();
        self.enlist(&next, now);
        // The loop of a new balancer begins with a check of all backends.
        let is_under_way = Arc::ptr_eq(&before.balancer, &next.balancer) && !before.is_empty();
        if !Arc::ptr_eq(&before, &next) {
            if is_under_way {
                self.membership.store(Arc::new(next.with_leaving(&before)));
            }
            next.balancer.update(next.discovered()).await?;
        }
        self.membership.store(next);
        self.states.lock().take();
        if is_under_way {
            self.joined.notify_one();
        }
        self.queue.serve(self);
        Ok(())
    }

    /// Tells the roster which backends exist, and their settings.
    pub(super) fn enlist(&self, membership: &Membership, now: Instant) {
        let changes = self.roster.enlist(&membership.settings(), &membership.policy, now);
        state_log::record(&self.roster, &changes, ChangeCause::Implied, now);
    }

    pub(super) fn pick(
        &self,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        loop {
            let membership = self.membership();
            let picked = membership.pick(&self.roster, request, now);
            // While the membership changed, the balancer may have offered only members that this
            // pick did not know.
            if picked.is_ok() || Arc::ptr_eq(&membership, &self.membership()) {
                return picked;
            }
        }
    }

    pub(super) fn apply(&self, backend: &Arc<Backend>, event: Event, now: Instant) {
        let changes = self.roster.apply(backend, event, &self.membership().policy, now);
        state_log::record(&self.roster, &changes, ChangeCause::Implied, now);
    }
}

impl Places<Lease> for PoolState {
    fn find(&self, request: &PickRequest<'_>) -> Result<Lease, Unavailable> {
        self.pick(request, clock::now())
    }

    fn has_free(&self) -> bool {
        let membership = self.membership();
        membership.members().iter().any(|member| member.backend.is_eligible())
            || self.roster.next_probe(true, clock::now()).is_some()
    }
}

impl Lender for PoolState {
    fn given_back(&self, backend: &Arc<Backend>, was_probe: bool) {
        if was_probe {
            self.apply(backend, Event::ProbeEnded, clock::now());
        }
        self.queue.serve(self);
    }
}
