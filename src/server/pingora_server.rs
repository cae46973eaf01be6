//! Pingora's server: what runs as one of its services, on a thread of its own.

use std::{sync::Arc, thread};

use pingora_core::{
    server::{RunArgs, Server, configuration::ServerConf},
    services::background::background_service,
};
use tokio::sync::{Notify, oneshot};

use super::{
    error::{StartError, set_up},
    listeners::{ListenerSockets, Listeners, StopAccepting, UdpSharing},
};
use crate::config::Config;
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::pool::Supervisor;
use crate::proxy::Backends;

/// The rule in `retry` ends retries; Pingora's own limit only has to be out of its way.
const PINGORA_MAX_RETRIES: usize = 1000;
/// Pingora sleeps this long on its own thread after it was told to stop. The process leaves when
/// its requests are done, which is long before.
const PINGORA_GRACE_SECONDS: u64 = 24 * 60 * 60;

/// Pingora's server once it runs. It checks backends at once, and accepts connections when it is
/// given its sockets.
pub(super) struct PingoraServer {
    /// Takes the sockets of each listener of the configuration, in its order.
    pub(super) sockets: oneshot::Sender<(Vec<ListenerSockets>, UdpSharing)>,
    /// Notified when the server ends by itself or accepts no more, which takes a panic.
    pub(super) ended: Arc<Notify>,
    /// The idle connections to backends, of all listeners.
    pub(super) backends: Backends,
}

/// Notifies when it is dropped, also by a panic.
struct EndNotice(Arc<Notify>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl PingoraServer {
    /// Starts the server with everything that runs as one of its services.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(super) fn start(
        config: &Config,
        current: &Arc<Current>,
        in_flight: &InFlight,
        stop: &StopAccepting,
    ) -> Result<Self, StartError> {
        let mut server = Server::new_with_opt_and_conf(None, pingora_conf(config));
        let mut checks = background_service("checks", Supervisor::new(current.pools()));
        checks.threads = Some(1);
        let (give, sockets) = oneshot::channel();
        let ended = Arc::new(Notify::new());
        let backends = Backends::default();
        let listeners = Listeners {
            listeners: config.listeners.clone(),
            sockets: Some(sockets),
            conf: Arc::clone(&server.configuration),
            backends: backends.clone(),
            current: Arc::clone(current),
            in_flight: in_flight.clone(),
            stop: stop.clone(),
            failed: Arc::clone(&ended),
        };
        server.add_service(listeners);
        server.add_service(checks);

        let stop = stop.clone();
        let notice = EndNotice(Arc::clone(&ended));
        // Pingora blocks this thread for its whole grace period.
        let run = move || {
            let _notice = notice;
            server.run(RunArgs { shutdown_signal: Box::new(stop) });
        };
        thread::Builder::new()
            .name("server".to_owned())
            .spawn(run)
            .map_err(|source| set_up("the server's thread", source))?;
        Ok(Self { sockets: give, ended, backends })
    }
}

/// The settings of Pingora's server that follow from the configuration.
#[must_use]
pub fn pingora_conf(config: &Config) -> ServerConf {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let threads = config.threads.map_or_else(cores, usize::from);
    ServerConf {
        threads,
        max_retries: PINGORA_MAX_RETRIES,
        grace_period_seconds: Some(PINGORA_GRACE_SECONDS),
        // A single thread has no other thread to steal from, and would pay for trying.
        work_stealing: threads > 1,
        ..ServerConf::default()
    }
}
