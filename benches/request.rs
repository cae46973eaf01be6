//! The cost that the balancer adds to a request: one round trip through it, beside one through a
//! Pingora proxy that only forwards.
//!
//! Proxies and backends share one thread of this process and the client has another, so that the
//! difference between two figures is the extra work of one proxy, with little influence of the
//! scheduler. The figures themselves are the round trip of a single client, not the capacity of a
//! machine under load.

#![allow(missing_docs, reason = "the macros of the harness make public items")]
#![expect(clippy::expect_used, reason = "a bench may stop at the first surprise")]

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use lb::{
    clock,
    config::{self, Config, Flags},
    discovery,
    generation::Current,
    in_flight::InFlight,
    proxy::{Backends, ListenerApp},
    server,
    telemetry::AccessLog,
};
use pingora_core::{
    Result, apps::ServerApp, server::configuration::ServerConf, services::listening::Service,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::watch,
};

/// The number of backends that the balancer chooses from.
const BACKENDS: usize = 3;
const REQUEST: &[u8] = b"GET /path?x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench\r\n\
    Accept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
const HEADER_END: &[u8] = b"\r\n\r\n";
const ANSWER_END: &[u8] = b"\r\n\r\nok";
/// The limit on a wait: far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Forwards to one backend and does nothing else.
struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

/// The runtime of the proxies and the backends.
struct World {
    runtime: Runtime,
    backends: Vec<SocketAddr>,
    folder: TempDir,
    /// The shutdown signal that Pingora demands; here everything ends with the runtime.
    shutdown: watch::Sender<bool>,
}

impl World {
    fn new() -> Self {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let backends = (0..BACKENDS).map(|_| runtime.block_on(backend())).collect();
        let folder = tempfile::tempdir().expect("a folder");
        Self { runtime, backends, folder, shutdown: watch::Sender::new(false) }
    }

    /// Starts the balancer with its defaults, but without health checks.
    fn start_lb(&self, algorithm: &str) -> SocketAddr {
        let config = self.config(algorithm);
        let resolved = discovery::resolve(&config).expect("addresses need no resolver");
        let access_log =
            config.access_log.as_ref().map(|log| AccessLog::open(log, &config.log_delivery));
        let access_log = access_log.map(|log| Arc::new(log.expect("a file")));
        let building = Current::new(&config, &resolved, access_log, clock::now());
        let current = Arc::new(self.runtime.block_on(building).expect("a generation"));
        let in_flight = InFlight::default();
        let conf = Arc::new(server::pingora_conf(&config));
        let app = ListenerApp::new(current, in_flight, &config.listeners[0]);
        self.serve(app.into_service(&conf, &Backends::default()))
    }

    fn config(&self, algorithm: &str) -> Config {
        let backends = self.backends.iter().map(|address| format!("{{ address: {address} }}"));
        let yaml = format!(
            "listeners: [{{ address: 127.0.0.1:0 }}]\n\
             routes: [{{ pool: web }}]\n\
             pools: {{ web: {{ algorithm: {algorithm}, backends: [{}], health_check: off }} }}\n\
             access_log: {{ path: {} }}\n",
            backends.collect::<Vec<_>>().join(", "),
            self.folder.path().join(format!("{algorithm}.log")).display(),
        );
        config::parse("bench.yaml", &yaml, &Flags::default()).expect("a configuration").config
    }

    fn start_bare(&self) -> SocketAddr {
        let conf = Arc::new(ServerConf::default());
        self.serve(http_proxy_service(&conf, Bare(self.backends[0])))
    }

    fn serve(&self, service: Service<impl ServerApp + Send + Sync + 'static>) -> SocketAddr {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let accepting = server::accept(service, socket.into(), self.shutdown.subscribe(), 1);
        self.runtime.spawn(accepting);
        address
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}

/// Answers every request in the same way.
async fn backend() -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket));
        }
    });
    address
}

/// Answers until the proxy closes the connection.
async fn answer(mut socket: TcpStream) {
    socket.set_nodelay(true).expect("a TCP socket");
    let (mut buffer, mut filled) = ([0; 4096], 0);
    loop {
        match socket.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
        if buffer[..filled].ends_with(HEADER_END) {
            filled = 0;
            socket.write_all(ANSWER).await.expect("the proxy listens");
        }
    }
}

/// A client that keeps its connection.
struct Client {
    socket: std::net::TcpStream,
    buffer: [u8; 4096],
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let socket = std::net::TcpStream::connect(address).expect("a proxy");
        socket.set_nodelay(true).expect("a TCP socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
        Self { socket, buffer: [0; 4096] }
    }

    fn round_trip(&mut self) {
        self.socket.write_all(REQUEST).expect("the proxy listens");
        let mut filled = 0;
        while !self.buffer[..filled].ends_with(ANSWER_END) {
            let read = self.socket.read(&mut self.buffer[filled..]).expect("an answer");
            assert!(read > 0, "closed after {}", self.buffer[..filled].escape_ascii());
            filled += read;
        }
        assert!(self.buffer.starts_with(b"HTTP/1.1 200 "), "not what the backend said");
    }
}

fn request(criterion: &mut Criterion) {
    let world = World::new();
    let proxies = [
        ("lb", world.start_lb("round_robin")),
        ("lb least_conn", world.start_lb("least_conn")),
        ("bare pingora", world.start_bare()),
    ];
    let mut group = criterion.benchmark_group("request");
    for (name, address) in proxies {
        let mut client = Client::connect(address);
        group.bench_function(name, |bencher| bencher.iter(|| client.round_trip()));
    }
    group.finish();
}

/// Settings that take less than half a minute for the whole file.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
}

criterion_group! {
    name = benches;
    config = short();
    targets = request
}
criterion_main!(benches);
