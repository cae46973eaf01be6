//! The last part of the process's life: requests in flight end, and clients and balancers are told
//! early enough that none of them sees a connection break.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time;

use crate::admin::Admin;
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::process::{meeting_socket::MeetingSocket, service_manager};
use crate::readiness::{Phase, Readiness};
use crate::server::{listeners::StopAccepting, signals::Signals, upgrade::successor::Successor};

/// Idle connections stay open this long after the last accept, so that a client that sends a
/// request each second has been told by then that its connection ends.
const NOTICE: Duration = Duration::from_millis(1500);
/// A connection that was accepted this short a time ago may not have been counted yet.
const ACCEPTED: Duration = Duration::from_millis(100);

/// Everything that has to end before the process does.
pub(in crate::server) struct Draining {
    pub(in crate::server) current: Arc<Current>,
    pub(in crate::server) in_flight: InFlight,
    pub(in crate::server) readiness: Arc<Readiness>,
    pub(in crate::server) stop: StopAccepting,
    pub(in crate::server) sockets: LocalSockets,
    /// `None` for a process that cannot hand over.
    pub(in crate::server) successor: Option<Arc<Successor>>,
}

/// What this process alone can close: the admin listener, and the files of Unix sockets.
pub(in crate::server) struct LocalSockets {
    pub(in crate::server) admin: Option<Admin>,
    /// Of sockets that clients connect to.
    pub(in crate::server) files: Vec<PathBuf>,
}

impl LocalSockets {
    /// Closes the admin listener, because another process serves it.
    fn close(&self) {
        if let Some(admin) = &self.admin {
            admin.close();
        }
    }

    /// Closes the admin listener and removes the files, because no other process serves them.
    pub(super) fn end(&self) {
        if let Some(admin) = &self.admin {
            admin.end();
        }
        for file in &self.files {
            MeetingSocket::File(file.clone()).remove();
        }
    }
}

impl Draining {
    /// Gives outside balancers the time they need to notice, and ends.
    pub(super) async fn stop(&self, signals: &mut Signals) {
        self.begin();
        if let Some(successor) = &self.successor {
            successor.refuse();
        }
        service_manager::stopping();
        let shutdown = self.current.pin().shutdown;
        let delay = humantime::format_duration(shutdown.delay);
        log::info!(in_flight = self.in_flight.requests(), delay:% = delay; "stopping");
        tokio::select! {
            () = time::sleep(shutdown.delay) => {}
            () = signals.leave_now() => return,
        }
        tokio::select! {
            () = self.drain(shutdown.timeout) => {}
            () = signals.leave_now() => {}
        }
    }

    /// Ends because another process serves. A service manager that stops the other process sends
    /// SIGTERM to this one as well, so SIGTERM does not cut this drain short.
    pub(super) async fn make_way(&self, signals: &mut Signals) {
        self.begin();
        self.stop.for_next();
        log::info!(in_flight = self.in_flight.requests(); "another process serves, draining");
        self.sockets.close();
        tokio::select! {
            () = self.drain(self.current.pin().shutdown.timeout) => {}
            _ = signals.interrupt.recv() => {}
        }
    }

    fn begin(&self) {
        self.readiness.set(Phase::Draining);
        self.in_flight.drain();
    }

    /// Ends idle connections once clients have had notice, and waits for the others.
    async fn drain(&self, limit: Duration) {
        self.stop.now();
        if let Some(successor) = &self.successor {
            successor.end();
        }
        tokio::select! {
            () = self.end_connections() => {}
            () = time::sleep(limit.max(NOTICE)) => {}
        }
    }

    /// Resolves when the last connection has ended.
    async fn end_connections(&self) {
        time::sleep(ACCEPTED).await;
        let close_idle = async {
            time::sleep(NOTICE).await;
            self.in_flight.end_idle();
            std::future::pending().await
        };
        tokio::select! {
            () = self.in_flight.no_connections() => {}
            () = close_idle => {}
        }
    }
}
