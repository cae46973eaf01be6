//! Where the process answers about itself, and is steered: whether it lives, whether it should get
//! requests, what it does, what of it is to be done otherwise.
//!
//! A thread and a runtime of its own, so that the answer comes while the proxy is saturated, and
//! while Pingora has closed its listeners and the last requests end. So few connections that
//! nobody can take the files of the proxy through them.

mod access;
mod answer;
mod api;
mod connection;
mod effective;
mod explain;
mod idle;
mod metrics;
mod page;
mod readiness;
mod resource;
mod respond;
mod samples;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod shown_names;
mod socket;
mod status;
mod stream;
#[cfg(test)]
mod tests;
pub mod view;
mod watched;

use std::{
    io,
    os::fd::OwnedFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    runtime::Builder,
    sync::{Semaphore, watch},
    task::JoinSet,
    time,
};

use crate::clock;
use crate::config::AdminAddress;
use crate::process::meeting_socket::MeetingSocket;
use access::Door;
pub use api::Api;
use idle::Idle;
pub use readiness::{Phase, Readiness, Unready};
use socket::Socket;

/// Connections at once. Where there are so many, the one that has waited for its client for
/// longest makes room for the next.
const MAX_CONNECTIONS: usize = 256;
/// Answers that take long, at once.
const THREADS: usize = 4;
/// Before accepting is tried again when the system is out of something, such as descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Whoever guesses tokens does not fill the log.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(1);

/// The listener that answers about this process; closed when dropped.
#[derive(Debug)]
pub struct Admin {
    address: AdminAddress,
    closed: watch::Sender<bool>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    address: AdminAddress,
    door: Door,
    api: Api,
    idle: Idle,
    /// Places for those who follow the events.
    streams: Arc<Semaphore>,
    /// When a wrong token was last told of.
    complained: Mutex<Option<Instant>>,
}

impl Shared {
    fn new(address: &AdminAddress, api: Api) -> Self {
        Self {
            address: address.clone(),
            door: Door::of(address),
            api,
            idle: Idle::default(),
            streams: Arc::new(Semaphore::new(stream::MAX_CLIENTS)),
            complained: Mutex::default(),
        }
    }

    fn may_complain(&self) -> bool {
        let now = clock::now();
        let mut last = self.complained.lock();
        let may = last.is_none_or(|last| now.saturating_duration_since(last) >= COMPLAINT_PAUSE);
        if may {
            *last = Some(now);
        }
        may
    }
}

impl Admin {
    /// Answers on this socket, which is that of this address, from now on, on a thread of its
    /// own.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or refuses the socket.
    pub fn start(socket: OwnedFd, address: AdminAddress, api: Api) -> io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
        let socket = {
            let _context = runtime.enter();
            Socket::new(socket, &address)?
        };
        let shared = Arc::new(Shared::new(&address, api));
        let (closed, is_closed) = watch::channel(false);
        runtime.spawn(watched::watch(shared.api.clone()));
        let run = move || runtime.block_on(accept(socket, shared, is_closed));
        thread::Builder::new().name("admin".to_owned()).spawn(run)?;
        Ok(Self { address, closed })
    }

    /// Accepts nobody from now on: another process answers on this socket. Whoever has asked by
    /// now gets an answer; a connection between two requests is closed.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// As [`Admin::close`], where no other process answers; leaves no file behind.
    pub fn end(&self) {
        self.close();
        if let AdminAddress::Unix(path) = &self.address {
            MeetingSocket::File(path.clone()).remove();
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.close();
    }
}

async fn accept(socket: Socket, shared: Arc<Shared>, mut is_closed: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut is_failing = false;
    loop {
        // One more is on its way in while another makes room.
        let has_room = connections.len() <= MAX_CONNECTIONS;
        let accepted = tokio::select! {
            _ = is_closed.wait_for(|closed| *closed) => break,
            Some(_) = connections.join_next() => continue,
            accepted = socket.accept(), if has_room => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                is_failing = false;
                if connections.len() >= MAX_CONNECTIONS {
                    shared.idle.make_room();
                }
                let (shared, is_closed) = (Arc::clone(&shared), is_closed.clone());
                connections.spawn(async move {
                    connection::converse(stream, &client, &shared, is_closed).await;
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    log::warn!(error:% = error; "the admin listener cannot accept");
                }
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}
