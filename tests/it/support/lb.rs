//! The real proxy in the test's own process: Pingora's proxy with our hooks behind a listener of
//! its own, without Pingora's server around it, so that many run side by side and none needs a
//! signal to end.

use std::{
    marker::PhantomData,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, LazyLock},
};

use lb::{
    backend::{Backend, Eligibility},
    clock,
    config::{self, Flags, ListenerProtocol, PoolName},
    count::ListenerCounts,
    discovery,
    files::FileVersions,
    generation::{Current, Opened},
    in_flight::InFlight,
    pool::{Pool, Supervisor},
    process::udp::relay::Relay,
    proxy::{Backends, ListenerApp, Reading},
    server,
    telemetry::AccessLog,
    tls,
    tracing::Tracer,
};
use pingora_core::services::background::BackgroundService;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};

use super::{
    PATIENCE, backend::ScriptedBackend, eventually::wait_for, process::new_folder, tls_client,
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// What clients of a balancer speak.
pub(crate) trait Front {
    /// Whether it is over TLS.
    const IS_TLS: bool;
    /// The protocols of its listener.
    const PROTOCOLS: &'static [ListenerProtocol];
}

/// Plain connections.
pub(crate) struct Plain;

impl Front for Plain {
    const IS_TLS: bool = false;
    const PROTOCOLS: &'static [ListenerProtocol] =
        &[ListenerProtocol::H2c, ListenerProtocol::Http11];
}

/// Connections over TLS, for [`tls_client`].
pub(crate) struct OverTls;

impl Front for OverTls {
    const IS_TLS: bool = true;
    const PROTOCOLS: &'static [ListenerProtocol] =
        &[ListenerProtocol::H2, ListenerProtocol::Http11];
}

/// Connections in QUIC.
pub(crate) struct OverQuic;

impl Front for OverQuic {
    const IS_TLS: bool = true;
    const PROTOCOLS: &'static [ListenerProtocol] =
        &[ListenerProtocol::H3, ListenerProtocol::Http11];
}

/// A balancer for clients without TLS.
pub(crate) type Lb = Balancer<Plain>;
/// A balancer for clients that speak TLS.
pub(crate) type TlsLb = Balancer<OverTls>;
/// A balancer for clients that speak HTTP/3.
pub(crate) type QuicLb = Balancer<OverQuic>;

/// A balancer on a port of its own. Ends when dropped.
pub(crate) struct Balancer<F> {
    front: PhantomData<F>,
    address: SocketAddr,
    current: Arc<Current>,
    in_flight: InFlight,
    folder: TempDir,
    access_log: Arc<AccessLog>,
    shutdown: watch::Sender<bool>,
}

impl<F: Front> Balancer<F> {
    /// A balancer with one pool named `web` of these backends, checks off, and these lines of YAML
    /// below the pool, each indented by four.
    #[track_caller]
    pub(crate) fn over(backends: &[&ScriptedBackend], settings: &str) -> Self {
        let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
        Self::over_addresses(&addresses, settings)
    }

    /// Like [`Lb::over`], with any addresses.
    #[track_caller]
    pub(crate) fn over_addresses(addresses: &[SocketAddr], settings: &str) -> Self {
        Self::over_entries(&items(addresses.iter().copied()), settings)
    }

    /// Like [`Lb::over`], with these entries of the pool's list.
    #[track_caller]
    pub(crate) fn over_entries(entries: &str, settings: &str) -> Self {
        Self::start(&Self::one_pool(entries, settings))
    }

    /// A balancer with one pool named `web` of this backend, checks off, and a listener with these
    /// limits of `client`.
    #[track_caller]
    pub(crate) fn with_client_limits(backend: &ScriptedBackend, limits: &str) -> Self {
        Self::start(&format!(
            "listeners: [ {{ address: 127.0.0.1:0, client: {limits} }} ]\n{}",
            Self::one_pool(&addresses(&[backend]), "")
        ))
    }

    /// The same of a backend that takes one request at a time; others wait in line.
    #[track_caller]
    pub(crate) fn with_line(backend: &ScriptedBackend, limits: &str) -> Self {
        let pool =
            Self::one_pool(&entry(backend, "max_connections: 1"), "    queue: { timeout: 60s }");
        Self::start(&format!("listeners: [ {{ address: 127.0.0.1:0, client: {limits} }} ]\n{pool}"))
    }

    fn one_pool(entries: &str, settings: &str) -> String {
        let has_checks = settings.contains("health_check");
        let checks = if has_checks { "" } else { "    health_check: off\n" };
        format!(
            "routes: [ {{ pool: web }} ]\npools:\n  web:\n    backends: [{entries}]\n{checks}{settings}\n",
        )
    }

    /// A balancer with this configuration; a listener and an access log are added if it has none.
    /// An access log of its own writes to the file `ACCESS_LOG`.
    #[track_caller]
    pub(crate) fn start(yaml: &str) -> Self {
        Self::launch(yaml, F::PROTOCOLS)
    }

    /// Like [`Lb::over`], for clients of HTTP/1 alone.
    #[track_caller]
    pub(crate) fn in_http1_over(backend: &ScriptedBackend) -> Self {
        let entries = items([backend.address()].into_iter());
        Self::launch(&Self::one_pool(&entries, ""), &[ListenerProtocol::Http11])
    }

    #[track_caller]
    fn launch(yaml: &str, protocols: &[ListenerProtocol]) -> Self {
        let folder = new_folder();
        let mut yaml = yaml.to_owned();
        if !yaml.contains("listeners:") {
            yaml.push_str("\nlisteners: [ { address: 127.0.0.1:0 } ]\n");
        }
        if F::IS_TLS {
            let tls = format!("listeners: [ {{ {}, address", tls_client::listener_keys());
            yaml = yaml.replace("listeners: [ { address", &tls);
            assert!(yaml.contains(&tls), "{yaml}");
        }
        let log = folder.path().join("access.log");
        if !yaml.contains("access_log:") {
            yaml.push_str("\naccess_log: { path: ACCESS_LOG }\n");
        }
        let yaml = yaml.replace("ACCESS_LOG", &log.display().to_string());
        let loaded = config::parse("lb.yaml", &yaml, &Flags::default())
            .unwrap_or_else(|problems| panic!("{problems}\nin\n{yaml}"));
        let mut config = loaded.config;
        config.listeners[0].protocols = protocols.to_vec();
        let resolved = discovery::resolve(&config).expect("addresses need no resolver");
        let access_log =
            config.access_log.as_ref().map(|log| AccessLog::open(log, &config.log_delivery));
        let access_log = Arc::new(access_log.expect("configured").expect("a file"));
        let (shutdown, watch) = watch::channel(false);
        let in_flight = InFlight::default();
        let (address, current) = RUNTIME.block_on(async {
            let (tls, _) = tls::load(&config, clock::wall(), &mut FileVersions::default())
                .expect("certificates");
            let tracer = config.tracing.as_ref().map(|it| Tracer::open(it, Arc::default()));
            let tracer = tracer.map(|tracer| Arc::new(tracer.expect("a thread")));
            let opened = Opened { access_log: Some(Arc::clone(&access_log)), tracer, tls };
            let building = Current::new(&config, &resolved, opened, clock::now());
            let current = Arc::new(building.await.expect("a generation"));
            let checks = Supervisor::new(current.pools());
            let checks_watch = watch.clone();
            tokio::spawn(async move { checks.start(checks_watch).await });
            let conf = Arc::new(server::pingora_conf(&config));
            let listener = &config.listeners[0];
            let app = ListenerApp::new(Arc::clone(&current), in_flight.clone(), listener);
            let backends = Backends::default();
            let address = listener.address.tcp().expect("an address");
            let (socket, udp) = sockets(address);
            let address = socket.local_addr().expect("a bound socket has an address");
            if protocols.contains(&ListenerProtocol::H3) {
                let (service, quic) = app.into_services(&conf, &backends);
                udp.set_nonblocking(true).expect("a socket");
                let stream = socket.into();
                tokio::spawn(server::accept_and_introduce(service, stream, watch.clone(), 1));
                let (relay, _) = Relay::take("alone", &mut vec![]).expect("a pair of sockets");
                tokio::spawn(quic.serve(udp, relay, Reading::default(), watch));
            } else {
                let service = app.into_service(&conf, &backends);
                tokio::spawn(server::accept(service, socket.into(), watch, 1));
            }
            (address, current)
        });
        Self { front: PhantomData, address, current, in_flight, folder, access_log, shutdown }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state of a backend of the pool `web`.
    pub(crate) fn backend(&self, backend: &ScriptedBackend) -> Arc<Backend> {
        self.current
            .registry()
            .roster(&PoolName::new("web"), clock::now())
            .known(&backend.address().into())
            .expect("it is enlisted")
    }

    /// Requests in flight on a backend of the pool `web`.
    pub(crate) fn active(&self, backend: &ScriptedBackend) -> usize {
        self.backend(backend).active()
    }

    /// Whether a backend of the pool `web` gets requests now, and why not.
    pub(crate) fn eligibility(&self, backend: &ScriptedBackend) -> Eligibility {
        self.backend(backend).eligibility(clock::now())
    }

    /// Requests that wait for a backend of the pool `web`.
    pub(crate) fn queued(&self) -> usize {
        self.pool().queued()
    }

    /// The pool `web`.
    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(self.current.pin().pool(&PoolName::new("web")).expect("a pool"))
    }

    /// The counts of the listener.
    pub(crate) fn listener(&self) -> Arc<ListenerCounts> {
        Arc::clone(&self.current.listeners()[0])
    }

    /// Makes every answer from now on the last one of its connection.
    pub(crate) fn drain(&self) {
        self.in_flight.drain();
    }

    /// Makes every connection end as soon as it has no request.
    pub(crate) fn end_idle(&self) {
        self.in_flight.end_idle();
    }

    /// Connections of clients.
    pub(crate) fn connections(&self) -> usize {
        self.in_flight.connections()
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.requests()
    }

    /// The first `count` lines of the access log, as soon as they are there.
    #[track_caller]
    pub(crate) fn log_lines(&self, count: usize) -> Vec<Value> {
        let lines = wait_for(PATIENCE, || Some(self.log()?).filter(|lines| lines.len() >= count));
        lines.unwrap_or_else(|| panic!("{count} lines did not come"))
    }

    /// The line of the first request for this path, as soon as it is there.
    #[track_caller]
    pub(crate) fn line_of(&self, path: &str) -> Value {
        let is_it = |line: &Value| line["path"] == path;
        let line = wait_for(PATIENCE, || self.log()?.into_iter().find(is_it));
        line.unwrap_or_else(|| panic!("the line of {path} did not come"))
    }

    /// The access log so far.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }

    fn log(&self) -> Option<Vec<Value>> {
        let text = self.log_text();
        Some(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// The first one of the first `count` lines whose first try was on this backend.
    #[track_caller]
    pub(crate) fn line_begun_on(&self, backend: &ScriptedBackend, count: usize) -> Value {
        let address = backend.address().to_string();
        let mut lines = self.log_lines(count).into_iter();
        lines.find(|line| line["tries"][0]["backend"] == address).expect("it was tried first")
    }
}

impl<F> Drop for Balancer<F> {
    fn drop(&mut self) {
        let _ = self.shutdown.send(true);
        self.access_log.close();
    }
}

/// How each try of a request ended, from its line in the access log.
pub(crate) fn outcomes(line: &Value) -> Vec<&str> {
    let tries = line["tries"].as_array().expect("a list");
    tries.iter().filter_map(|one| one["outcome"].as_str()).collect()
}

/// A backend as an entry of a pool's list, with these settings of its own.
pub(crate) fn entry(backend: &ScriptedBackend, settings: &str) -> String {
    format!("{{ address: {}, {settings} }}", backend.address())
}

/// The addresses as a YAML list's items.
pub(crate) fn addresses(backends: &[&ScriptedBackend]) -> String {
    items(backends.iter().map(|backend| backend.address()))
}

fn items(addresses: impl Iterator<Item = SocketAddr>) -> String {
    let items = addresses.map(|address| format!(" {{ address: {address} }}"));
    items.collect::<Vec<_>>().join(",")
}

/// A port for TCP and for UDP; a client of another test may have the same one of UDP.
fn sockets(address: SocketAddr) -> (TcpListener, UdpSocket) {
    let attempts = std::iter::repeat_with(|| {
        let socket = TcpListener::bind(address).expect("a port");
        let port = socket.local_addr().expect("a bound socket has an address");
        Some((socket, UdpSocket::bind(port).ok()?))
    });
    attempts.take(100).flatten().next().expect("a port that is free for both")
}
