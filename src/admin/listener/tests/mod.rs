//! The listener on real sockets.

use std::net::{SocketAddr, TcpListener as StdListener};

use bytes::Bytes;
use pingora_core::protocols::{http::ServerSession, l4::stream::Stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{pause, timeout},
};

use super::*;
use crate::admin::view::{self, EventFeed};
use crate::clock;
use crate::config::{self, Flags};
use crate::discovery;
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::readiness::Readiness;

/// Far longer than any of this takes, so that a broken test ends.
const DEADLINE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const READY: &[u8] = b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n";

const CHECKS_OFF: &str = "routes: [ { pool: web } ]\npools:\n  web:\n    backends: [ { address: \
                          127.0.0.1:9 } ]\n    health_check: off\n";

async fn api(yaml: &str) -> Api {
    let yaml = format!("listeners: [ {{ address: 127.0.0.1:0 }} ]\n{yaml}");
    let config = config::parse("lb.yaml", &yaml, &Flags::default()).unwrap().config;
    let resolved = discovery::resolve(&config).unwrap();
    let current = Current::new(&config, &resolved, None, clock::now()).await.unwrap();
    let current = Arc::new(current);
    Api::new(Arc::new(Readiness::new(Arc::clone(&current))), current, InFlight::default(), None)
}

async fn admin() -> (Admin, SocketAddr) {
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let name = ListenAddress::Tcp(address);
    (Admin::start(socket.into(), name, api(CHECKS_OFF).await).unwrap(), address)
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
    let name = ListenAddress::Tcp(address);
    let shared = Shared::new(&name, api(CHECKS_OFF).await);
    tokio::spawn(async move {
        let (_open, closed) = watch::channel(false);
        connection::serve(socket.into(), "a client", &shared, closed).await;
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
    let (_admin, address) = admin().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(text_with(&mut client, "(the end)").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn once_closed_it_accepts_nobody_and_answers_whom_it_has() {
    let (admin, address) = admin().await;
    let mut asked = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut asked).await.to_lowercase().contains("connection: keep-alive"));
    let mut silent = TcpStream::connect(address).await.unwrap();
    // Accepted in order: when this one has an answer, the silent one has been accepted too.
    let mut third = TcpStream::connect(address).await.unwrap();
    ask(&mut third).await;
    admin.close();
    for client in [&mut asked, &mut third] {
        assert_eq!(text_with(client, "(the end)").await, "", "it is closed");
    }
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(DEADLINE, refused).await.expect("nobody is accepted");
    let answer = ask(&mut silent).await.to_lowercase();
    assert!(answer.contains("connection: close"), "{answer}");
}

fn event(id: u64) -> view::Event {
    view::Event {
        id,
        time: "2026-01-01T00:00:00Z".to_owned(),
        pool: Some("web".to_owned()),
        backend: None,
        address: None,
        event: "drained".to_owned(),
        reason: Some("two\nlines".to_owned()),
        for_ms: None,
        by: None,
    }
}

/// What a client is sent that saw this event last, until it has seen so much; `go_on` happens
/// meanwhile.
async fn streamed(
    seen: u64,
    end: &str,
    go_on: impl FnOnce(&watch::Sender<u64>, &watch::Sender<bool>),
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let (last, is_last) = watch::channel(2);
    let known = is_last.clone();
    let after = move |seen: u64| (seen + 1..=*known.borrow()).map(event).collect();
    let is_welcome = Box::new(|| true);
    let feed = EventFeed { after: Box::new(after), last: is_last, is_welcome };
    let (close, mut closed) = watch::channel(false);
    tokio::spawn(async move {
        let mut session = ServerSession::new_http1(Box::new(Stream::from(socket)));
        assert!(session.read_request().await.unwrap());
        event_stream::follow(&mut session, feed, seen, &mut closed).await.unwrap();
        session.write_response_body(Bytes::from_static(b"(ended)"), true).await.unwrap();
    });
    client.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let begin = text_with(&mut client, "\n").await;
    go_on(&last, &close);
    if begin.ends_with(end) { begin } else { begin + &text_with(&mut client, end).await }
}

#[tokio::test]
async fn who_comes_back_is_told_what_it_missed_and_then_what_happens() {
    let more = |last: &watch::Sender<u64>, _: &watch::Sender<bool>| {
        last.send_replace(3);
    };
    let data = |id| serde_json::to_string(&event(id)).unwrap();
    let message = |id| format!("id: {id}\ndata: {}\n\n", data(id));
    let text = streamed(1, &message(3), more).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    for header in [
        "http/1.1 200 ok",
        "content-type: text/event-stream",
        "cache-control: no-store",
        "connection: close",
    ] {
        assert!(head.lines().any(|line| line == header), "{header} in {head}");
    }
    assert_eq!(body, message(2) + &message(3));
}

#[tokio::test]
async fn a_number_from_before_a_restart_is_as_good_as_none() {
    let text = streamed(100, "\n\n", |_, _| {}).await;
    assert!(text.contains("\r\n\r\nid: 1\n"), "{text}");
}

#[tokio::test]
async fn events_end_with_the_listener() {
    let text = streamed(2, "(ended)", |_, close| {
        close.send_replace(true);
    })
    .await;
    assert!(text.ends_with("(ended)"), "{text}");
}

#[tokio::test]
async fn silence_is_broken_now_and_then() {
    let text = streamed(2, ":\n\n", |_, _| pause()).await;
    assert!(text.ends_with("\r\n\r\n:\n\n"), "{text}");
}
