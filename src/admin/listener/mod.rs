//! The listening side: a thread and a runtime of its own, so that responses come while the proxy is
//! saturated, and while Pingora has closed its listeners and the last requests end. It has few
//! connections, so that clients cannot use up the proxy's file descriptors through it.

mod access;
mod connection;
mod dispatch;
mod event_stream;
mod idle;
mod metrics_response;
mod reserve;
mod resource;
mod response;
mod shared;
mod socket;
#[cfg(test)]
mod tests;

use std::{io, os::fd::OwnedFd, sync::Arc, thread, time::Duration};

use rustix::io::Errno;
use tokio::{runtime::Builder, sync::watch, task::JoinSet, time};

use super::Api;
use crate::config::ListenAddress;
use crate::process::meeting_socket::MeetingSocket;
use reserve::Reserve;
use shared::Shared;
use socket::Socket;

/// The most connections at once. At this number, the connection that has waited longest for its client
/// is closed to make room for the next one.
const MAX_CONNECTIONS: usize = 256;
/// The most responses that are computed at the same time.
const THREADS: usize = 4;
/// The wait before the next try when the system cannot accept, for lack of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The admin listener. It is closed when dropped.
#[derive(Debug)]
pub struct Admin {
    address: ListenAddress,
    closed: watch::Sender<bool>,
}

impl Admin {
    /// Serves `api` on `socket`, which is bound to `address`, on a thread of its own.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot start a thread or refuses the socket.
    pub fn start(socket: OwnedFd, address: ListenAddress, api: Api) -> io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
        let socket = {
            let _context = runtime.enter();
            Socket::new(socket, &address)?
        };
        let shared = Arc::new(Shared::new(&address, api));
        let (closed, is_closed) = watch::channel(false);
        let (monitor, current) = (Arc::clone(&shared.api.monitor), Arc::clone(&shared.api.current));
        runtime.spawn(monitor.run(current));
        let run = move || runtime.block_on(accept(socket, shared, is_closed));
        thread::Builder::new().name("admin".to_owned()).spawn(run)?;
        Ok(Self { address, closed })
    }

    /// Accepts no more connections, because another process serves this socket. Requests that have
    /// begun are answered; a connection between two requests is closed.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Closes the listener as [`Admin::close`] does, and removes the file of a Unix socket, because no
    /// other process serves it.
    pub fn end(&self) {
        self.close();
        if let ListenAddress::Unix(path) = &self.address {
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
    let mut reserve = Reserve::new();
    loop {
        // One connection more is accepted while another is closed to make room.
        let has_room = connections.len() <= MAX_CONNECTIONS;
        let accepted = tokio::select! {
            _ = is_closed.wait_for(|closed| *closed) => break,
            Some(_) = connections.join_next() => {
                reserve.fill();
                continue;
            }
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
                    connection::serve(stream, &client, &shared, is_closed).await;
                });
            }
            // There is no pause, because another thread would use the descriptor meanwhile.
            Err(error) if is_out_of_descriptors(&error) && reserve.release() => {}
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

/// Whether the process, or the whole system, has no descriptor left.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::MFILE | Errno::NFILE))
}
