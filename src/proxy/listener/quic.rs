//! What runs on a listener's port of UDP: every connection gets its handshake, and the proxy gets its
//! requests.
//!
//! A handshake costs `lb` more than the packet that begins it, and the sender of that packet may be invented.
//! So where many handshakes are under way, a client must first show that it can be reached at its address
//! (Retry, RFC 9000 section 8.1.2), which costs it one round trip and `lb` next to nothing.

use std::{
    io,
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pingora_core::{apps::HttpServerApp, server::ShutdownWatch};
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime};
use tokio::{sync::oneshot, task::JoinSet, time};

use super::{
    super::{
        accept,
        client::{self, ConnectionContext},
    },
    ListenerApp, PingoraProxy,
    quic_ids::ConnectionIds,
    quic_socket::{Reading, SharedSocket},
};
use crate::process::udp::relay::Relay;
use crate::tls::QuicKeys;

/// From this number of handshakes of clients whose address is not proven on, clients have to prove it.
const UNPROVEN: usize = 128;
/// The most handshakes under way; packets that would begin more are ignored, and sent again.
const HANDSHAKES: usize = 4096;
/// How many bytes of a client are kept that is not let in yet.
const AHEAD: u64 = 64 * 1024;
/// How long the last packets of a connection may take to be sent.
const PARTING: Duration = Duration::from_millis(20);
/// How long clients may take to acknowledge the end of their connections.
const GOODBYE: Duration = Duration::from_millis(500);

/// A listener's port of UDP.
pub struct QuicListener {
    pub(super) app: Arc<ListenerApp>,
    /// Comes when the listener accepts its first connection.
    pub(super) proxy: oneshot::Receiver<Arc<PingoraProxy>>,
}

impl std::fmt::Debug for QuicListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicListener").field("app", &self.app).finish_non_exhaustive()
    }
}

impl QuicListener {
    /// Serves the clients that come to this socket until `shutdown`, and then those that are there. Other
    /// processes share the socket: `reading` says whether this one reads from it, and `relay` is the way to them.
    ///
    /// # Errors
    ///
    /// When the system refuses to use the socket.
    pub async fn serve(
        self,
        socket: UdpSocket,
        relay: Relay,
        reading: Reading,
        shutdown: ShutdownWatch,
    ) -> io::Result<()> {
        // It never comes if the process ends before it serves.
        let Ok(proxy) = self.proxy.await else { return Ok(()) };
        let name = self.app.address.to_string();
        let keys = QuicKeys::of(&name).ok_or_else(|| io::Error::other("no random numbers"))?;
        let Some(initial) = self.app.quic_initial() else { return Ok(()) };
        let mut usual = ServerConfig::new(initial, Arc::new(keys.token));
        usual
            .max_incoming(HANDSHAKES)
            .incoming_buffer_size(AHEAD)
            .incoming_buffer_size_total(AHEAD * UNPROVEN as u64);
        let mut endpoint = EndpointConfig::new(Arc::new(keys.reset));
        let ids = ConnectionIds { key: keys.ids, ordinal: relay.ordinal };
        endpoint.cid_generator(move || Box::new(ids));
        let socket = SharedSocket::new(socket, relay, ids, reading.clone())?;
        let (server, runtime) = (Some(usual.clone()), Arc::new(TokioRuntime));
        let endpoint = Endpoint::new_with_abstract_socket(endpoint, server, socket, runtime)?;
        self.app.counts.begin_http3();
        let door = Door { app: self.app, proxy, usual, reading, handshakes: Handshakes::default() };
        door.serve(&endpoint, shutdown).await;
        // Clients that are gone acknowledge nothing.
        let _ = time::timeout(GOODBYE, endpoint.wait_idle()).await;
        Ok(())
    }
}

/// The handshakes under way.
#[derive(Debug, Default)]
struct Handshakes {
    all: AtomicUsize,
    /// Of clients whose address is not proven.
    unproven: AtomicUsize,
}

/// One handshake that is counted.
struct HandshakeGuard {
    door: Arc<Door>,
    is_proven: bool,
}

impl Drop for HandshakeGuard {
    fn drop(&mut self) {
        self.door.handshakes.all.fetch_sub(1, Ordering::Relaxed);
        if !self.is_proven {
            self.door.handshakes.unproven.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Where clients come in.
struct Door {
    app: Arc<ListenerApp>,
    proxy: Arc<PingoraProxy>,
    usual: ServerConfig,
    reading: Reading,
    handshakes: Handshakes,
}

impl Door {
    async fn serve(self, endpoint: &Endpoint, mut shutdown: ShutdownWatch) {
        let door = Arc::new(self);
        let mut connections = JoinSet::new();
        let watched = shutdown.clone();
        let mut is_over = *shutdown.borrow();
        while !is_over || !connections.is_empty() {
            tokio::select! {
                incoming = endpoint.accept() => {
                    let Some(incoming) = incoming else { return };
                    // What the next process passes on is of a client that was sent here (Retry).
                    if is_over && door.reading.is_here() {
                        // It may be about to read, and answers when the client asks again.
                        incoming.ignore();
                    } else if let Some((incoming, guard)) = door.admit(incoming) {
                        let (door, shutdown) = (Arc::clone(&door), watched.clone());
                        connections.spawn(async move {
                            door.connection(incoming, guard, &shutdown).await;
                        });
                    }
                }
                Some(_) = connections.join_next() => {}
                // The sender ends with the process.
                changed = shutdown.changed(), if !is_over => is_over = changed.is_err() || *shutdown.borrow(),
            }
        }
    }

    /// Lets a client in, or tells it to prove its address.
    fn admit(self: &Arc<Self>, incoming: Incoming) -> Option<(Incoming, HandshakeGuard)> {
        let is_proven = incoming.remote_address_validated();
        let handshakes = &self.handshakes;
        if handshakes.all.load(Ordering::Relaxed) >= HANDSHAKES {
            incoming.ignore();
            return None;
        }
        if !is_proven && handshakes.unproven.load(Ordering::Relaxed) >= UNPROVEN {
            self.app.counts.retries.one();
            // It fails only for a client that has proven its address.
            let _ = incoming.retry();
            return None;
        }
        handshakes.all.fetch_add(1, Ordering::Relaxed);
        if !is_proven {
            handshakes.unproven.fetch_add(1, Ordering::Relaxed);
        }
        Some((incoming, HandshakeGuard { door: Arc::clone(self), is_proven }))
    }

    /// Serves a connection to its end.
    async fn connection(
        &self,
        incoming: Incoming,
        guard: HandshakeGuard,
        shutdown: &ShutdownWatch,
    ) {
        let app = &self.app;
        let settings = app.settings();
        if !settings.speaks_http3 {
            return incoming.refuse();
        }
        let _open = (app.in_flight.connect(), app.counts.connect());
        let counts = Arc::clone(&app.counts);
        let context = ConnectionContext { counts, settings, facts: None };
        let opened = accept::open_quic(incoming, context, &self.usual).await;
        drop(guard);
        let Some((connection, context)) = opened else { return };
        let proxy = Arc::clone(&self.proxy);
        let shutdown = shutdown.clone();
        let answer = move |session| {
            let (proxy, shutdown) = (Arc::clone(&proxy), shutdown.clone());
            async move {
                proxy.process_new_http(session, &shutdown).await;
            }
        };
        let (ends, ends_now) = (app.in_flight.idle_ends(), app.in_flight.all_end());
        client::serve_http3(connection, context, ends, ends_now, answer).await;
        time::sleep(PARTING).await;
    }
}
