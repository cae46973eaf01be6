//! Everything that crosses between Pingora's load balancer and us.
//!
//! - Pingora learns the backends of a pool from [`Announced`], when it is told to update. It
//!   notices a change by address and weight alone, so other properties that the selector must
//!   notice are encoded in the weight: see [`discovered`].
//! - It then builds a selector of ours, [`PingoraSelector`], and replaces the previous one as a
//!   whole. State that must survive is in the [`Roster`] and in the [`Succession`], which Pingora
//!   keeps as the selector's configuration.
//! - It asks the selector for one backend after the other, and a closure of ours claims one.
//! - Its background loop checks the health of the backends of the last update. An update does not
//!   restart the loop.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use pingora_core::{Result, server::ShutdownWatch, services::ServiceReadyNotifier};
pub use pingora_load_balancing::Backend as Discovered;
use pingora_load_balancing::{
    Backends, LoadBalancer,
    discovery::ServiceDiscovery,
    health_check::HealthCheck,
    selection::{BackendIter, BackendSelection},
};
use tokio::sync::{Mutex, watch};

use super::{
    members::{Member, Members},
    picks::{Picks, Rehearsal},
    selector::{Selector, SelectorConfig},
};
use crate::backend::{Address, BackendSettings, Policy, Roster};
use crate::clock;
use crate::config::{Algorithm, PoolName, Weight};

/// How backends are judged of which no configuration speaks.
const UNCHECKED: Policy =
    Policy { rise: 1, fall: 1, checked: false, ejection: None, panic_threshold: None };
/// Marks the weight of a backup.
const BACKUP: usize = 1 << (usize::BITS - 1);

/// A backend as Pingora knows it; `None` for a Unix socket.
#[must_use]
pub fn discovered(address: &Address, weight: Weight, is_backup: bool) -> Option<Discovered> {
    Some(Discovered {
        addr: address.tcp()?.into(),
        weight: usize::from(weight.get()) | if is_backup { BACKUP } else { 0 },
        ext: http::Extensions::new(),
    })
}

fn address(discovered: &Discovered) -> Option<Address> {
    discovered.addr.as_inet().map(|address| Address::Tcp(*address))
}

/// The backend of this roster that Pingora knows as `discovered`; `None` for one that the roster has
/// forgotten, and for a Unix socket.
fn member(discovered: &Discovered, roster: &Roster) -> Option<Member> {
    let address = address(discovered)?;
    // A weight of zero would make a backend that is never found; the configuration excludes it.
    let weight = (discovered.weight & !BACKUP) as u64;
    Some(Member {
        backend: roster.known(&address)?,
        weight: weight.clamp(1, u64::from(Weight::MAX)),
        is_backup: discovered.weight & BACKUP != 0,
        discovered: discovered.clone(),
    })
}

/// The selectors of one pool in succession: each goes on where the one before it stopped.
#[derive(Debug)]
pub struct Succession {
    config: SelectorConfig,
    latest: ArcSwapOption<Selector>,
}

impl Succession {
    /// A succession without a selector yet.
    #[must_use]
    pub fn new(config: SelectorConfig) -> Arc<Self> {
        Arc::new(Self { config, latest: ArcSwapOption::empty() })
    }

    fn next(&self, discovered: &BTreeSet<Discovered>) -> Arc<Selector> {
        let members = discovered.iter().filter_map(|it| member(it, &self.config.roster));
        let members = Members::new(members);
        let next = Arc::new(match &*self.latest.load() {
            Some(latest) => latest.followed_by(members),
            None => Selector::first(members, self.config.clone()),
        });
        self.latest.store(Some(Arc::clone(&next)));
        next
    }
}

/// The selector that Pingora holds and replaces.
#[derive(Debug)]
pub struct PingoraSelector(pub(super) Arc<Selector>);

impl BackendSelection for PingoraSelector {
    type Iter = Picks;
    type Config = Arc<Succession>;

    fn build_with_config(discovered: &BTreeSet<Discovered>, config: &Arc<Succession>) -> Self {
        Self(config.next(discovered))
    }

    /// With the default algorithm and live state of its own. Only Pingora's interface asks for this;
    /// all of `discovered` serve.
    fn build(discovered: &BTreeSet<Discovered>) -> Self {
        let now = clock::now();
        let roster = Roster::new(PoolName::new(""), Arc::default(), now);
        let settings = |address: Address| {
            let name = address.to_string().into();
            (address, BackendSettings { name, drain: false, max_connections: None })
        };
        let backends = discovered.iter().filter_map(address).map(settings).collect();
        roster.enlist(&backends, &UNCHECKED, now);
        let config = SelectorConfig {
            algorithm: Algorithm::default(),
            roster: Arc::new(roster),
            slow_start: Duration::ZERO,
            seed: 0,
        };
        Self::build_with_config(discovered, &Succession::new(config))
    }

    /// The key is the request's hash key. No algorithm here depends on it yet.
    fn iter(self: &Arc<Self>, _key: &[u8]) -> Picks {
        Picks::of(Arc::clone(&self.0))
    }
}

impl BackendIter for Picks {
    fn next(&mut self) -> Option<&Discovered> {
        let member = self.advance()?;
        Some(self.discovered(member))
    }
}

/// The backends that Pingora is to take over at its next update.
#[derive(Clone, Default)]
struct Announced(Arc<ArcSwap<BTreeSet<Discovered>>>);

#[async_trait]
impl ServiceDiscovery for Announced {
    async fn discover(&self) -> Result<(BTreeSet<Discovered>, HashMap<u64, bool>)> {
        Ok((BTreeSet::clone(&self.0.load()), HashMap::new()))
    }
}

/// Pingora's load balancer of one pool.
pub struct Balancer {
    pingora: LoadBalancer<PingoraSelector>,
    succession: Arc<Succession>,
    announced: Announced,
    /// Held during an update: Pingora's updates must not overlap.
    updating: Mutex<()>,
}

impl Balancer {
    /// A balancer without backends.
    #[must_use]
    pub fn new(config: SelectorConfig) -> Self {
        let succession = Succession::new(config);
        let announced = Announced::default();
        let backends = Backends::new(Box::new(announced.clone()));
        let config = Some(Arc::clone(&succession));
        let pingora = LoadBalancer::from_backends_with_config(backends, config);
        Self { pingora, succession, announced, updating: Mutex::new(()) }
    }

    /// Checks the health of every backend at this interval while [`Balancer::run`] runs.
    #[must_use]
    pub fn checked_by(
        mut self,
        check: Box<dyn HealthCheck + Send + Sync>,
        interval: Duration,
    ) -> Self {
        self.pingora.set_health_check(check);
        self.pingora.health_check_frequency = Some(interval);
        self.pingora.parallel_health_check = true;
        self
    }

    #[cfg(test)]
    pub(super) fn roster(&self) -> &Roster {
        &self.succession.config.roster
    }

    /// Replaces the backends. Turns go on, and so do the checks of those that stay; the others are
    /// checked from the next pass on.
    ///
    /// # Errors
    ///
    /// Pingora's, when it cannot take the backends over; not known to happen.
    pub async fn update(&self, backends: BTreeSet<Discovered>) -> Result<()> {
        let _updating = self.updating.lock().await;
        self.announced.0.store(Arc::new(backends));
        self.pingora.update().await
    }

    /// What `claim` returns for the first backend that it accepts, asked in the order of the
    /// algorithm; `None` when it accepts none. `hash_key` is what the request hashes to.
    pub fn select<T>(
        &self,
        hash_key: Option<u64>,
        claim: impl Fn(&Address) -> Option<T>,
    ) -> Option<T> {
        let key = hash_key.map(u64::to_be_bytes);
        let key = key.as_ref().map_or(&[][..], |key| key);
        let claimed = Cell::new(None);
        self.pingora.select_with(key, usize::MAX, |candidate, _pingoras_verdict| {
            let claim = address(candidate).as_ref().and_then(&claim);
            let is_claimed = claim.is_some();
            claimed.set(claim);
            is_claimed
        })?;
        claimed.into_inner()
    }

    /// What a request that came now would be offered. It takes no turn.
    #[must_use]
    pub fn rehearse(&self) -> Rehearsal {
        self.succession.latest.load().as_deref().map(Picks::rehearse).unwrap_or_default()
    }

    /// Pingora's background loop: the health checks, until shutdown.
    pub async fn run(&self, shutdown: ShutdownWatch) {
        // The loop begins with an update of its own, and says when that is done.
        let updating = self.updating.lock().await;
        let (ready, mut is_ready) = watch::channel(false);
        let first_update = async move {
            // An error says that the loop has ended.
            let _ = is_ready.changed().await;
            drop(updating);
        };
        tokio::join!(
            self.pingora.run(shutdown, Some(ServiceReadyNotifier::new(ready))),
            first_update
        );
    }
}

/// Checks each of these backends once, all at the same time.
///
/// # Errors
///
/// Pingora's, when it cannot take the backends over; not known to happen.
pub async fn check_once(
    check: Box<dyn HealthCheck + Send + Sync>,
    backends: BTreeSet<Discovered>,
) -> Result<()> {
    let announced = Announced::default();
    announced.0.store(Arc::new(backends));
    let mut view = Backends::new(Box::new(announced));
    view.set_health_check(check);
    view.update(|_| {}).await?;
    view.run_health_check(true).await;
    Ok(())
}

impl std::fmt::Debug for Balancer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Balancer").field("succession", &self.succession).finish_non_exhaustive()
    }
}
