//! The clients: each sends a request, waits for the whole answer, and sends the next; in HTTP/2 and 3
//! each stream of a client does. All of them run on one thread, so that they use little of the core that they
//! share with the backends.

mod connect;
mod http1;
mod http2;
mod http3;

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use lb::clock;
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    task::{self, LocalSet},
    time,
};

use self::connect::{Connector, Socket};
use crate::{
    started,
    workload::{Tls, Workload},
};

/// The pause after a missing answer, so that a dead proxy does not get requests in a busy loop.
const AFTER_AN_ERROR: Duration = Duration::from_millis(1);
/// A request without an answer for this long at the end of a turn counts as hanging.
const HANGS_AFTER: Duration = Duration::from_millis(500);

/// Clients at work. They stop when this is dropped.
#[derive(Debug)]
pub(crate) struct Clients {
    tally: Rc<Tally>,
    // Dropped before the runtime, in which its tasks end.
    tasks: LocalSet,
    runtime: Runtime,
}

/// The observations of clients since `Clients::begin`.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) latencies: Vec<Duration>,
    /// Answers other than 200, and missing answers.
    pub(crate) errors: u64,
    /// Requests that have been waiting for a long time.
    pub(crate) hanging: u64,
}

#[derive(Debug)]
struct Tally {
    latencies: RefCell<Vec<Duration>>,
    errors: Cell<u64>,
    /// When each client, or each of its streams, sent its request under way.
    waiting_since: RefCell<Vec<Instant>>,
}

impl Tally {
    fn begins(&self, number: usize, now: Instant) {
        self.waiting_since.borrow_mut()[number] = now;
    }

    fn answered(&self, begun: Instant) {
        self.latencies.borrow_mut().push(clock::now().duration_since(begun));
    }

    fn failed(&self) {
        self.errors.set(self.errors.get() + 1);
    }
}

/// What matters of an answer.
struct Answer {
    status: u16,
    /// The length of the body.
    length: Option<usize>,
}

/// The behaviour of each client.
#[derive(Debug, Clone)]
struct Habit {
    proxy: SocketAddr,
    tls: Option<Tls>,
    /// The bytes of a request of HTTP/1.1.
    request: Vec<u8>,
    /// The length of a request's body.
    sends: usize,
    /// The expected length of an answer's body.
    gets: usize,
    is_fresh: bool,
    /// The streams of HTTP/2 or 3 at once on each connection; 0 for HTTP/1.1.
    streams: usize,
    is_http3: bool,
}

impl Habit {
    fn new(workload: &Workload, proxy: SocketAddr) -> Self {
        let Workload { tls, sends, gets, is_fresh, streams, is_http3, .. } = *workload;
        Self { proxy, tls, request: workload.request(), sends, gets, is_fresh, streams, is_http3 }
    }

    /// Whether it is the answer of a backend; a proxy that answered by itself would be fast.
    fn likes(&self, answer: &Answer) -> bool {
        answer.status == 200 && answer.length == Some(self.gets)
    }

    /// What a client connects with: each remembers sessions of its own.
    fn connector(&self) -> Connector {
        Connector::new(self.proxy, self.tls, self.streams > 0)
    }
}

impl Clients {
    pub(crate) fn start(workload: &Workload, proxy: SocketAddr) -> Self {
        let (runtime, tasks) = (runtime(), LocalSet::new());
        let at_once = workload.streams.max(1);
        let tally = Rc::new(Tally {
            latencies: RefCell::new(Vec::with_capacity(1 << 18)),
            errors: Cell::new(0),
            waiting_since: RefCell::new(vec![clock::now(); workload.clients * at_once]),
        });
        let habit = Rc::new(Habit::new(workload, proxy));
        for number in 0..workload.clients {
            let (habit, tally) = (Rc::clone(&habit), Rc::clone(&tally));
            match workload.streams {
                streams if workload.is_http3 => {
                    tasks.spawn_local(http3::work(habit, tally, number * streams))
                }
                0 => tasks.spawn_local(http1::work(habit, tally, number)),
                streams => tasks.spawn_local(http2::work(habit, tally, number * streams)),
            };
        }
        Self { tally, tasks, runtime }
    }

    pub(crate) fn run_for(&self, duration: Duration) {
        self.tasks.block_on(&self.runtime, async { time::sleep(duration).await });
    }

    /// Resets the observations.
    pub(crate) fn begin(&self) {
        self.tally.latencies.borrow_mut().clear();
        self.tally.errors.set(0);
    }

    pub(crate) fn seen(&self) -> Seen {
        let now = clock::now();
        let waiting_since = self.tally.waiting_since.borrow();
        let hangs = |since: &&Instant| now.duration_since(**since) > HANGS_AFTER;
        Seen {
            latencies: self.tally.latencies.borrow().clone(),
            errors: self.tally.errors.get(),
            hanging: waiting_since.iter().filter(hangs).count() as u64,
        }
    }
}

/// Connections that have had one answer each, and wait for nothing.
pub(crate) struct Idle {
    // Dropped before the runtime, in which their tasks end.
    _connections: Vec<Kept>,
    _tasks: LocalSet,
    _runtime: Runtime,
}

/// A connection that is kept.
enum Kept {
    Http1 { _socket: Box<dyn Socket> },
    Http2 { _client: http2::Client },
    Http3 { _client: http3::Client },
    Half { _socket: TcpStream },
}

impl Idle {
    /// Opens the connections one after the other.
    pub(crate) fn open(count: usize, workload: &Workload, proxy: SocketAddr) -> Self {
        let (runtime, tasks) = (runtime(), LocalSet::new());
        let habit = Habit::new(workload, proxy);
        let connections = tasks.block_on(&runtime, async {
            let mut connections = Vec::with_capacity(count);
            for _ in 0..count {
                connections.push(match workload.is_half {
                    true => {
                        Kept::Half { _socket: habit.connector().half().await.expect("it accepts") }
                    }
                    false => open(&habit).await.expect("an answer of a backend"),
                });
                task::yield_now().await;
            }
            connections
        });
        Self { _connections: connections, _tasks: tasks, _runtime: runtime }
    }
}

/// A connection that has had one answer; `None` if that is not the answer of a backend.
async fn open(habit: &Habit) -> Option<Kept> {
    if habit.is_http3 {
        let client = http3::Client::connect(habit).await.ok()?;
        let answer = client.round_trip().await?;
        return habit.likes(&answer).then_some(Kept::Http3 { _client: client });
    }
    if habit.streams > 0 {
        let client = http2::Client::connect(habit).await.ok()?;
        let answer = client.round_trip(habit).await.ok()?;
        return habit.likes(&answer).then_some(Kept::Http2 { _client: client });
    }
    let mut client = http1::Client::new(habit);
    let answer = client.round_trip(habit).await.ok()?;
    let socket = client.connection.take()?;
    habit.likes(&answer).then_some(Kept::Http1 { _socket: socket })
}

/// Whether the proxy answers a small request with the answer of a backend.
pub(crate) fn are_answered(workload: &Workload, proxy: SocketAddr) -> bool {
    let simple = Workload { sends: 0, gets: 100, is_fresh: false, ..workload.clone() };
    let habit = Habit::new(&simple, proxy);
    let asked = async { time::timeout(started::PATIENCE, open(&habit)).await };
    LocalSet::new().block_on(&runtime(), asked).is_ok_and(|kept| kept.is_some())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
