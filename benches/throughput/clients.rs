//! The clients: each sends a request, waits for the whole answer, and sends the next. All of them
//! run on one thread, so that they use little of the core that they share with the backends.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use lb::clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
    task::{self, LocalSet},
    time,
};

use crate::{started, workload::Workload};

const BUFFER: usize = 128 << 10;
const MAX_FIELDS: usize = 64;
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
    /// When each client sent its request under way.
    waiting_since: RefCell<Vec<Instant>>,
}

/// The behaviour of each client.
struct Habit {
    proxy: SocketAddr,
    request: Vec<u8>,
    /// The expected length of an answer's body.
    gets: usize,
    is_fresh: bool,
}

impl Habit {
    fn new(workload: &Workload, proxy: SocketAddr) -> Self {
        let (gets, is_fresh) = (workload.gets, workload.is_fresh);
        Self { proxy, request: workload.request(), gets, is_fresh }
    }

    /// Whether it is the answer of a backend; a proxy that answered by itself would be fast.
    fn likes(&self, answer: &Answer) -> bool {
        answer.status == 200 && answer.length == Some(self.gets)
    }
}

impl Clients {
    pub(crate) fn start(workload: &Workload, proxy: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let tally = Rc::new(Tally {
            latencies: RefCell::new(Vec::with_capacity(1 << 18)),
            errors: Cell::new(0),
            waiting_since: RefCell::new(vec![clock::now(); workload.clients]),
        });
        let habit = Rc::new(Habit::new(workload, proxy));
        let tasks = LocalSet::new();
        for number in 0..workload.clients {
            tasks.spawn_local(work(Rc::clone(&habit), Rc::clone(&tally), number));
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

async fn work(habit: Rc<Habit>, tally: Rc<Tally>, number: usize) {
    let mut buffer = vec![0; BUFFER];
    let mut connection = None;
    loop {
        let begun = clock::now();
        tally.waiting_since.borrow_mut()[number] = begun;
        match round_trip(&habit, &mut connection, &mut buffer).await {
            Ok(answer) if habit.likes(&answer) => {
                tally.latencies.borrow_mut().push(clock::now().duration_since(begun))
            }
            _ => {
                tally.errors.set(tally.errors.get() + 1);
                connection = None;
                time::sleep(AFTER_AN_ERROR).await;
            }
        }
    }
}

async fn round_trip(
    habit: &Habit,
    connection: &mut Option<TcpStream>,
    buffer: &mut [u8],
) -> io::Result<Answer> {
    let mut socket = match connection.take() {
        Some(socket) => socket,
        None => connect(habit.proxy).await?,
    };
    socket.write_all(&habit.request).await?;
    let answer = read_answer(&mut socket, buffer).await?;
    if habit.is_fresh {
        // The side that closes first keeps the port for a minute; real clients leave that to the
        // server.
        while socket.read(buffer).await? > 0 {}
    } else if answer.keeps_the_connection {
        *connection = Some(socket);
    }
    Ok(answer)
}

async fn connect(proxy: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(proxy).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

struct Answer {
    status: u16,
    /// The length of the body.
    length: Option<usize>,
    keeps_the_connection: bool,
}

/// Reads an answer to its last byte.
async fn read_answer(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Answer> {
    let mut filled = 0;
    loop {
        match socket.read(&mut buffer[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
        let Some((answer, length)) = parse(&buffer[..filled])? else { continue };
        let mut missing = length.saturating_sub(filled);
        while missing > 0 {
            match socket.read(buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => missing = missing.saturating_sub(read),
            }
        }
        return Ok(answer);
    }
}

/// Returns the answer with its whole length; `None` while its header is incomplete. An answer
/// without a length is an error page of the proxy, which ends with the connection.
fn parse(bytes: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(header) = parsed else { return Ok(None) };
    let length = started::content_length(response.headers);
    let is_close = |field: &httparse::Header<'_>| {
        field.name.eq_ignore_ascii_case("connection") && field.value.eq_ignore_ascii_case(b"close")
    };
    let keeps_the_connection = length.is_some() && !response.headers.iter().any(is_close);
    let status = response.code.unwrap_or_default();
    Ok(Some((Answer { status, length, keeps_the_connection }, header + length.unwrap_or_default())))
}

/// Connections that have had one answer each, and wait for nothing.
#[derive(Debug)]
pub(crate) struct Idle {
    _connections: Vec<TcpStream>,
    _runtime: Runtime,
}

impl Idle {
    /// Opens the connections one after the other.
    pub(crate) fn open(count: usize, workload: &Workload, proxy: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let habit = Habit::new(workload, proxy);
        let connections = runtime.block_on(async {
            let mut buffer = vec![0; BUFFER];
            let mut connections = Vec::with_capacity(count);
            for _ in 0..count {
                let mut connection = None;
                let answer = round_trip(&habit, &mut connection, &mut buffer).await;
                assert!(habit.likes(&answer.expect("an answer")), "it has another answer");
                connections.push(connection.expect("it is kept"));
                task::yield_now().await;
            }
            connections
        });
        Self { _connections: connections, _runtime: runtime }
    }
}
