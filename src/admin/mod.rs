//! Where the process answers about itself: whether it lives, and whether it should get requests.
//!
//! A thread and a runtime of its own, so that the answer comes while the proxy is saturated, and
//! while Pingora has closed its listeners and the last requests end. So few connections that
//! nobody can take the files of the proxy through them.

mod answer;
mod connection;
mod events;
mod explain;
mod metrics;
mod readiness;
mod samples;
#[cfg(test)]
mod shown;
mod status;
#[cfg(test)]
mod tests;
pub mod view;

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Builder, sync::watch, task::JoinSet, time};

pub use readiness::{Phase, Readiness, Unready};

/// Connections at once; others wait in the system's queue.
const MAX_CONNECTIONS: usize = 256;
/// Before accepting is tried again when the system is out of something, such as descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener that answers about this process; closed when dropped.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    closed: watch::Sender<bool>,
}

impl Admin {
    /// Answers on this socket from now on, on a thread of its own. `GET /live` is 200; `GET
    /// /ready` is 200 or, with the reason, 503.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or refuses the socket.
    pub fn start(socket: StdListener, readiness: Arc<Readiness>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let address = socket.local_addr()?;
        socket.set_nonblocking(true)?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(socket)?
        };
        let (closed, is_closed) = watch::channel(false);
        let run = move || runtime.block_on(accept(listener, readiness, is_closed));
        thread::Builder::new().name("admin".to_owned()).spawn(run)?;
        Ok(Self { address, closed })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nobody from now on: another process answers on this socket. Whoever has asked by
    /// now gets an answer; a connection between two requests is closed.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.close();
    }
}

async fn accept(
    listener: TcpListener,
    readiness: Arc<Readiness>,
    mut is_closed: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut is_failing = false;
    loop {
        let has_room = connections.len() < MAX_CONNECTIONS;
        let accepted = tokio::select! {
            _ = is_closed.wait_for(|closed| *closed) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if has_room => accepted,
        };
        match accepted {
            Ok((socket, client)) => {
                is_failing = false;
                let (readiness, is_closed) = (Arc::clone(&readiness), is_closed.clone());
                connections.spawn(async move {
                    connection::converse(socket, client, &readiness, is_closed).await;
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
    drop(listener);
    while connections.join_next().await.is_some() {}
}
