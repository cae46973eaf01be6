//! A small HTTP/1.1 backend that answers with its name and the request it received.
//!
//! Pingora reads and writes the HTTP; the sockets are our own, because Pingora's server binds for
//! the life of the process, and a backend is worth trying only when it can be stopped and started
//! again. Stopping is meant to look like a crash: the port refuses, open connections break.

use std::{
    fmt::Write,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, USER_AGENT},
};
use pingora::{
    Result,
    apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream, ServerApp},
    http::{RequestHeader, ResponseHeader},
    protocols::{Stream, http::ServerSession, l4::stream::Stream as L4Stream},
    server::ShutdownWatch,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time,
};

use crate::health::is_agent_of_checks;

/// How long a connection may wait for its next request, in seconds.
const KEEPALIVE: u64 = 60;
/// The wait before the next accept if the system lacks something, such as descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How a [`DemoBackend`] answers.
#[derive(Debug, Clone)]
pub struct Options {
    /// The backend's name; its port when `None`.
    pub name: Option<String>,
    /// The pause before each answer to a request that is no health check of `lb`.
    pub delay: Duration,
    /// Whether health checks wait for it, too.
    pub delays_checks: bool,
    /// The status of each answer; a final one, 200 or above.
    pub status: StatusCode,
}

impl Default for Options {
    fn default() -> Self {
        Self { name: None, delay: Duration::ZERO, delays_checks: false, status: StatusCode::OK }
    }
}

/// One backend, which can be stopped and started again. Stopped when dropped.
#[derive(Debug)]
pub struct DemoBackend {
    address: SocketAddr,
    app: Arc<Answers>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The ports are held; connections wait.
    Bound(Vec<StdListener>),
    Running {
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    },
    Stopped,
}

impl DemoBackend {
    /// Takes the port, or one that the system chooses for 0; [`DemoBackend::start`] answers on it.
    ///
    /// `localhost` may mean either loopback address, so on one of them it listens on the other
    /// too, where that is possible.
    ///
    /// # Errors
    ///
    /// If the host does not resolve, the port is taken, the name cannot be a header's value, or the
    /// status is not a final one.
    pub fn bind(host: &str, port: u16, options: Options) -> io::Result<Self> {
        if options.status.is_informational() {
            return Err(invalid(format!("status {} is not a final one", options.status.as_u16())));
        }
        let first = (host, port).to_socket_addrs()?.next();
        let first = first.ok_or_else(|| invalid(format!("{host} has no address")))?;
        let listeners = listen(first)?;
        let address = listeners.first().map_or(Ok(first), StdListener::local_addr)?;
        let name = options.name.unwrap_or_else(|| address.port().to_string());
        let header = HeaderValue::from_str(&name)
            .map_err(|_| invalid(format!("{name:?} cannot be a header's value")))?;
        let Options { delay, delays_checks, status, .. } = options;
        let app = Arc::new(Answers { name, header, delay, delays_checks, status });
        Ok(Self { address, app, state: State::Bound(listeners) })
    }

    /// Returns the backend's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.app.name
    }

    /// Returns the address at which it listens, also while it is stopped.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Starts to answer; does nothing if it is running. Needs a Tokio runtime, which is why it is
    /// `async`.
    ///
    /// # Errors
    ///
    /// If another process has taken the port since it was stopped.
    pub async fn start(&mut self) -> io::Result<()> {
        let listeners = match std::mem::replace(&mut self.state, State::Stopped) {
            State::Bound(listeners) => listeners,
            State::Stopped => listen(self.address)?,
            running @ State::Running { .. } => {
                self.state = running;
                return Ok(());
            }
        };
        let listeners = listeners.into_iter().map(TcpListener::from_std);
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listeners, Arc::clone(&self.app), stopped));
        self.state = State::Running { stop, task };
        Ok(())
    }

    /// Closes the port and every connection, even those with a request in flight. When this
    /// returns, connections are refused.
    pub async fn stop(&mut self) {
        if let State::Running { stop, task } = std::mem::replace(&mut self.state, State::Stopped) {
            stop.send_replace(true);
            // An error means a panic in a connection's task; the port is closed all the same.
            task.await.ok();
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, message)
}

/// Listens on this address and, if it is a loopback address, on the other one.
fn listen(address: SocketAddr) -> io::Result<Vec<StdListener>> {
    let first = listener(address)?;
    let port = first.local_addr()?.port();
    let other = match address.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => None,
    };
    let other = other.and_then(|ip| listener(SocketAddr::new(ip, port)).ok());
    Ok([first].into_iter().chain(other).collect())
}

/// Listens with `SO_REUSEADDR`, so that a port that was closed a moment ago can be opened again.
fn listener(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until told to stop; then everything is closed before it returns.
async fn serve(listeners: Vec<TcpListener>, app: Arc<Answers>, mut stopped: ShutdownWatch) {
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(accept(listener, Arc::clone(&app), stopped.clone()));
    }
    until(&mut stopped).await;
    while tasks.join_next().await.is_some() {}
}

async fn until(stopped: &mut ShutdownWatch) {
    // An error means that the sender was dropped, which has the same meaning.
    stopped.wait_for(|stopped| *stopped).await.ok();
}

async fn accept(listener: TcpListener, app: Arc<Answers>, mut stopped: ShutdownWatch) {
    let mut connections = JoinSet::new();
    let watch = stopped.clone();
    loop {
        tokio::select! {
            () = until(&mut stopped) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&app), watch.clone()));
                }
                Err(error) => {
                    log::warn!(backend = app.name.as_str(), error:% = error; "cannot accept");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Serves one connection, request after request.
async fn converse(stream: TcpStream, app: Arc<Answers>, stopped: ShutdownWatch) {
    // Without it the second of two small writes waits for the client's acknowledgement.
    if stream.set_nodelay(true).is_ok() {
        let stream: Stream = Box::new(L4Stream::from(stream));
        app.process_new(stream, &stopped).await;
    }
}

/// The state that all connections of one backend share.
#[derive(Debug)]
struct Answers {
    name: String,
    header: HeaderValue,
    delay: Duration,
    delays_checks: bool,
    status: StatusCode,
}

#[async_trait]
impl HttpServerApp for Answers {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _stopped: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        match session.read_request().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => {
                session.respond_error(400).await.ok();
                return None;
            }
        }
        // Reading the header decided whether the connection is kept, but not for how long.
        let keepalive = session.get_keepalive().map(|_| KEEPALIVE);
        session.set_keepalive(keepalive);
        self.answer(&mut session).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

impl Answers {
    async fn answer(&self, session: &mut ServerSession) -> Result<()> {
        if expects_continue(session.req_header()) {
            session.write_continue_response().await?;
        }
        session.drain_request_body().await?;
        // A backend that is slow still works: a late check would take it out of service.
        let is_late = self.delays_checks || !is_check(session.req_header());
        if is_late && !self.delay.is_zero() {
            time::sleep(self.delay).await;
        }
        let body = self.body(session.req_header());
        let has_body = !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut header = ResponseHeader::build(self.status, Some(4))?;
        header.insert_header("X-Backend", self.header.clone())?;
        if has_body {
            header.insert_header(CONTENT_TYPE, "text/plain; charset=utf-8")?;
            header.insert_header(CONTENT_LENGTH, body.len())?;
        }
        session.write_response_header(Box::new(header)).await?;
        if has_body && session.req_header().method != Method::HEAD {
            session.write_response_body(body.into(), true).await?;
        }
        Ok(())
    }

    /// Returns the name, the request line without the version, and the headers in the case
    /// received.
    fn body(&self, request: &RequestHeader) -> String {
        let target = String::from_utf8_lossy(request.raw_path());
        let mut body = format!("backend {}\n{} {target}\n", self.name, request.method);
        for (name, value) in request.case_header_iter() {
            let name = String::from_utf8_lossy(name.as_slice());
            let value = String::from_utf8_lossy(value.as_bytes());
            writeln!(body, "{name}: {value}").ok();
        }
        body
    }
}

fn is_check(request: &RequestHeader) -> bool {
    request.headers.get(USER_AGENT).is_some_and(|agent| is_agent_of_checks(agent.as_bytes()))
}

fn expects_continue(request: &RequestHeader) -> bool {
    let expectation = request.headers.get(EXPECT).map(HeaderValue::as_bytes);
    request.version == http::Version::HTTP_11
        && expectation.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    use super::*;

    /// Far longer than any step of a test takes, so that a broken test ends.
    const DEADLINE: Duration = Duration::from_secs(10);

    async fn start(options: Options) -> DemoBackend {
        let mut backend = DemoBackend::bind("127.0.0.1", 0, options).unwrap();
        backend.start().await.unwrap();
        backend
    }

    fn named(name: &str) -> Options {
        Options { name: Some(name.to_owned()), ..Options::default() }
    }

    async fn within<F: Future>(future: F) -> F::Output {
        timeout(DEADLINE, future).await.expect("in time")
    }

    struct Client {
        stream: TcpStream,
        /// Bytes received and not yet consumed.
        rest: Vec<u8>,
    }

    impl Client {
        async fn connect(address: impl Into<SocketAddr>) -> Self {
            let stream = within(TcpStream::connect(address.into())).await.unwrap();
            Self { stream, rest: Vec::new() }
        }

        async fn send(&mut self, bytes: &str) {
            within(self.stream.write_all(bytes.as_bytes())).await.unwrap();
        }

        /// Returns the number of bytes received; zero at the end of the stream, or if it breaks.
        async fn receive(&mut self) -> usize {
            within(self.stream.read_buf(&mut self.rest)).await.unwrap_or(0)
        }

        async fn head(&mut self) -> String {
            loop {
                if let Some(end) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                    let head = self.rest.drain(..end + 4).collect();
                    return String::from_utf8(head).unwrap();
                }
                assert_ne!(self.receive().await, 0, "closed in the head");
            }
        }

        async fn body(&mut self, length: usize) -> String {
            while self.rest.len() < length {
                assert_ne!(self.receive().await, 0, "closed in the body");
            }
            String::from_utf8(self.rest.drain(..length).collect()).unwrap()
        }

        /// Returns head and body of an answer.
        async fn answer(&mut self) -> (String, String) {
            let head = self.head().await;
            let body = self.body(length(&head)).await;
            (head, body)
        }

        async fn is_closed(&mut self) -> bool {
            self.receive().await == 0
        }
    }

    fn length(head: &str) -> usize {
        let lower = head.to_ascii_lowercase();
        let value = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        value.expect("a length").parse().unwrap()
    }

    #[tokio::test]
    async fn answers_with_its_name_and_what_it_received() {
        let backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        client
            .send("GET /path?query HTTP/1.1\r\nHost: x:8080\r\nX-CaSe: 1\r\nx-case: 2\r\n\r\n")
            .await;
        let (head, body) = client.answer().await;
        assert_eq!(body, "backend a\nGET /path?query\nHost: x:8080\nX-CaSe: 1\nx-case: 2\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("X-Backend: a\r\n"), "{head}");
        assert!(head.contains("Content-Type: text/plain; charset=utf-8\r\n"), "{head}");
    }

    #[tokio::test]
    async fn is_called_after_its_port_by_default() {
        let backend = start(Options::default()).await;
        assert_eq!(backend.name(), backend.address().port().to_string());
        assert_ne!(backend.address().port(), 0);
    }

    #[tokio::test]
    async fn a_thousand_requests_fit_on_one_connection() {
        let backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        for number in 0..1000 {
            client.send(&format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
            let (_, body) = client.answer().await;
            assert_eq!(body, format!("backend a\nGET /{number}\nHost: x\n"));
        }
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_before_the_answer() {
        let backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        let large = "x".repeat(300_000);
        for body in [
            format!("Content-Length: {}\r\n\r\n{large}", large.len()),
            "Content-Length: 0\r\n\r\n".to_owned(),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len()),
        ] {
            client.send(&format!("POST /p HTTP/1.1\r\nHost: x\r\n{body}")).await;
            let (_, body) = client.answer().await;
            assert!(body.starts_with("backend a\nPOST /p\n"), "{body}");
        }
    }

    #[tokio::test]
    async fn head_has_the_length_but_not_the_body() {
        let backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(length(&client.head().await), "backend a\nHEAD /\nHost: x\n".len());
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (_, body) = client.answer().await;
        assert!(body.starts_with("backend a\nGET /\n"), "{body}");
    }

    #[tokio::test]
    async fn a_client_that_waits_for_100_continue_gets_it() {
        let backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        let head = "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
        client.send(head).await;
        assert!(client.head().await.starts_with("HTTP/1.1 100 "));
        client.send("hello").await;
        let (head, _) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }

    #[tokio::test]
    async fn a_connection_is_closed_when_the_client_asks_or_would_not_know() {
        let backend = start(named("a")).await;
        for request in
            ["GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"]
        {
            let mut client = Client::connect(backend.address()).await;
            client.send(request).await;
            let (head, _) = client.answer().await;
            assert!(head.contains("Connection: close\r\n"), "{head}");
            assert!(client.is_closed().await, "{request}");
        }
    }

    #[tokio::test]
    async fn malformed_requests_are_refused() {
        let backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        client.send("GET\0 / HTTP/1.1\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    }

    #[tokio::test]
    async fn answers_late_and_with_its_configured_status() {
        let delay = Duration::from_millis(50);
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let backend = start(Options { delay, status, ..named("a") }).await;
        let mut client = Client::connect(backend.address()).await;
        let before = crate::clock::now();
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (head, body) = client.answer().await;
        assert!(before.elapsed() >= delay);
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(body.starts_with("backend a\n"), "{body}");
    }

    #[tokio::test]
    async fn a_health_check_waits_only_if_that_is_asked_for() {
        let check = "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: lb/0.1.0 (health check)\r\n\r\n";
        let prompt = start(Options { delay: DEADLINE * 6, ..named("a") }).await;
        let mut client = Client::connect(prompt.address()).await;
        client.send(check).await;
        assert!(client.answer().await.0.starts_with("HTTP/1.1 200 "));

        let delay = Duration::from_millis(50);
        let late = start(Options { delay, delays_checks: true, ..named("a") }).await;
        let mut client = Client::connect(late.address()).await;
        let before = crate::clock::now();
        client.send(check).await;
        client.answer().await;
        assert!(before.elapsed() >= delay);
    }

    #[tokio::test]
    async fn a_status_without_a_body_has_none() {
        let backend = start(Options { status: StatusCode::NO_CONTENT, ..named("a") }).await;
        let mut client = Client::connect(backend.address()).await;
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
            assert!(!head.to_ascii_lowercase().contains("content-length"), "{head}");
        }
    }

    #[tokio::test]
    async fn stopping_refuses_and_breaks_and_starting_takes_the_same_port() {
        let mut backend = start(Options { delay: DEADLINE * 6, ..named("a") }).await;
        let address = backend.address();
        let mut idle = Client::connect(address).await;
        let mut busy = Client::connect(address).await;
        busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        for _ in 0..3 {
            within(backend.stop()).await;
            assert!(!backend.is_running());
            let refused = within(TcpStream::connect(address)).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            backend.start().await.unwrap();
            assert!(backend.is_running());
            assert_eq!(backend.address(), address);
            Client::connect(address).await;
        }
        assert!(idle.is_closed().await);
        assert!(busy.is_closed().await);
    }

    #[tokio::test]
    async fn starting_and_stopping_twice_changes_nothing() {
        let mut backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        backend.start().await.unwrap();
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.answer().await;
        within(backend.stop()).await;
        within(backend.stop()).await;
        assert!(client.is_closed().await);
    }

    #[tokio::test]
    async fn a_dropped_backend_closes() {
        let backend = start(named("a")).await;
        let mut client = Client::connect(backend.address()).await;
        drop(backend);
        assert!(client.is_closed().await);
    }

    #[tokio::test]
    async fn the_other_loopback_address_answers_too() {
        if StdListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            return;
        }
        // Another process may hold the port there, which is not a failure: the next port is tried.
        for _ in 0..10 {
            let backend = start(named("a")).await;
            let address = SocketAddr::from((Ipv6Addr::LOCALHOST, backend.address().port()));
            if let Ok(stream) = within(TcpStream::connect(address)).await {
                let mut client = Client { stream, rest: Vec::new() };
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                let (_, body) = client.answer().await;
                assert!(body.starts_with("backend a\n"), "{body}");
                return;
            }
        }
        panic!("never on both");
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error() {
        let taken = start(named("a")).await;
        let error = DemoBackend::bind("127.0.0.1", taken.address().port(), named("b")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn options_that_cannot_be_sent_are_refused() {
        let early = Options { status: StatusCode::CONTINUE, ..Options::default() };
        for options in [early, named("a\nb")] {
            let error = DemoBackend::bind("127.0.0.1", 0, options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
}
