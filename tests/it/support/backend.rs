//! A scripted backend, which records its requests.
//!
//! It speaks HTTP/1.1 by hand over TCP: a real server refuses to misbehave. All backends of a
//! test run share one small runtime, so that a hundred of them cost no threads.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsRawFd,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use nix::sys::socket::{Shutdown, shutdown};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinSet,
    time,
};

use super::{
    PATIENCE,
    eventually::eventually,
    reply::{Reply, Step},
    request::{Request, Wire},
    websocket,
};

/// Scripted backends and the clients of a [`super::load::Load`].
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

const BACKLOG: u32 = 1024;

type Choose = dyn Fn(&Request) -> Reply + Send + Sync;

/// A backend on a port of its own. Ends when dropped.
pub(crate) struct ScriptedBackend {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The accept loop; `None` while connections are refused.
    accepting: Mutex<Option<Accepting>>,
    _claim: Option<TcpSocket>,
}

struct Accepting {
    /// Ends the accept loop when dropped.
    stop: oneshot::Sender<()>,
    /// Closed by the accept loop when the listener is closed.
    stopped: mpsc::Receiver<()>,
}

struct Shared {
    script: Mutex<Script>,
    seen: Mutex<Vec<Request>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
}

struct Script {
    on_accept: Option<Reply>,
    by_path: HashMap<String, Reply>,
    next: VecDeque<Reply>,
    otherwise: Arc<Choose>,
}

/// The script.
impl ScriptedBackend {
    /// A backend that answers every request with 200 and its name.
    pub(crate) fn named(name: &str) -> Self {
        Self::replying(Reply::ok(name))
    }

    /// A backend that gives this reply to every request, until its script changes.
    pub(crate) fn replying(reply: Reply) -> Self {
        let (address, claim) = claim().expect("a free port");
        let shared = Arc::new(Shared {
            script: Mutex::new(Script {
                on_accept: None,
                by_path: HashMap::new(),
                next: VecDeque::new(),
                otherwise: Arc::new(move |_| reply.clone()),
            }),
            seen: Mutex::default(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        let backend = Self { address, shared, accepting: Mutex::default(), _claim: claim };
        backend.start();
        backend
    }

    /// Sets the reply to every request without a rule of its own.
    pub(crate) fn reply(&self, reply: Reply) {
        self.reply_with(move |_| reply.clone());
    }

    /// Like [`ScriptedBackend::reply`], but the reply is chosen for each request when its header
    /// has come.
    pub(crate) fn reply_with(&self, choose: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        self.shared.script.lock().otherwise = Arc::new(choose);
    }

    /// Sets the reply to the next `times` requests.
    pub(crate) fn reply_next(&self, times: usize, reply: Reply) {
        let script = &mut *self.shared.script.lock();
        script.next.extend(std::iter::repeat_n(reply, times));
    }

    /// Sets the replies to the next requests to any of these backends, one for each request.
    pub(crate) fn reply_in_order(backends: &[&Self], replies: impl Into<VecDeque<Reply>>) {
        let replies = Arc::new(Mutex::new(replies.into()));
        for backend in backends {
            let replies = Arc::clone(&replies);
            let next = move |_: &Request| replies.lock().pop_front();
            backend.reply_with(move |request| next(request).unwrap_or_else(|| Reply::ok("more")));
        }
    }

    /// Sets the reply to every request for this path, such as that of a health check; it outweighs
    /// other rules.
    pub(crate) fn reply_to(&self, path: &str, reply: Reply) {
        self.shared.script.lock().by_path.insert(path.to_owned(), reply);
    }

    /// Sets the reaction to a new connection, before anything is read from it.
    pub(crate) fn on_accept(&self, reply: impl Into<Option<Reply>>) {
        self.shared.script.lock().on_accept = reply.into();
    }

    /// Stops like a killed process: connections are refused, and the open ones are gone.
    pub(crate) fn stop(&self) {
        if let Some(accepting) = self.accepting.lock().take() {
            drop(accepting.stop);
            let _ = accepting.stopped.recv();
        }
    }

    /// Comes back on the same port, with the same script.
    pub(crate) fn start(&self) {
        self.accepting.lock().get_or_insert_with(|| {
            let _runtime = RUNTIME.enter();
            let listener = listen(self.address).expect("the port is ours");
            let (stop, told) = oneshot::channel();
            let (done, stopped) = mpsc::channel();
            RUNTIME.spawn(accept(listener, Arc::clone(&self.shared), told, done));
            Accepting { stop, stopped }
        });
    }
}

/// The record.
impl ScriptedBackend {
    /// Its address, also while it is stopped.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far whose header has come, in that order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.seen.lock().clone()
    }

    /// The number of requests that satisfy `is_such`, without copying all.
    pub(crate) fn count(&self, is_such: impl Fn(&Request) -> bool) -> usize {
        self.shared.seen.lock().iter().filter(|request| is_such(request)).count()
    }

    /// What can be told of each of them, without a copy of them all.
    pub(crate) fn of_each<T>(&self, tell: impl FnMut(&Request) -> Option<T>) -> Vec<T> {
        self.shared.seen.lock().iter().filter_map(tell).collect()
    }

    /// The requests for one path, with its query.
    pub(crate) fn requests_to(&self, path: &str) -> Vec<Request> {
        self.shared.seen.lock().iter().filter(|request| request.path == path).cloned().collect()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Connections open at the moment. A close by the other side is noticed while a request is
    /// awaited, read, or left hanging.
    pub(crate) fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Returns when `count` requests have come, with their bodies.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, count: usize) {
        self.wait_for(count, &format!("{count} requests"), |request| request.is_complete);
    }

    /// Returns when the headers of `count` requests have come.
    #[track_caller]
    pub(crate) fn wait_for_heads(&self, count: usize) {
        self.wait_for(count, &format!("{count} request headers"), |_| true);
    }

    #[track_caller]
    fn wait_for(&self, count: usize, what: &str, counts: impl Fn(&Request) -> bool) {
        eventually(PATIENCE, what, || self.count(&counts) >= count);
    }
}

impl Drop for ScriptedBackend {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A free port, and a socket that reserves it while nothing listens on it.
///
/// Linux does not hand out a port whose only socket was bound without `SO_REUSEADDR` as a free one;
/// if the option is set afterwards, our own listeners can join. On other systems the two cannot
/// share an address, and the port is merely unlikely to be given away.
pub(crate) fn claim() -> io::Result<(SocketAddr, Option<TcpSocket>)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.set_reuseaddr(true)?;
    Ok((socket.local_addr()?, cfg!(target_os = "linux").then_some(socket)))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut told: oneshot::Receiver<()>,
    _done: mpsc::Sender<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut told => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(Arc::clone(&shared).connection(stream));
            }
        }
    }
    // A drop is not enough: a process that another test is starting holds a copy of the descriptor
    // for a moment, and would keep the port accepting.
    let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
    drop(listener);
    connections.shutdown().await;
}

/// Counts a connection as open until dropped, also when its task is ended from outside.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        let _open = Open(Arc::clone(&self));
        // Errors come from the other side, where a test sees them.
        let _ = stream.set_nodelay(true);
        let _ = self.converse(Wire::new(stream), number).await;
    }

    async fn converse(&self, mut wire: Wire, number: usize) -> io::Result<()> {
        let on_accept = self.script.lock().on_accept.clone();
        if let Some(reply) = on_accept {
            let Some(open) = perform(wire, reply.steps(""), None).await? else { return Ok(()) };
            wire = open;
        }
        while let Some(mut request) = wire.read_request().await? {
            request.connection = number;
            let index = self.record(request.clone());
            let reply = self.choose(&request);
            if !reply.is_early() {
                self.take_body(&mut wire, &request, index).await?;
            }
            let steps = reply.steps(&request.method);
            let Some(open) = perform(wire, steps, Some(&request)).await? else { return Ok(()) };
            wire = open;
            if reply.is_early() {
                // Closing at once would reset the connection, and the answer could be lost.
                wire.close().await?;
                return wire.hang().await;
            }
            if request.is_last() {
                return wire.close().await;
            }
        }
        Ok(())
    }

    fn record(&self, request: Request) -> usize {
        let mut seen = self.seen.lock();
        seen.push(request);
        seen.len() - 1
    }

    async fn take_body(&self, wire: &mut Wire, request: &Request, index: usize) -> io::Result<()> {
        if request.expects_continue() {
            wire.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let sink = |piece: &[u8]| self.seen.lock()[index].body.extend_from_slice(piece);
        wire.read_body(request, sink).await?;
        self.seen.lock()[index].is_complete = true;
        Ok(())
    }

    fn choose(&self, request: &Request) -> Reply {
        let mut script = self.script.lock();
        if let Some(reply) = script.by_path.get(&request.path) {
            return reply.clone();
        }
        if let Some(reply) = script.next.pop_front() {
            return reply;
        }
        let otherwise = Arc::clone(&script.otherwise);
        drop(script);
        otherwise(request)
    }
}

/// Replies to a request, if one was read. Gives the connection back when it goes on after the steps.
async fn perform(
    mut wire: Wire,
    steps: Vec<Step>,
    request: Option<&Request>,
) -> io::Result<Option<Wire>> {
    for step in steps {
        match step {
            Step::Send(bytes) => wire.send(&bytes).await?,
            Step::Switch(bytes) => {
                let key = request.and_then(|request| request.header("sec-websocket-key"));
                wire.send(&[websocket::agrees(key), bytes].concat()).await?;
            }
            Step::Wait(pause) => time::sleep(pause).await,
            Step::Pass(gate) => gate.pass().await,
            Step::Hang => return wire.hang().await.map(|()| None),
            Step::Echo => return wire.echo().await.map(|()| None),
            Step::Close => return wire.close().await.map(|()| None),
            Step::Reset => return wire.reset().map(|()| None),
        }
    }
    Ok(Some(wire))
}
