//! The listener on real sockets, and what readiness is made of.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{pause, timeout},
};

use super::*;
use crate::clock;
use crate::config::{self, Flags, PoolName};
use crate::discovery;
use crate::generation::Current;

/// Far longer than any of this takes, so that a broken test ends.
const DEADLINE: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const READY: &[u8] = b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n";

const CHECKS_OFF: &str = "routes: [ { pool: web } ]\npools:\n  web:\n    backends: [ { address: \
                          127.0.0.1:9 } ]\n    health_check: off\n";

async fn readiness(yaml: &str) -> Arc<Readiness> {
    let yaml = format!("listeners: [ {{ address: 127.0.0.1:0 }} ]\n{yaml}");
    let config = config::parse("lb.yaml", &yaml, &Flags::default()).unwrap().config;
    let resolved = discovery::resolve(&config).unwrap();
    let current = Current::new(&config, &resolved, None, clock::now()).await.unwrap();
    Arc::new(Readiness::new(Arc::new(current)))
}

async fn admin() -> Admin {
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    Admin::start(socket, readiness(CHECKS_OFF).await).unwrap()
}

/// Reads until so much text has come, or the end.
async fn text_with(client: &mut TcpStream, end: &str) -> String {
    let mut text = vec![];
    let read = async {
        while !String::from_utf8_lossy(&text).ends_with(end) {
            if client.read_buf(&mut text).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    timeout(DEADLINE, read).await.expect("in time");
    String::from_utf8(text).unwrap()
}

async fn ask(client: &mut TcpStream) -> String {
    client.write_all(READY).await.unwrap();
    text_with(client, "starting\n").await
}

/// A client whose connection is served in this runtime, so that the test can hold its time.
async fn client() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, address) = listener.accept().await.unwrap();
    let readiness = readiness(CHECKS_OFF).await;
    tokio::spawn(async move {
        let (_open, closed) = watch::channel(false);
        connection::converse(socket, address, &readiness, closed).await;
    });
    client
}

/// With the clock paused, so that it jumps to whatever is waited for.
async fn is_closed_after(client: &mut TcpStream, limit: Duration) {
    assert!(timeout(limit - SECOND, client.read_u8()).await.is_err(), "too early");
    let closed = timeout(2 * SECOND, client.read_u8()).await.expect("it is closed");
    closed.unwrap_err();
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_dropped() {
    let mut client = client().await;
    pause();
    is_closed_after(&mut client, 10 * SECOND).await;
}

#[tokio::test]
async fn half_a_header_gains_no_time() {
    let mut client = client().await;
    client.write_all(&READY[..20]).await.unwrap();
    pause();
    assert!(timeout(6 * SECOND, client.read_u8()).await.is_err());
    client.write_all(&READY[20..22]).await.unwrap();
    is_closed_after(&mut client, 4 * SECOND).await;
}

#[tokio::test]
async fn a_client_that_has_asked_may_be_silent_for_longer() {
    let mut client = client().await;
    assert!(ask(&mut client).await.starts_with("HTTP/1.1 503 "));
    pause();
    is_closed_after(&mut client, 20 * SECOND).await;
}

#[tokio::test]
async fn nonsense_is_refused() {
    let admin = admin().await;
    let mut client = TcpStream::connect(admin.address()).await.unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(text_with(&mut client, "(the end)").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn once_closed_it_accepts_nobody_and_answers_whom_it_has() {
    let admin = admin().await;
    let mut asked = TcpStream::connect(admin.address()).await.unwrap();
    assert!(ask(&mut asked).await.to_lowercase().contains("connection: keep-alive"));
    let mut silent = TcpStream::connect(admin.address()).await.unwrap();
    // Accepted in order: when this one has an answer, the silent one has been accepted too.
    let mut third = TcpStream::connect(admin.address()).await.unwrap();
    ask(&mut third).await;
    admin.close();
    for client in [&mut asked, &mut third] {
        assert_eq!(text_with(client, "(the end)").await, "", "it is closed");
    }
    let refused = async { while TcpStream::connect(admin.address()).await.is_ok() {} };
    timeout(DEADLINE, refused).await.expect("nobody is accepted");
    let answer = ask(&mut silent).await.to_lowercase();
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn it_is_ready_once_the_first_checks_have_ended() {
    let unchecked = readiness(&CHECKS_OFF.replace("off", "{ path: / }")).await;
    let waiting = timeout(SECOND / 10, unchecked.first_round());
    waiting.await.expect_err("nobody runs the checks");
    assert_eq!(unchecked.check(), Err(Unready::Starting));

    let readiness = readiness(CHECKS_OFF).await;
    assert_eq!(readiness.check(), Err(Unready::Starting));
    timeout(DEADLINE, readiness.first_round()).await.expect("there are none");
    readiness.serve();
    assert_eq!(readiness.check(), Ok(()));
}

#[tokio::test]
async fn who_drains_before_the_checks_have_ended_goes_on_to_drain() {
    let readiness = readiness(CHECKS_OFF).await;
    readiness.set(Phase::Draining);
    readiness.serve();
    assert_eq!((readiness.phase(), readiness.check()), (Phase::Draining, Err(Unready::Draining)));
}

#[tokio::test]
async fn pools_without_anybody_are_named_in_order_unless_no_route_leads_to_them() {
    let pools: String = ["web", "api", "spare", "fine"]
        .iter()
        .map(|name| {
            let drain = *name != "fine";
            format!(
                "  {name}:\n    backends: [ {{ address: 127.0.0.1:9, drain: {drain} }} ]\n    \
                 health_check: off\n"
            )
        })
        .collect();
    let routes = "routes: [ { pool: web }, { path: /fine, pool: fine }, { path: /api, pool: api }, \
                  { path: /v1, pool: web } ]";
    let readiness = readiness(&format!("{routes}\npools:\n{pools}")).await;
    readiness.set(Phase::Serving);
    let names = ["api", "web"].map(PoolName::new);
    assert_eq!(readiness.check(), Err(Unready::Pools(names.to_vec())));
}
