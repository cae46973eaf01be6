//! The last part of the process's life: what is in flight ends, and whoever talks to it is told, so
//! that nobody sees a connection break.

use std::time::Duration;

use pingora_core::apps::HttpServerApp;
use tokio::{sync::mpsc, time};

use super::{signals::Signals, supervision::Supervision};
use crate::admin::Phase;
use crate::process::{
    control::{Command, PendingCommand, STOPPING},
    service_manager,
};

/// From the moment that nobody is accepted any more, idle connections stay open so long: whoever
/// sends something each second has then been told that its connection ends.
const NOTICE: Duration = Duration::from_millis(1500);
/// A connection that was accepted a moment ago may not have been counted yet.
const ACCEPTED: Duration = Duration::from_millis(100);

impl Supervision {
    /// Takes the time that others need to notice, and ends.
    pub(super) async fn stop(&self, signals: &mut Signals) {
        self.begin_to_drain();
        if let Some(from) = &self.file {
            from.successor.refuse();
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

    /// Ends because another process serves. A service manager that stops that one sends SIGTERM to
    /// this one as well, and is obeyed already.
    pub(super) async fn make_way(&self, signals: &mut Signals) {
        self.begin_to_drain();
        log::info!(in_flight = self.in_flight.requests(); "another process serves, draining");
        if let Some(admin) = &self.admin {
            admin.close();
        }
        tokio::select! {
            () = self.drain(self.current.pin().shutdown.timeout) => {}
            _ = signals.interrupt.recv() => {}
        }
    }

    /// Until it is dropped.
    pub(super) async fn refuse_commands(&self, orders: &mut mpsc::Receiver<PendingCommand>) {
        loop {
            match orders.recv().await {
                Some(PendingCommand { command: Command::Health, reply }) => {
                    reply.send_later(self.health())
                }
                Some(order) => order.reply.send_later(Err(STOPPING.to_owned())),
                None => std::future::pending().await,
            }
        }
    }

    fn begin_to_drain(&self) {
        self.readiness.set(Phase::Draining);
        self.in_flight.drain();
    }

    /// Ends what can be ended without anybody noticing, and waits for the rest.
    async fn drain(&self, limit: Duration) {
        self.stop.accepting();
        if let Some(from) = &self.file {
            from.successor.end();
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
            self.proxy.http_cleanup().await;
            std::future::pending().await
        };
        tokio::select! {
            () = self.in_flight.no_connections() => {}
            () = close_idle => {}
        }
    }
}
