//! One configuration made live.
//!
//! Routes, pools and everything else that serves a request are published together and pinned
//! together: a request sees one configuration from its first byte to its last.

mod listener;
mod redirect;
mod reloads;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use arc_swap::ArcSwap;
use pingora_core::{Error, ErrorType, Result};
use tokio::sync::watch;

pub use listener::ListenerSettings;
pub use redirect::{REDIRECT_STATUS, redirect_location, redirect_port};
pub use reloads::{FailedReload, LastReload, NOT_RELOADED, Reloads};

use crate::acme::{Challenges, Progress};
use crate::backend::{JournalEntry, Registry};
use crate::clock;
use crate::config::{
    Config, Endpoint, ListenAddress, PoolName, Route, Shutdown, Tls, TlsEndpoint, Traceparent,
};
use crate::count::ListenerCounts;
use crate::discovery::ResolvedBackends;
use crate::headers::TrustedProxies;
use crate::pool::{self, Pool, Pools};
use crate::route::RouteTable;
use crate::target::{Action, Filter, RouteRegistry, Target};
use crate::telemetry::AccessLog;
use crate::tls::{CertificateFacts, TlsListener, TlsListeners, UntrustedHosts, untrusted_hosts};
use crate::tracing::Tracer;

/// What has been opened and read for a configuration.
#[derive(Debug, Default)]
pub struct Opened {
    /// The access log; `None` without one.
    pub access_log: Option<Arc<AccessLog>>,
    /// Records requests for a collector; `None` if nothing is recorded.
    pub tracer: Option<Arc<Tracer>>,
    /// The listeners with TLS, and their certificates.
    pub tls: TlsListeners,
}

impl From<Option<Arc<AccessLog>>> for Opened {
    /// Without TLS.
    fn from(access_log: Option<Arc<AccessLog>>) -> Self {
        Self { access_log, ..Self::default() }
    }
}

/// One configuration made live.
#[derive(Debug)]
pub struct Generation {
    /// The number of this generation in its process, from 1.
    pub number: u64,
    /// The routes by host and path.
    routes: RouteTable,
    /// The target of each route, by the route's place in the configuration.
    targets: Vec<Target>,
    /// Every pool, whether a route leads to it or not.
    pools: Pools,
    /// The settings of each listener, for its connections.
    listeners: HashMap<ListenAddress, Arc<ListenerSettings>>,
    /// What handshakes need, for each place where clients speak TLS.
    tls: TlsListeners,
    /// The answers to an authority that asks for a proof; `None` if the configuration orders nothing.
    pub challenges: Option<Challenges>,
    /// The proxies whose statements about clients are believed.
    pub trusted: TrustedProxies,
    /// Whether clients of some listener are asked for a certificate.
    pub asks_for_certificates: bool,
    /// The access log; `None` without one.
    pub access_log: Option<Arc<AccessLog>>,
    /// Records requests for a collector; `None` if nothing is recorded.
    pub tracer: Option<Arc<Tracer>>,
    /// The whole configuration.
    pub config: Arc<Config>,
    /// How a request without a trace is treated.
    pub traceparent: Traceparent,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// Whether the configuration is loaded again whenever its file changes.
    pub watch: bool,
}

impl Generation {
    /// The target of a request, and the place of its route in the configuration; `None` if no route
    /// matches.
    #[must_use]
    pub fn route(&self, host: Option<&str>, path: &str) -> Option<(usize, &Target)> {
        let route = self.routes.find(host, path)?;
        Some((route, self.target(route)?))
    }

    /// The target of the route at this place in the configuration.
    #[must_use]
    pub fn target(&self, route: usize) -> Option<&Target> {
        self.targets.get(route)
    }

    /// Every route with its target, in the order of the configuration.
    pub fn targets(&self) -> impl Iterator<Item = (&Route, &Target)> {
        self.config.routes.iter().zip(&self.targets)
    }

    /// The pool of this name.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<&Arc<Pool>> {
        self.pools.get(name)
    }

    /// Every pool, whether a route leads to it or not, in the order of the configuration.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.config.pools.iter().filter_map(|pool| self.pools.get(&pool.name))
    }

    /// The pools that a route leads to and in which no backend can take a request, by name.
    #[must_use]
    pub fn pools_without_backend(&self, now: Instant) -> Vec<PoolName> {
        let pools = self.targets.iter().map(|target| match target.action() {
            Action::Pool(pool) => pool,
        });
        let pools = pools.filter(|pool| pool.is_unavailable(now));
        let mut names: Vec<_> = pools.map(|pool| pool.name().clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether the first round of checks of every pool is over.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.pools.is_checked()
    }

    /// What handshakes at this place need; `None` where clients speak no TLS.
    #[must_use]
    pub fn tls(&self, endpoint: &Endpoint) -> Option<&Arc<TlsListener>> {
        self.tls.get(endpoint)
    }

    /// Every place where clients speak TLS, in the order of the configuration.
    pub fn tls_listeners(&self) -> impl Iterator<Item = (TlsEndpoint<'_>, &Arc<TlsListener>)> {
        let places = self.config.tls_endpoints();
        places.filter_map(|place| self.tls(&place.endpoint).map(|ready| (place, ready)))
    }

    /// Every certificate with the place where clients get it, in the order of the configuration.
    pub fn certificates(&self) -> impl Iterator<Item = (Endpoint, CertificateFacts)> {
        self.tls_listeners().flat_map(|(place, tls)| {
            let certificates = tls.certificates().into_iter();
            certificates.map(move |certificate| (place.endpoint.clone(), certificate.facts))
        })
    }

    /// The hosts that have no certificate which clients trust at this moment.
    #[must_use]
    pub fn untrusted_hosts(&self, now: SystemTime) -> UntrustedHosts {
        let all: Vec<_> = self.certificates().map(|(_, facts)| facts).collect();
        untrusted_hosts(&all, now)
    }

    /// What holds for the connections of this listener, by its address as configured; `None` when the
    /// configuration does not name it.
    #[must_use]
    pub fn listener(&self, address: &ListenAddress) -> Option<&Arc<ListenerSettings>> {
        self.listeners.get(address)
    }
}

/// The generation that serves requests now, and the state that outlives it.
#[derive(Debug)]
pub struct Current {
    generation: ArcSwap<Generation>,
    listeners: Vec<Arc<ListenerCounts>>,
    started: Instant,
    reloads: Reloads,
    registry: Registry,
    routes: RouteRegistry,
    pools: watch::Sender<Pools>,
    orders: Arc<Progress>,
}

impl Current {
    /// Makes the first configuration live.
    ///
    /// # Errors
    ///
    /// As for [`Current::publish`].
    pub async fn new(
        config: &Config,
        resolved: &ResolvedBackends,
        opened: impl Into<Opened>,
        now: Instant,
    ) -> Result<Self> {
        let registry = Registry::default();
        let prepared = Pools::prepare(config, resolved, &registry, None, now)?;
        let routes = RouteRegistry::default();
        let targets = targets(config, prepared.pools(), &routes)?;
        let generation = generation(config, prepared.pools().clone(), targets, opened.into(), 1);
        let pools = prepared.take_effect(&registry, now).await?;
        let listeners = config.listeners.iter().map(|listener| listener.address.to_string());
        Ok(Self {
            generation: ArcSwap::from_pointee(generation),
            listeners: listeners
                .map(|address| Arc::new(ListenerCounts::new(address, now)))
                .collect(),
            started: now,
            reloads: Reloads::new(clock::wall()),
            registry,
            routes,
            pools: watch::Sender::new(pools),
            orders: Arc::default(),
        })
    }

    /// Makes another configuration live. Requests that began before are served by the previous one
    /// to their end; pools that did not change go on undisturbed.
    ///
    /// # Errors
    ///
    /// If a route leads to a pool that does not exist, which `config` excludes; nothing has changed
    /// then. Otherwise as for [`Pool::change_members`].
    pub async fn publish(
        &self,
        config: &Config,
        resolved: &ResolvedBackends,
        opened: impl Into<Opened>,
        now: Instant,
    ) -> Result<()> {
        let before = self.pin();
        let previous = Some(&before.pools);
        let prepared = Pools::prepare(config, resolved, &self.registry, previous, now)?;
        let targets = targets(config, prepared.pools(), &self.routes)?;
        let number = before.number + 1;
        let next = generation(config, prepared.pools().clone(), targets, opened.into(), number);
        let pools = prepared.take_effect(&self.registry, now).await?;
        self.routes.retain(&config.routes);
        self.generation.store(Arc::new(next));
        self.pools.send_replace(pools);
        Ok(())
    }

    /// The generation of a request that begins now; it lives as long as the request holds it.
    #[must_use]
    pub fn pin(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// The state of every pool for the next process.
    #[must_use]
    pub fn remember(&self, now: Instant) -> Vec<pool::Memory> {
        self.pin().pools.iter().map(|pool| pool.remember(now)).collect()
    }

    /// Goes on from the state of the process before; pools that do not exist here are skipped.
    pub fn recall(&self, memories: &[pool::Memory], now: Instant) {
        let generation = self.pin();
        for memory in memories {
            if let Some(pool) = generation.pool(&PoolName::new(memory.pool.as_str())) {
                pool.recall(memory, now);
            }
        }
    }

    /// Whether the first round of checks is over: [`Generation::is_checked`] of the current
    /// generation.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.pin().is_checked()
    }

    /// A receiver of the pools, which sees every change.
    #[must_use]
    pub fn pools(&self) -> watch::Receiver<Pools> {
        self.pools.subscribe()
    }

    /// The counts of each listener, in the order of the configuration.
    #[must_use]
    pub fn listeners(&self) -> &[Arc<ListenerCounts>] {
        &self.listeners
    }

    /// The counts of the listener with this address in the configuration.
    #[must_use]
    pub fn listener(&self, address: &ListenAddress) -> Arc<ListenerCounts> {
        let address = address.to_string();
        let known = self.listeners.iter().find(|counts| counts.address() == address);
        known.map_or_else(|| Arc::new(ListenerCounts::new(address, clock::now())), Arc::clone)
    }

    /// Notes that a reload has ended, with the changes, or the reason why nothing changed.
    pub fn reloaded(&self, result: Result<&str, &str>) {
        let (event, reason) = match result {
            Ok(changes) => ("reloaded", changes),
            Err(problems) => ("reload_failed", problems),
        };
        let time = clock::wall();
        self.reloads.ended(result.map(|_| ()), time);
        self.registry.journal().append(JournalEntry {
            time,
            pool: None,
            backend: None,
            event,
            text: reloads::in_words(result),
            reason: Some(reason.to_owned()),
            lasts: None,
            by: None,
        });
    }

    /// The reloads of this process.
    #[must_use]
    pub fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    /// When the first configuration was made live.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How it stands with the certificates that come by themselves.
    #[must_use]
    pub fn orders(&self) -> &Arc<Progress> {
        &self.orders
    }

    /// The registry of all backends.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

fn targets(config: &Config, pools: &Pools, registry: &RouteRegistry) -> Result<Vec<Target>> {
    let target = |route: &Route| {
        let unknown = || Error::explain(ErrorType::InternalError, "a route to no pool");
        let pool = pools.get(&route.pool).ok_or_else(unknown)?;
        let action = Action::Pool(Arc::clone(pool));
        Ok(Target::new(Filter::of_every_route(config), action, registry.state(route)))
    };
    config.routes.iter().map(target).collect()
}

fn generation(
    config: &Config,
    pools: Pools,
    targets: Vec<Target>,
    Opened { access_log, tracer, tls }: Opened,
    number: u64,
) -> Generation {
    let challenges = Challenges::of(config);
    let listeners = config.listeners.iter().map(|listener| {
        let tls = tls.get(&Endpoint::Listener(listener.address.clone())).cloned();
        let settings = ListenerSettings::new(listener, (config.https_port(), tls));
        let settings = ListenerSettings { challenges: challenges.clone(), ..settings };
        (listener.address.clone(), Arc::new(settings))
    });
    let asks = |tls: &Tls| tls.client_auths().next().is_some();
    Generation {
        number,
        asks_for_certificates: config.listeners.iter().filter_map(|it| it.tls.as_ref()).any(asks),
        routes: RouteTable::new(&config.routes),
        targets,
        pools,
        listeners: listeners.collect(),
        tls,
        challenges,
        trusted: TrustedProxies::new(&config.trusted_proxies),
        access_log,
        tracer,
        config: Arc::new(config.clone()),
        traceparent: config.traceparent,
        shutdown: config.process.shutdown,
        watch: config.process.watch,
    }
}
