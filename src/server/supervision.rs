//! The main thread's work while the process serves: do what signals and commands say, and end.

use std::{
    net::Shutdown, os::unix::net::UnixListener, path::Path, process::ExitCode, sync::Arc,
    time::Duration,
};

use pingora_proxy::HttpProxy;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::{JoinHandle, JoinSet},
    time,
};

use super::{
    commands, reload,
    signals::Signals,
    stop::StopAccepting,
    successor::Successor,
    watch::{self, WatchedFile},
};
use crate::admin::{Admin, Readiness};
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::process::{
    control::{Answer, Command, PendingCommand, Reply},
    handover::Agreement,
    meeting_socket::MeetingSocket,
    pid_file::PidFile,
    service_manager,
};
use crate::proxy::Proxy;
use crate::telemetry::log as process_log;

/// By then the next process takes commands, if it ever does.
const CONTROL_PASSED: Duration = Duration::from_secs(1);
/// What is steered.
pub(super) struct Supervision {
    pub(super) current: Arc<Current>,
    pub(super) in_flight: InFlight,
    pub(super) readiness: Arc<Readiness>,
    pub(super) stop: StopAccepting,
    pub(super) proxy: Arc<HttpProxy<Proxy>>,
    pub(super) admin: Option<Admin>,
    pub(super) pid_file: Option<PidFile>,
    /// `None` where there is no file, and so nothing to load or to start anew.
    pub(super) file: Option<FromFile>,
}

/// What a process that runs from a file can do.
pub(super) struct FromFile {
    pub(super) control: MeetingSocket,
    /// Where commands come in; `None` while they go to the process before.
    pub(super) orders: Option<UnixListener>,
    /// As it was loaded.
    pub(super) watched: WatchedFile,
    pub(super) reload: mpsc::Sender<reload::ReloadRequest>,
    pub(super) successor: Arc<Successor>,
}

/// Why the process ends.
#[derive(Debug)]
enum Ending {
    /// Now, whatever is in flight.
    Now,
    /// When everything in flight is done.
    Stopped,
    /// The same, and this other process serves.
    Replaced(u32, Handover),
    /// The same, and the process before goes on serving.
    Unwanted,
}

/// What the process before is yet to say: whether this one is to serve.
type Verdict = JoinHandle<(Agreement, bool)>;

/// A hand-over under way.
#[derive(Debug)]
struct Handover {
    task: JoinHandle<Result<u32, String>>,
    /// Who wants to know how it ends.
    reply: Option<Reply>,
    /// What the next process has loaded may be out of date.
    is_outdated: bool,
}

impl Supervision {
    /// Does as it is told until the process is to end; its exit code.
    ///
    /// `agreement` is what this process and the one before have yet to come to; commands come
    /// through `orders`, whoever sends them.
    pub(super) async fn run(
        mut self,
        mut signals: Signals,
        agreement: Option<Agreement>,
        (ordered, mut orders): (mpsc::Sender<PendingCommand>, mpsc::Receiver<PendingCommand>),
    ) -> ExitCode {
        let mut taking = JoinSet::new();
        if let Some(from) = &mut self.file {
            let (place, listener) = (from.control.clone(), from.orders.take());
            taking.spawn(commands::take(place, listener, agreement.is_some(), ordered));
        }
        let connection = agreement.as_ref().and_then(|agreement| agreement.connection().ok());
        let verdict = agreement.map(|mut agreement| {
            tokio::task::spawn_blocking(move || {
                let is_ours = agreement.is_ours();
                (agreement, is_ours)
            })
        });
        let (ending, agreed) = self.serve(&mut signals, &mut orders, verdict).await;
        if let (Some(connection), None) = (connection, &agreed) {
            // The process before is not to rely on one that is leaving. It may have ended itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
        if !matches!(ending, Ending::Stopped) {
            // They are the other process's from now on. Whoever still waits is told.
            taking.shutdown().await;
            orders.close();
            while orders.try_recv().is_ok() {}
        }
        let is_replaced = matches!(ending, Ending::Replaced(..));
        match ending {
            Ending::Now => {}
            Ending::Stopped => tokio::select! {
                () = self.stop(&mut signals) => {}
                () = self.refuse_commands(&mut orders) => {}
            },
            Ending::Replaced(pid, handover) => {
                self.tell_of(pid, handover).await;
                self.make_way(&mut signals).await;
            }
            Ending::Unwanted => {
                log::error!("the process before goes on serving, and this one ends");
                self.make_way(&mut signals).await;
                return ExitCode::FAILURE;
            }
        }
        if let Some(admin) = self.admin.as_ref().filter(|_| !is_replaced) {
            admin.end();
        }
        match self.in_flight.requests() {
            0 => {
                log::info!("stopped");
                ExitCode::SUCCESS
            }
            cut_off => {
                log::warn!(cut_off; "stopped with requests in flight");
                ExitCode::FAILURE
            }
        }
    }

    /// Nothing here waits, or signals would not be heard. With why it ends comes the connection
    /// that the process before takes for our life.
    async fn serve(
        &mut self,
        signals: &mut Signals,
        orders: &mut mpsc::Receiver<PendingCommand>,
        mut verdict: Option<Verdict>,
    ) -> (Ending, Option<Agreement>) {
        let mut handover: Option<Handover> = None;
        let mut agreed = None;
        let mut looks = time::interval(watch::INTERVAL);
        let ending = loop {
            tokio::select! {
                _ = signals.terminate.recv() => break Ending::Stopped,
                _ = signals.interrupt.recv() => break Ending::Now,
                _ = signals.quit.recv() => self.replace(None, None, &mut handover),
                _ = signals.reopen.recv() => self.reopen(),
                _ = signals.hangup.recv() => self.reload(None, &mut handover),
                Some(PendingCommand { command, reply }) = orders.recv() => match command {
                    Command::Reload => self.reload(Some(reply), &mut handover),
                    Command::Health => reply.send_later(self.health()),
                    Command::Upgrade(program) => {
                        self.replace(Some(&program), Some(reply), &mut handover);
                    }
                },
                (agreement, is_ours) = decided(&mut verdict) => {
                    if !is_ours {
                        break Ending::Unwanted;
                    }
                    agreed = Some(self.take_charge(agreement, &mut handover));
                }
                (result, ended) = finished(&mut handover) => match result {
                    Ok(pid) => break Ending::Replaced(pid, ended),
                    Err(reason) => refuse(&reason, ended.reply),
                },
                _ = looks.tick() => if self.has_changed() {
                    self.reload(None, &mut handover);
                },
            }
        };
        (ending, agreed)
    }

    fn has_changed(&mut self) -> bool {
        let is_watching = self.current.pin().watch;
        is_watching && self.file.as_mut().is_some_and(|from| from.watched.has_changed())
    }

    /// The process before is done, or gone.
    fn take_charge(&self, mut agreement: Agreement, handover: &mut Option<Handover>) -> Agreement {
        if let Some(Err(error)) = self.pid_file.as_ref().map(PidFile::claim) {
            log::warn!("the file with the process's number (pid_file) is wrong: {error}");
        }
        agreement.settle();
        // It may have been changed, and the process before have loaded it, while this one waited.
        if self.file.as_ref().is_some_and(|from| from.watched.is_outdated()) {
            self.reload(None, handover);
        }
        agreement
    }

    pub(super) fn health(&self) -> Answer {
        match self.readiness.check() {
            Ok(()) => Ok("ready".to_owned()),
            Err(unready) => Err(format!("not ready: {unready}")),
        }
    }

    fn reopen(&self) {
        // To open a pipe may take as long as its reader likes.
        tokio::task::spawn_blocking(process_log::reopen);
        if let Some(access_log) = &self.current.pin().access_log {
            access_log.reopen();
        }
    }

    fn reload(&self, reply: Option<Reply>, handover: &mut Option<Handover>) {
        if let Some(handover) = handover {
            handover.is_outdated = true;
        }
        let Some(from) = &self.file else {
            let reason = "not reloaded: there is no file to load from (-c FILE)";
            log::warn!("{reason}");
            if let Some(reply) = reply {
                reply.send_later(Err(reason.to_owned()));
            }
            return;
        };
        // Where so many wait, what is wanted will be done with them.
        if let Err(TrySendError::Full(Some(reply)) | TrySendError::Closed(Some(reply))) =
            from.reload.try_send(reply)
        {
            reply.send_later(Err("too many reloads wait already: try again later".to_owned()));
        }
    }

    fn replace(
        &self,
        program: Option<&Path>,
        reply: Option<Reply>,
        handover: &mut Option<Handover>,
    ) {
        let refusal = match (&self.file, &handover) {
            (_, Some(_)) => "a hand-over is under way already",
            (None, _) => "there is no file to run the next process from (-c FILE)",
            (Some(from), None) => {
                let task = from.successor.hand_over(program);
                *handover = Some(Handover { task, reply, is_outdated: false });
                return;
            }
        };
        refuse(refusal, reply);
    }

    /// Another process serves. Whoever asked is told when that one takes commands too: they may
    /// have the next one ready.
    async fn tell_of(&self, pid: u32, Handover { reply, is_outdated, .. }: Handover) {
        service_manager::replaced_by(pid);
        log::info!(pid; "handed over");
        if is_outdated {
            hang_up(pid);
        }
        let Some(reply) = reply else { return };
        if let Some(from) = &self.file {
            let is_passed = async {
                while from.control.connect().is_err() {
                    time::sleep(commands::RETRY).await;
                }
            };
            // If that one never does, this one has handed over all the same.
            let _ = time::timeout(CONTROL_PASSED, is_passed).await;
        }
        reply.send(Ok(format!("handed over to process {pid}"))).await;
    }
}

/// Resolves when a hand-over has ended; there may be none.
async fn finished(handover: &mut Option<Handover>) -> (Result<u32, String>, Handover) {
    let result = match handover {
        Some(handover) => (&mut handover.task).await,
        None => std::future::pending().await,
    };
    let result = result.unwrap_or_else(|error| Err(error.to_string()));
    match handover.take() {
        Some(handover) => (result, handover),
        None => std::future::pending().await,
    }
}

/// Resolves when the process before has decided; there may be none.
async fn decided(verdict: &mut Option<Verdict>) -> (Agreement, bool) {
    let Some(task) = verdict else { return std::future::pending().await };
    let decided = task.await;
    *verdict = None;
    match decided {
        Ok(decided) => decided,
        // It panicked; then this process serves.
        Err(_) => std::future::pending().await,
    }
}

/// Has another process of ours load its configuration anew.
fn hang_up(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::HUP)) {
        log::warn!(error:% = error; "the next process is not told of the last reload");
    }
}

/// Tells everybody why there is no hand-over.
fn refuse(reason: &str, reply: Option<Reply>) {
    log::error!("not handed over, still serving: {reason}");
    if let Some(reply) = reply {
        reply.send_later(Err(format!("not upgraded, still serving as before: {reason}")));
    }
}
