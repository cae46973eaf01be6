//! Many clients at once, which record all failures.
//!
//! A load runs for a number of requests and not for a time, and a test acts in its midst after a
//! number of requests: the same on a fast machine and on a busy one. The clients are tasks of one
//! small runtime and parse no more than they need, because they share the machine with the process
//! under test.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lb::clock;
use parking_lot::Mutex;
use tokio::{net::TcpStream, task::JoinSet, time};

use super::{
    backend::RUNTIME,
    eventually::eventually,
    reply::Reply,
    request::{Request, Wire},
    tls_client,
};

const CLIENTS: usize = 32;
/// The pause between two requests of a calm client.
const PAUSE: Duration = Duration::from_millis(900);
/// One request in this number is an order (POST); the others are GETs.
pub(crate) const ORDER_EVERY: usize = 5;
/// The body of an order.
pub(crate) const ORDER: &str = "order!";
/// The number of requests after which clients give up on a test that does not end.
const REQUESTS_MAX: usize = 200_000;
/// How long one request may take before it counts as failed: longer than any wait of a test while a
/// request is stuck.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a test may wait for something to happen under load.
const LOAD_PATIENCE: Duration = Duration::from_secs(60);
/// The value of no request.
const NONE: usize = usize::MAX;

/// The number in the path of a client's request; `None` for one that is not a client's.
pub(crate) fn number_in(path: &str) -> Option<usize> {
    path.strip_prefix("/item/").or_else(|| path.strip_prefix("/order/"))?.parse().ok()
}

/// The good answer: it names the request, so that a client notices an answer to another request.
pub(crate) fn good_answer(request: &Request) -> Reply {
    Reply::ok(good_body(&request.path))
}

fn good_body(path: &str) -> String {
    format!("the answer to {path}")
}

/// The behaviour of a client between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// It does not pause, and keeps its connection.
    Busy,
    /// It waits for a moment, and keeps its connection.
    Calm,
    /// It closes its connection.
    Anew,
}

/// GETs and orders on keep-alive connections, until finished or dropped. Requests are numbered in
/// the order in which they begin, from 0, and carry that number in their path.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

struct Shared {
    address: SocketAddr,
    is_tls: bool,
    begun: AtomicUsize,
    done: AtomicUsize,
    is_over: AtomicBool,
    /// The GET that each client waits for.
    waiting: Vec<AtomicUsize>,
    report: Mutex<Report>,
}

impl Load {
    /// Begins a load with clients that keep their connection from one request to the next.
    pub(crate) fn start(address: SocketAddr) -> Self {
        Self::of((address, false), |_| Habit::Busy)
    }

    /// Like [`Load::of_all_habits`], over TLS: of the connections, one half goes on with earlier sessions.
    pub(crate) fn over_tls(address: SocketAddr) -> Self {
        Self::of((address, true), Self::habits)
    }

    /// Begins a load with clients of every habit.
    pub(crate) fn of_all_habits(address: SocketAddr) -> Self {
        Self::of((address, false), Self::habits)
    }

    fn habits(client: usize) -> Habit {
        match client % 8 {
            0 => Habit::Calm,
            1..4 => Habit::Anew,
            _ => Habit::Busy,
        }
    }

    fn of((address, is_tls): (SocketAddr, bool), habit: impl Fn(usize) -> Habit) -> Self {
        let shared = Arc::new(Shared {
            address,
            is_tls,
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            waiting: (0..CLIENTS).map(|_| AtomicUsize::new(NONE)).collect(),
            report: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let habit = habit(client);
            clients.spawn_on(Arc::clone(&shared).client(client, habit), RUNTIME.handle());
        }
        Self { shared, clients }
    }

    /// Requests begun so far: every later one has at least this number.
    pub(crate) fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// Returns when `count` requests are done in all.
    #[track_caller]
    pub(crate) fn reach(&self, count: usize) {
        self.until(&format!("{count} requests"), || self.done() >= count);
    }

    /// Returns when `count` more are done.
    #[track_caller]
    pub(crate) fn more(&self, count: usize) {
        self.reach(self.done() + count);
    }

    /// Returns when the condition holds, the load going on.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        eventually(LOAD_PATIENCE, what, condition);
    }

    /// Whether a GET with a number below this one has not been answered yet.
    pub(crate) fn awaits_get_below(&self, number: usize) -> bool {
        self.shared.waiting.iter().any(|waiting| waiting.load(Ordering::SeqCst) < number)
    }

    fn done(&self) -> usize {
        self.shared.done.load(Ordering::SeqCst)
    }

    /// Ends the load, once every request that has begun is done.
    pub(crate) fn finish(mut self) -> Report {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // The clients are not aborted: requests in flight belong to the load, and each has its
        // deadline.
        RUNTIME.block_on(async { while self.clients.join_next().await.is_some() {} });
        let mut report = std::mem::take(&mut *self.shared.report.lock());
        report.durations.sort_unstable();
        report
    }
}

/// The kind of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A GET, which may be repeated.
    Get,
    /// A POST, to be executed once at most.
    Order,
}

/// The result of a request without a good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// Another status than 200, in a whole answer.
    Status(u16),
    /// No connection, or its end before the end of a header.
    NoAnswer(io::ErrorKind),
    /// An answer that is plainly cut: less than its length, or chunks without their end.
    Cut,
    /// A 200 that looks whole, and is not the good answer to this request.
    Wrong,
    /// No answer, or not all of it, in time.
    Late,
}

/// A request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    pub number: usize,
    pub kind: Kind,
    pub failure: Failure,
}

/// The result of a load.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Answers by their status, whole or not.
    pub statuses: BTreeMap<u16, usize>,
    /// The failures, in order.
    pub failures: Vec<Failed>,
    /// The numbers of the orders that got a good answer.
    pub orders: Vec<usize>,
    /// The durations of all requests, the shortest first.
    durations: Vec<Duration>,
}

impl Report {
    /// The number of all requests.
    pub(crate) fn requests(&self) -> usize {
        self.durations.len()
    }

    /// How requests of one kind failed, from this number on.
    pub(crate) fn failures_of(&self, kind: Kind, from: usize) -> Vec<Failure> {
        let such = |failed: &&Failed| failed.kind == kind && failed.number >= from;
        self.failures.iter().filter(such).map(|failed| failed.failure).collect()
    }

    /// How long the slowest one in `share` requests took at least.
    fn slowest(&self, share: usize) -> Duration {
        let index = self.durations.len().saturating_sub(1 + self.durations.len() / share);
        self.durations.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failures: BTreeMap<(Kind, Failure), usize> = BTreeMap::new();
        for failed in &self.failures {
            *failures.entry((failed.kind, failed.failure)).or_default() += 1;
        }
        let longest = self.durations.last().copied().unwrap_or_default();
        write!(f, "{} requests, {:?} answered; ", self.requests(), self.statuses)?;
        write!(f, "failed: {failures:?}; p99 {:.1?}, longest {longest:.1?}", self.slowest(100))
    }
}

impl Shared {
    async fn client(self: Arc<Self>, client: usize, habit: Habit) {
        let mut connection = None;
        let mut body = Vec::new();
        while let Some(asked) = self.next() {
            if asked.kind == Kind::Get {
                self.waiting[client].store(asked.number, Ordering::SeqCst);
            }
            let begun = clock::now();
            let exchange = asked.exchange(&mut connection, || self.connect(client), &mut body);
            let answer = time::timeout(DEADLINE, exchange).await.unwrap_or(Err(Failure::Late));
            let took = clock::now().saturating_duration_since(begun);
            self.waiting[client].store(NONE, Ordering::SeqCst);
            if !answer.as_ref().is_ok_and(|answer| answer.is_whole && !answer.is_last) {
                connection = None;
            }
            self.note(&asked, &answer, &body, took);
            match habit {
                Habit::Busy => {}
                Habit::Calm => time::sleep(PAUSE).await,
                Habit::Anew => connection = None,
            }
        }
    }

    async fn connect(&self, client: usize) -> io::Result<Wire> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        if !self.is_tls {
            return Ok(Wire::new(stream));
        }
        tls_client::connect(stream, client.is_multiple_of(2)).await.map(Wire::over_tls)
    }

    /// The next request; `None` when no more are wanted.
    fn next(&self) -> Option<Asked> {
        if self.is_over.load(Ordering::SeqCst) {
            return None;
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        (number < REQUESTS_MAX).then(|| Asked::new(number))
    }

    fn note(&self, asked: &Asked, answer: &Result<Answer, Failure>, body: &[u8], took: Duration) {
        let failure = asked.judge(answer, body);
        let Asked { number, kind, .. } = *asked;
        let mut report = self.report.lock();
        report.durations.push(took);
        if let Ok(answer) = answer {
            *report.statuses.entry(answer.status).or_default() += 1;
        }
        match failure {
            Some(failure) => report.failures.push(Failed { number, kind, failure }),
            None if kind == Kind::Order => report.orders.push(number),
            None => {}
        }
        drop(report);
        self.done.fetch_add(1, Ordering::SeqCst);
    }
}

/// One request.
struct Asked {
    number: usize,
    kind: Kind,
    path: String,
}

/// The facts about an answer that a client needs.
#[derive(Debug, Clone, Copy)]
struct Answer {
    status: u16,
    framing: Framing,
    /// Whether the connection must not be used again.
    is_last: bool,
    /// Whether the body came to its promised end.
    is_whole: bool,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

impl Asked {
    fn new(number: usize) -> Self {
        if number % ORDER_EVERY == ORDER_EVERY - 1 {
            Self { number, kind: Kind::Order, path: format!("/order/{number}") }
        } else {
            Self { number, kind: Kind::Get, path: format!("/item/{number}") }
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let path = &self.path;
        let text = match self.kind {
            Kind::Get => format!("GET {path} HTTP/1.1\r\nHost: load\r\n\r\n"),
            Kind::Order => {
                let length = ORDER.len();
                format!(
                    "POST {path} HTTP/1.1\r\nHost: load\r\nContent-Length: {length}\r\n\r\n{ORDER}"
                )
            }
        };
        text.into_bytes()
    }

    /// Sends a request and reads the answer, on this connection or a new one.
    async fn exchange(
        &self,
        connection: &mut Option<Wire>,
        connect: impl AsyncFnOnce() -> io::Result<Wire>,
        body: &mut Vec<u8>,
    ) -> Result<Answer, Failure> {
        body.clear();
        let wire = match connection {
            Some(wire) => wire,
            none => none.insert(connect().await.map_err(no_answer)?),
        };
        wire.send(&self.to_bytes()).await.map_err(no_answer)?;
        let mut answer = read_answer(wire).await.map_err(no_answer)?;
        let mut sink = |piece: &[u8]| body.extend_from_slice(piece);
        let read = match answer.framing {
            Framing::Length(length) => wire.read_exactly(length, &mut sink).await,
            Framing::Chunked => wire.read_chunks(&mut sink).await,
            Framing::Close => wire.read_to_close(&mut sink).await,
        };
        answer.is_whole = read.is_ok();
        Ok(answer)
    }

    fn judge(&self, answer: &Result<Answer, Failure>, body: &[u8]) -> Option<Failure> {
        match answer {
            Err(failure) => Some(*failure),
            Ok(answer) if !answer.is_whole => Some(Failure::Cut),
            Ok(Answer { status: 200, .. }) => {
                (body != good_body(&self.path).as_bytes()).then_some(Failure::Wrong)
            }
            Ok(answer) => Some(Failure::Status(answer.status)),
        }
    }
}

fn no_answer(error: io::Error) -> Failure {
    Failure::NoAnswer(error.kind())
}

/// The header of an answer that is not an interim one.
async fn read_answer(wire: &mut Wire) -> io::Result<Answer> {
    loop {
        let answer = wire.read_head(Answer::parse).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let answer = answer.ok_or(io::ErrorKind::InvalidData)?;
        if answer.status >= 200 {
            return Ok(answer);
        }
    }
}

impl Answer {
    /// `None` when this is no header of an answer.
    fn parse(head: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Self { status, framing: Framing::Close, is_last: false, is_whole: false };
        if matches!(status, 204 | 304) {
            answer.framing = Framing::Length(0);
        }
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                answer.framing = Framing::Length(value.parse().ok()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                answer.framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                answer.is_last = value.eq_ignore_ascii_case("close");
            }
        }
        answer.is_last |= matches!(answer.framing, Framing::Close);
        Some(answer)
    }
}
