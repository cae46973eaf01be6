//! The clients. Each has a thread of its own, draws what it does from its seed, and notes what became
//! of every request.

mod http2;

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use fastrand::Rng;
use lb::clock;
use parking_lot::Mutex;

use super::{
    habit::{Leaves, Script},
    ledger::{End, Span, Visit},
    order::{Order, content},
};
use crate::support::client::{Connection, Response};

const CLIENTS: u64 = 24;
/// Clients of HTTP/2 beside them.
const HTTP2_CLIENTS: u64 = 8;
/// How long a client waits for what a balancer owes it at once. Longer than all limits together.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two requests of a client, in milliseconds. Shorter than a process that hands over waits for a
/// client that has a connection.
const PAUSE: std::ops::Range<u64> = 10..100;

/// Clients that ask until they are told to end.
pub(super) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    start: Instant,
    address: SocketAddr,
    protocol: &'static str,
    next_id: Arc<AtomicU64>,
    is_over: AtomicBool,
    visits: Mutex<Vec<Visit>>,
}

/// A connection that has been used.
struct Kept {
    connection: Connection,
    opened: Duration,
}

impl Clients {
    /// Begins. `next_id` gives each request of a run its own.
    pub(super) fn start(
        seed: u64,
        start: Instant,
        address: SocketAddr,
        next_id: &Arc<AtomicU64>,
    ) -> Self {
        let (shared, count) = (Shared::new(start, address, "HTTP/1", next_id), CLIENTS);
        Self::start_all(seed, count, shared, Shared::client)
    }

    /// Begins with clients of HTTP/2.
    pub(super) fn start_http2(
        seed: u64,
        start: Instant,
        address: SocketAddr,
        next_id: &Arc<AtomicU64>,
    ) -> Self {
        let (shared, count) = (Shared::new(start, address, "HTTP/2", next_id), HTTP2_CLIENTS);
        Self::start_all(seed, count, shared, Shared::http2_client)
    }

    fn start_all(
        seed: u64,
        count: u64,
        shared: Arc<Shared>,
        run: impl Fn(&Shared, Rng) + Copy + Send + 'static,
    ) -> Self {
        let client = |index| {
            let shared = Arc::clone(&shared);
            let rng = Rng::with_seed(seed.wrapping_mul(CLIENTS).wrapping_add(index));
            thread::spawn(move || run(&shared, rng))
        };
        let threads = (0..count).map(client).collect();
        Self { shared, threads }
    }

    /// Ends them, each when its request has ended; what became of all requests.
    pub(super) fn finish(mut self) -> Vec<Visit> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client does not panic");
        }
        std::mem::take(&mut *self.shared.visits.lock())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn new(
        start: Instant,
        address: SocketAddr,
        protocol: &'static str,
        next_id: &Arc<AtomicU64>,
    ) -> Arc<Self> {
        let next_id = Arc::clone(next_id);
        let (is_over, visits) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { start, address, protocol, next_id, is_over, visits })
    }

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    fn client(&self, mut rng: Rng) {
        let mut kept = None;
        while !self.is_over.load(Ordering::Relaxed) {
            let id = || self.next_id.fetch_add(1, Ordering::Relaxed);
            let script = Script::drawn(&mut rng, id);
            if script.is_new {
                kept = None;
            }
            kept = self.follow(&script, kept);
            thread::sleep(Duration::from_millis(rng.u64(PAUSE)));
        }
    }

    /// Asks, and notes what comes. The connection, where it goes on.
    fn follow(&self, script: &Script, kept: Option<Kept>) -> Option<Kept> {
        let is_reused = kept.is_some();
        let began = self.now();
        let kept = match kept.map_or_else(|| self.connect(), Ok) {
            Ok(kept) => kept,
            Err(error) => {
                let end = |_: &Order| End::Unanswered(format!("no connection: {error}"));
                self.note_all(script, end, began, (began, false));
                return None;
            }
        };
        let Kept { mut connection, opened } = kept;
        let about = (opened, is_reused);
        let sent_all = send(&mut connection, script);
        if script.leaves.is_some() {
            self.note_all(script, |_| End::Left, began, about);
            leave(connection, script);
            return None;
        }
        let mut is_open = true;
        for order in &script.orders {
            let end = if is_open {
                let read = connection.read_response(order.method);
                is_open = sent_all && read.as_ref().is_ok_and(goes_on);
                judge(order, read)
            } else {
                End::NotServed
            };
            self.note(order, end, began, about);
        }
        (is_open && script.keeps).then_some(Kept { connection, opened })
    }

    fn connect(&self) -> io::Result<Kept> {
        let connection = Connection::open(self.address)?;
        connection.limit(DEADLINE)?;
        Ok(Kept { connection, opened: self.now() })
    }

    fn note_all(
        &self,
        script: &Script,
        end: impl Fn(&Order) -> End,
        began: Duration,
        about: (Duration, bool),
    ) {
        script.orders.iter().for_each(|order| self.note(order, end(order), began, about));
    }

    fn note(&self, order: &Order, end: End, began: Duration, about: (Duration, bool)) {
        let (connected, is_reused) = about;
        let visit = Visit {
            id: order.id,
            what: format!("{} {} over {}", order.method, order.path(), self.protocol),
            is_repeatable: order.is_repeatable(),
            span: Span { from: began, to: self.now() },
            connected,
            is_reused,
            end,
        };
        self.visits.lock().push(visit);
    }
}

/// Returns whether all of it was taken, and no answer has come before.
fn send(connection: &mut Connection, script: &Script) -> bool {
    let last = match script.leaves {
        Some(Leaves::Sent(pieces, _)) => pieces,
        _ => script.pieces.len(),
    };
    for (index, piece) in script.pieces[..last].iter().enumerate() {
        // An answer to a request that has not been sent whole ends it.
        let is_early = index > 0 && script.orders.len() == 1 && connection.received_something();
        if is_early && !script.expects || connection.send(&piece.bytes).is_err() {
            return false;
        }
        thread::sleep(piece.wait);
    }
    true
}

fn leave(mut connection: Connection, script: &Script) {
    match script.leaves {
        Some(Leaves::Answered) => drop(connection.receive()),
        Some(Leaves::Sent(_, wait)) => thread::sleep(wait),
        None => {}
    }
    if script.resets {
        let _ = connection.reset();
    }
}

/// Whether another request can follow on the connection of this answer.
fn goes_on(response: &Response) -> bool {
    response.is_complete && response.header("connection") != Some("close")
}

fn judge(order: &Order, read: io::Result<Response>) -> End {
    let response = match read {
        Ok(response) => response,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            return End::Late;
        }
        Err(error) => return End::Unanswered(error.to_string()),
    };
    if !response.is_complete {
        let backend = response.header("x-backend").and_then(|backend| backend.parse().ok());
        return End::Cut(backend);
    }
    if response.status != 200 {
        return End::Status(response.status);
    }
    let down = if order.method == "HEAD" { 0 } else { order.down };
    if response.body == content(order.id, down) { End::Good } else { End::Wrong }
}
