//! The addresses we accept on.
//!
//! Pingora binds in a task, and a failure there is a panic that leaves a live process without a
//! port. So every address is bound here, before anything starts, and the sockets are given to
//! Pingora as if a process before us had handed them over.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::IntoRawFd,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch},
    services::{Service, listening},
};
use pingora_proxy::HttpProxy;
use socket2::{SockRef, TcpKeepalive};
use tokio::task::JoinSet;

use super::StartError;
use crate::config::Listener;
use crate::generation::Current;
use crate::proxy::{ListenerApp, Proxy};

/// How long a client may be silent before the system asks whether it is still there: one that
/// vanished in a tunnel would hold it for ever. Accepted connections inherit this.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A socket that accepts connections.
pub(super) struct Bound {
    /// The address it has; its port was chosen by the system where the configuration says 0.
    pub(super) address: SocketAddr,
    listener: Listener,
    socket: TcpListener,
}

/// Binds every address, or none.
pub(super) fn bind(listeners: &[Listener]) -> Result<Vec<Bound>, StartError> {
    let bind = |(index, listener): (usize, &Listener)| {
        let socket = || -> io::Result<Bound> {
            let socket = TcpListener::bind(listener.address)?;
            socket.set_nonblocking(true)?;
            SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
            Ok(Bound { address: socket.local_addr()?, listener: listener.clone(), socket })
        };
        let address = listener.address;
        socket().map_err(|source| StartError::Listen { address, index, source })
    };
    listeners.iter().enumerate().map(bind).collect()
}

/// All listeners as one of Pingora's services: a service has threads of its own, and listeners
/// are to share them.
pub(super) struct Listeners {
    sockets: Vec<(String, TcpListener)>,
    services: Vec<listening::Service<ListenerApp>>,
}

impl Listeners {
    pub(super) fn new(
        bound: Vec<Bound>,
        proxy: &Arc<HttpProxy<Proxy>>,
        current: &Arc<Current>,
    ) -> Self {
        let mut listeners = Self { sockets: Vec::new(), services: Vec::new() };
        for Bound { address, listener, socket } in bound {
            let name = address.to_string();
            let app = ListenerApp::new(Arc::clone(proxy), Arc::clone(current), &listener);
            let mut service = listening::Service::new(name.clone(), app);
            service.add_tcp(&name);
            listeners.services.push(service);
            listeners.sockets.push((name, socket));
        }
        listeners
    }
}

#[async_trait]
impl Service for Listeners {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let Some(fds) = fds else { return };
        for (name, socket) in self.sockets.drain(..) {
            fds.lock().add(name, socket.into_raw_fd());
        }
        let mut running = JoinSet::new();
        for mut service in self.services.drain(..) {
            let (fds, shutdown) = (Arc::clone(&fds), shutdown.clone());
            running.spawn(async move {
                service.start_service(Some(fds), shutdown, listeners_per_fd).await;
            });
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                log::error!(error:% = error; "a listener failed");
            }
        }
    }

    fn name(&self) -> &'static str {
        "listeners"
    }
}
