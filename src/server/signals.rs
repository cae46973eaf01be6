//! What signals do.
//!
//! | signal  | what happens                                                                      |
//! |---------|-----------------------------------------------------------------------------------|
//! | SIGTERM | stop accepting, finish what is in flight, leave as soon as that is done            |
//! | SIGQUIT | the same                                                                          |
//! | SIGINT  | leave now                                                                         |
//! | a second one of these | leave now                                                           |
//! | SIGUSR1 | open the access log's file anew, for whoever has moved it away                     |
//! | SIGHUP  | load the configuration anew                                                       |
//!
//! The exit code is 0 when no request was cut off, else 1. Pingora hears of SIGTERM only through
//! [`StopWatch`]: by itself it would then sleep its whole grace period whatever is in flight.

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

use super::reload::Reloader;
use crate::generation::Current;
use crate::proxy::InFlight;

/// How long requests in flight may take after SIGTERM.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Tells Pingora to stop accepting.
#[derive(Debug, Default)]
pub(super) struct Stop(Notify);

/// Pingora's ear for [`Stop`].
pub(super) struct StopWatch(Arc<Stop>);

impl StopWatch {
    pub(super) fn new(stop: Arc<Stop>) -> Self {
        Self(stop)
    }
}

#[async_trait]
impl ShutdownSignalWatch for StopWatch {
    async fn recv(&self) -> ShutdownSignal {
        self.0.0.notified().await;
        ShutdownSignal::GracefulTerminate
    }
}

/// Reloads in a task of its own, so that no signal waits for it. One that comes meanwhile is
/// remembered, and several are one.
fn reload_when_notified(mut reloader: Reloader) -> Arc<Notify> {
    let wanted = Arc::new(Notify::new());
    let notified = Arc::clone(&wanted);
    tokio::spawn(async move {
        loop {
            notified.notified().await;
            reloader.reload().await;
        }
    });
    wanted
}

/// Listens for signals from now on; the future ends with the process's exit code.
///
/// # Errors
///
/// When the system refuses a signal handler.
pub(super) fn supervise(
    stop: Arc<Stop>,
    in_flight: InFlight,
    current: Arc<Current>,
    reloader: Option<Reloader>,
) -> io::Result<impl Future<Output = ExitCode>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reopen = signal(SignalKind::user_defined1())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let reload = reloader.map(reload_when_notified);
        let is_graceful = loop {
            tokio::select! {
                _ = terminate.recv() => break true,
                _ = quit.recv() => break true,
                _ = interrupt.recv() => break false,
                _ = reopen.recv() => {
                    if let Some(access_log) = &current.pin().access_log {
                        access_log.reopen();
                    }
                }
                _ = hangup.recv() => match &reload {
                    Some(reload) => reload.notify_one(),
                    None => log::warn!("not reloaded: there is no file to load from (-c FILE)"),
                },
            }
        };
        if is_graceful {
            log::info!(in_flight = in_flight.count(); "stopping");
            in_flight.stop();
            stop.0.notify_one();
            tokio::select! {
                () = in_flight.none() => {}
                () = tokio::time::sleep(DRAIN_TIMEOUT) => {}
                _ = terminate.recv() => {}
                _ = quit.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        match in_flight.count() {
            0 => {
                log::info!("stopped");
                ExitCode::SUCCESS
            }
            cut_off => {
                log::warn!(cut_off; "stopped with requests in flight");
                ExitCode::FAILURE
            }
        }
    })
}
