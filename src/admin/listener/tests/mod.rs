//! The listener on real sockets.

mod checks;

use std::net::{SocketAddr, TcpListener as StdListener};

use bytes::Bytes;
use pingora_core::{
    ErrorType,
    protocols::{http::ServerSession, l4::stream::Stream},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{pause, resume, timeout},
};

use super::*;
use crate::admin::view::{self, EventFeed, Identity};
use crate::clock;
use crate::config::{self, Flags};
use crate::discovery;
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::readiness::Readiness;

/// Far longer than any step of a test takes, so that a broken test ends.
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
    let readiness = Arc::new(Readiness::new(Arc::clone(&current)));
    let identity = Identity { host: "edge-1".to_owned(), file: None };
    Api::new(readiness, current, InFlight::default(), identity, None)
}

async fn admin() -> (Admin, SocketAddr) {
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let name = ListenAddress::Tcp(address);
    (Admin::start(socket.into(), name, api(CHECKS_OFF).await).unwrap(), address)
}

/// Reads until this text has come, or the end.
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
    client_of(shared(CHECKS_OFF).await).await
}

async fn shared(yaml: &str) -> Arc<Shared> {
    let name = ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 9900)));
    Arc::new(Shared::new(&name, api(yaml).await))
}

/// Both ends of a connection with room for little that the client does not read.
async fn narrow_connection() -> (TcpStream, TcpStream) {
    let listener = TcpSocket::new_v4().unwrap();
    listener.set_send_buffer_size(16 << 10).unwrap();
    listener.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = listener.listen(1).unwrap();
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(16 << 10).unwrap();
    let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    (socket, client)
}

/// The same, beside others; there is room for little that it does not read.
async fn client_of(shared: Arc<Shared>) -> TcpStream {
    let (socket, client) = narrow_connection().await;
    tokio::spawn(async move {
        let (_open, closed) = watch::channel(false);
        connection::serve(socket.into(), "a client", &shared, closed).await;
    });
    client
}

/// Whether the client is closed after the limit. The clock is paused, so that it jumps to the next
/// timer.
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
async fn a_header_that_is_too_large_is_refused_at_once() {
    for (fields, size) in [(1, 70 << 10), (60, 2 << 10)] {
        let mut client = client().await;
        let field = format!("X-Large: {}\r\n", "x".repeat(size));
        // Its end does not come.
        let begun = format!("GET /ready HTTP/1.1\r\nHost: a\r\n{}", field.repeat(fields));
        let sent = client.write_all(begun.as_bytes());
        timeout(DEADLINE, sent).await.expect("it is read").unwrap();
        assert!(text_with(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 431 "));
    }
}

#[tokio::test]
async fn a_header_may_come_in_any_pieces() {
    let mut client = client().await;
    for cut in 1..READY.len() {
        client.write_all(&READY[..cut]).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(&READY[cut..]).await.unwrap();
        assert!(text_with(&mut client, "starting\n").await.starts_with("HTTP/1.1 503 "), "{cut}");
    }
}

#[tokio::test]
async fn nonsense_is_refused() {
    let (_admin, address) = admin().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(text_with(&mut client, "(the end)").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn once_closed_it_accepts_no_client_and_answers_connected_ones() {
    let (admin, address) = admin().await;
    let mut asked = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut asked).await.to_lowercase().contains("connection: keep-alive"));
    let mut silent = TcpStream::connect(address).await.unwrap();
    // Connections are accepted in order: when this one has an answer, the silent one has been
    // accepted too.
    let mut third = TcpStream::connect(address).await.unwrap();
    ask(&mut third).await;
    admin.close();
    for client in [&mut asked, &mut third] {
        assert_eq!(text_with(client, "(the end)").await, "", "it is closed");
    }
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(DEADLINE, refused).await.expect("no client is accepted");
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
        text: "drained: it gets no new requests".to_owned(),
        reason: Some("two\nlines".to_owned()),
        for_ms: None,
        by: None,
    }
}

/// The stream of a client that saw this event last, up to this text; `go_on` runs meanwhile.
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
async fn a_client_that_comes_back_gets_missed_events_and_then_new_ones() {
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
async fn a_number_from_before_a_restart_is_ignored() {
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
async fn a_silent_stream_gets_comments() {
    let text = streamed(2, ":\n\n", |_, _| pause()).await;
    assert!(text.ends_with("\r\n\r\n:\n\n"), "{text}");
}

/// The number of long responses that are written at once. The test states it, as it states the limits of
/// time: a test that takes them from the code would hold with any.
const LONG_RESPONSES: usize = 8;
const METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const STATUS: &[u8] = b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// A pool whose status is several megabytes long.
fn large_pool() -> String {
    let backend = |number: u16| {
        let [high, low] = number.to_be_bytes();
        format!("      - address: 127.1.{high}.{low}:9\n")
    };
    let backends: String = (0..4_000).map(backend).collect();
    format!(
        "admin: {{ address: 127.0.0.1:9900 }}\nroutes: [ {{ pool: web }} ]\npools:\n  web:\n    \
         health_check: off\n    backends:\n{backends}"
    )
}

#[tokio::test]
async fn a_response_has_to_be_taken_within_a_limit_however_steadily_it_is_taken() {
    let shared = shared(&large_pool()).await;
    for (request, end) in [(STATUS, "}"), (METRICS, "\r\n0\r\n\r\n")] {
        let mut client = client_of(Arc::clone(&shared)).await;
        client.write_all(request).await.unwrap();
        let mut taken = vec![0; 32 << 10];
        let length = client.read(&mut taken).await.unwrap();
        let begin = String::from_utf8_lossy(&taken[..length]);
        assert!(begin.starts_with("HTTP/1.1 200 "), "{begin}");
        assert_eq!(shared.long_responses.available_permits(), LONG_RESPONSES - 1);
        pause();
        // Each piece in time, and all of them not. The limit is a minute, by the documentation.
        for second in 0..65 {
            tokio::time::sleep(SECOND).await;
            // What is on its way between the two comes by the system's clock.
            resume();
            let _ = client.read(&mut taken).await;
            pause();
            if second < 55 {
                assert_eq!(shared.long_responses.available_permits(), LONG_RESPONSES - 1);
            }
        }
        resume();
        let mut rest = vec![];
        let _ = timeout(DEADLINE, client.read_to_end(&mut rest)).await.expect("in time");
        assert!(!rest.ends_with(end.as_bytes()), "it was written to its end");
        assert_eq!(shared.long_responses.available_permits(), LONG_RESPONSES);
    }
}

#[tokio::test]
async fn a_response_of_which_nothing_is_taken_ends_before_its_limit() {
    let shared = shared(&large_pool()).await;
    let mut clients = vec![];
    for request in [STATUS, METRICS] {
        let mut client = client_of(Arc::clone(&shared)).await;
        client.write_all(request).await.unwrap();
        client.readable().await.unwrap();
        clients.push(client);
    }
    assert_eq!(shared.long_responses.available_permits(), LONG_RESPONSES - 2);
    pause();
    let all = u32::try_from(LONG_RESPONSES).unwrap();
    let ended = timeout(15 * SECOND, shared.long_responses.acquire_many(all)).await;
    assert!(ended.is_ok(), "they are held for as long as a response that is taken");
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_taken_ends() {
    let (socket, mut client) = narrow_connection().await;
    // More than the system takes from the listener, and one after the other.
    let (last, is_last) = watch::channel(20_000);
    let after = |seen: u64| (seen + 1..=20_000).map(event).collect();
    let feed = EventFeed { after: Box::new(after), last: is_last, is_welcome: Box::new(|| true) };
    let (_open, mut closed) = watch::channel(false);
    let stream = tokio::spawn(async move {
        let mut session = ServerSession::new_http1(Box::new(Stream::from(socket)));
        assert!(session.read_request().await.unwrap());
        event_stream::follow(&mut session, feed, 0, &mut closed).await
    });
    client.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    client.readable().await.unwrap();
    pause();
    let ended = timeout(15 * SECOND, stream).await.expect("it is held for ever").unwrap();
    assert_eq!(ended.unwrap_err().etype(), &ErrorType::WriteTimedout);
    drop(last);
}

#[tokio::test]
async fn slow_clients_hold_a_few_long_responses_and_no_more() {
    let shared = shared(&large_pool()).await;
    let slow = Arc::clone(&shared.long_responses);
    let slow = slow.acquire_many_owned(LONG_RESPONSES as u32).await.unwrap();
    pause();
    for (request, end) in [(STATUS, "theirs\"}"), (METRICS, "theirs\n")] {
        let mut client = client_of(Arc::clone(&shared)).await;
        client.write_all(request).await.unwrap();
        assert!(text_with(&mut client, end).await.starts_with("HTTP/1.1 503 "));
        client.write_all(READY).await.unwrap();
        assert!(text_with(&mut client, "\n").await.contains("HTTP/1.1 "), "others are answered");
    }
    drop(slow);
    resume();
    let mut client = client_of(Arc::clone(&shared)).await;
    client.write_all(METRICS).await.unwrap();
    assert!(text_with(&mut client, "\r\n").await.starts_with("HTTP/1.1 200 "));
}
