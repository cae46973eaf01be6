//! The main thread's work while the process serves: do what signals and commands ask for, and end.
//!
//! Nothing here may block: a blocked main thread hears no signals.

use std::{
    net::Shutdown, os::unix::net::UnixListener, process::ExitCode, sync::Arc, time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::{JoinHandle, JoinSet},
    time,
};

use super::{
    commands,
    draining::Draining,
    expiry,
    watch::{self, Watch, Watched},
};
use crate::process::{
    control::{Command, PendingCommand, Reply},
    handover::Agreement,
    meeting_socket::MeetingSocket,
    pid_file::PidFile,
    service_manager,
};
use crate::proxy::Backends;
use crate::server::{
    reload::ReloadRequest,
    signals::Signals,
    sources::LoadedSources,
    upgrade::successor::{NextProgram, Successor},
};
use crate::telemetry::log as process_log;

/// The answer when the thread that loads configurations has enough to do.
const BUSY: &str = "too many reloads wait already: try again later";
/// The time within which the next process takes commands, if it ever does.
const CONTROL_PASSED: Duration = Duration::from_secs(1);

/// The running process, as signals and commands see it.
pub(in crate::server) struct Supervision {
    pub(in crate::server) draining: Draining,
    pub(in crate::server) pid_file: Option<PidFile>,
    /// `None` for a process without a file: it cannot reload, and no next process could start.
    pub(in crate::server) file: Option<FileOperations>,
    /// The idle connections to backends.
    pub(in crate::server) backends: Backends,
}

/// What a process that runs from a file can do.
pub(in crate::server) struct FileOperations {
    pub(in crate::server) control: MeetingSocket,
    /// Accepts commands; `None` while the predecessor accepts them.
    pub(in crate::server) commands: Option<UnixListener>,
    pub(in crate::server) sources: Arc<LoadedSources>,
    pub(in crate::server) reload: mpsc::Sender<ReloadRequest>,
    pub(in crate::server) successor: Arc<Successor>,
}

/// Why the process ends.
#[derive(Debug)]
enum Ending {
    /// At once, even with requests in flight.
    Now,
    /// When everything in flight is done.
    Stopped,
    /// When everything in flight is done; the process with this number serves.
    Replaced(u32, HandoverInProgress),
    /// When everything in flight is done; the predecessor goes on serving.
    Unwanted,
}

/// The predecessor's decision whether this process is to serve, while it is awaited.
type PendingVerdict = JoinHandle<(Agreement, bool)>;

#[derive(Debug)]
struct HandoverInProgress {
    task: JoinHandle<Result<u32, String>>,
    /// Where the result of the hand-over is sent, if a command asked for it.
    reply: Option<Reply>,
    /// Whether a reload was asked for meanwhile, which the next process may have missed.
    is_outdated: bool,
}

impl Supervision {
    /// Does what is asked for until the process is to end; its exit code.
    ///
    /// `agreement` is what this process and its predecessor have yet to agree on. All commands come
    /// through `pending`, from the control socket and from the admin listener.
    pub(in crate::server) async fn run(
        mut self,
        mut signals: Signals,
        agreement: Option<Agreement>,
        (asked, mut pending): (mpsc::Sender<PendingCommand>, mpsc::Receiver<PendingCommand>),
    ) -> ExitCode {
        let mut taking = JoinSet::new();
        if let Some(file) = &mut self.file {
            let (socket, listener) = (file.control.clone(), file.commands.take());
            taking.spawn(commands::take(socket, listener, agreement.is_some(), asked));
        }
        let connection = agreement.as_ref().and_then(|agreement| agreement.connection().ok());
        let verdict = agreement.map(|mut agreement| {
            tokio::task::spawn_blocking(move || {
                let is_ours = agreement.is_ours();
                (agreement, is_ours)
            })
        });
        let (ending, agreed) = self.serve(&mut signals, &mut pending, verdict).await;
        if let (Some(connection), None) = (connection, &agreed) {
            // The predecessor must not rely on a process that is leaving. It may have ended, too.
            let _ = connection.shutdown(Shutdown::Both);
        }
        if !matches!(ending, Ending::Stopped) {
            // The other process takes commands from here on. Dropping those that wait answers them.
            taking.shutdown().await;
            pending.close();
            while pending.try_recv().is_ok() {}
        }
        let is_replaced = matches!(ending, Ending::Replaced(..));
        match ending {
            Ending::Now => {}
            Ending::Stopped => tokio::select! {
                () = self.draining.stop(&mut signals) => {}
                () = commands::refuse(&self.draining.readiness, &mut pending) => {}
            },
            Ending::Replaced(pid, handover) => {
                self.tell_of(pid, handover).await;
                self.draining.make_way(&mut signals).await;
            }
            Ending::Unwanted => {
                log::error!("the process before goes on serving, and this one ends");
                self.draining.make_way(&mut signals).await;
                self.draining.in_flight.end_all().await;
                return ExitCode::FAILURE;
            }
        }
        if !is_replaced {
            self.draining.sockets.end();
        }
        let left = self.draining.in_flight.requests();
        self.draining.in_flight.end_all().await;
        match left {
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

    /// Returns why the process ends, and the connection by which the predecessor watches this one.
    async fn serve(
        &mut self,
        signals: &mut Signals,
        pending: &mut mpsc::Receiver<PendingCommand>,
        mut verdict: Option<PendingVerdict>,
    ) -> (Ending, Option<Agreement>) {
        let mut handover: Option<HandoverInProgress> = None;
        let mut agreed = None;
        let (change, mut changes) = mpsc::channel(1);
        let mut watching = JoinSet::new();
        self.watch(&mut watching, &change);
        watching.spawn(expiry::warn_daily(Arc::clone(&self.draining.current)));
        let ending = loop {
            tokio::select! {
                _ = signals.terminate.recv() => break Ending::Stopped,
                _ = signals.interrupt.recv() => break Ending::Now,
                _ = signals.quit.recv() => self.replace(NextProgram::Waits, None, &mut handover),
                _ = signals.upgrade.recv() => self.replace(NextProgram::Own, None, &mut handover),
                _ = signals.reopen.recv() => self.reopen(),
                _ = signals.hangup.recv() => self.reload(None, &mut handover),
                Some(PendingCommand { command, reply }) = pending.recv() => match command {
                    Command::Reload => self.reload(Some(reply), &mut handover),
                    Command::DryRun => self.preview(reply),
                    Command::Stop => {
                        reply.send_later(Ok(self.farewell()));
                        break Ending::Stopped;
                    }
                    Command::Health => {
                        reply.send_later(commands::health(&self.draining.readiness));
                    }
                    Command::Facts => self.tell_facts(reply),
                    Command::Upgrade(program) => {
                        self.replace(NextProgram::At(program), Some(reply), &mut handover);
                    }
                },
                (agreement, is_ours) = decided(&mut verdict) => {
                    if !is_ours {
                        break Ending::Unwanted;
                    }
                    agreed = Some(self.take_charge(agreement));
                    self.check_file(&mut watching, &change);
                }
                (result, ended) = finished(&mut handover) => match result {
                    Ok(pid) => break Ending::Replaced(pid, ended),
                    Err(reason) => refuse(&reason, ended.reply),
                },
                Some(()) = changes.recv() => self.reload(None, &mut handover),
            }
        };
        (ending, agreed)
    }

    /// Has a change of the configuration's files reported, while the configuration asks for that, and a
    /// change of those of certificates.
    fn watch(&self, tasks: &mut JoinSet<()>, change: &mpsc::Sender<()>) {
        let Some(file) = &self.file else { return };
        for watched in [Watched::Configuration, Watched::Certificates] {
            let current = Arc::clone(&self.draining.current);
            let is_wanted = move || watched == Watched::Certificates || current.pin().watch;
            let mut files = Watch::new(Arc::clone(&file.sources), watched);
            let look = move || files.have_changed();
            tasks.spawn(watch::watch(look, is_wanted, change.clone()));
        }
    }

    /// Has it reported if a file has changed since this process loaded it: the predecessor may
    /// have loaded the change while this process waited.
    fn check_file(&self, tasks: &mut JoinSet<()>, change: &mpsc::Sender<()>) {
        if let Some(file) = &self.file {
            let files = Watch::new(Arc::clone(&file.sources), Watched::Configuration);
            tasks.spawn(watch::check_once(move || files.is_outdated(), change.clone()));
        }
    }

    /// The predecessor has left the rest to this process, or has ended.
    fn take_charge(&self, mut agreement: Agreement) -> Agreement {
        if let Some(Err(error)) = self.pid_file.as_ref().map(PidFile::claim) {
            log::warn!(
                "the file with the process's number (pid_file) still names the process \
                before: {error}"
            );
        }
        agreement.settle();
        agreement
    }

    fn reopen(&self) {
        process_log::reopen();
        if let Some(access_log) = &self.draining.current.pin().access_log {
            access_log.reopen();
        }
    }

    fn reload(&self, reply: Option<Reply>, handover: &mut Option<HandoverInProgress>) {
        if let Some(handover) = handover {
            handover.is_outdated = true;
        }
        let Some(file) = &self.file else {
            let reason = "not reloaded: there is no file to load from (-c FILE)";
            log::warn!("{reason}");
            if let Some(reply) = reply {
                reply.send_later(Err(reason.to_owned()));
            }
            return;
        };
        // The reloads that wait already will load what this one would.
        if let Err(
            TrySendError::Full(ReloadRequest::Reload(Some(reply)))
            | TrySendError::Closed(ReloadRequest::Reload(Some(reply))),
        ) = file.reload.try_send(ReloadRequest::Reload(reply))
        {
            reply.send_later(Err(BUSY.to_owned()));
        }
    }

    /// Has it answered what a reload would change.
    fn preview(&self, reply: Reply) {
        let Some(file) = &self.file else {
            return reply.send_later(Err("there is no file to load from (-c FILE)".to_owned()));
        };
        if let Err(
            TrySendError::Full(ReloadRequest::DryRun(reply))
            | TrySendError::Closed(ReloadRequest::DryRun(reply)),
        ) = file.reload.try_send(ReloadRequest::DryRun(reply))
        {
            reply.send_later(Err(BUSY.to_owned()));
        }
    }

    /// Answers what cannot be seen from outside of this process.
    fn tell_facts(&self, reply: Reply) {
        let early_closes = self.backends.early_closes();
        let sources = self.file.as_ref().map(|file| Arc::clone(&file.sources));
        // A file system may hang.
        tokio::spawn(async move {
            let look = move || commands::facts(sources.as_deref(), early_closes);
            let looked = tokio::task::spawn_blocking(look).await;
            reply.send(looked.unwrap_or_else(|error| Err(error.to_string()))).await;
        });
    }

    /// The answer to a command that ends this process.
    fn farewell(&self) -> String {
        match self.draining.in_flight.requests() {
            0 => "stopping: no request is in flight".to_owned(),
            1 => "stopping: 1 request is in flight".to_owned(),
            requests => format!("stopping: {requests} requests are in flight"),
        }
    }

    fn replace(
        &self,
        program: NextProgram,
        reply: Option<Reply>,
        handover: &mut Option<HandoverInProgress>,
    ) {
        let refusal = match (&self.file, &handover) {
            (_, Some(_)) => "a hand-over is under way already",
            (None, _) => "there is no file to run the next process from (-c FILE)",
            (Some(file), None) => {
                let task = file.successor.hand_over(program);
                *handover = Some(HandoverInProgress { task, reply, is_outdated: false });
                return;
            }
        };
        refuse(refusal, reply);
    }

    /// Tells the service manager and the log that another process serves. The command that asked for
    /// it is answered when that process takes commands, too: another command may follow at once.
    async fn tell_of(&self, pid: u32, handover: HandoverInProgress) {
        let HandoverInProgress { reply, is_outdated, .. } = handover;
        service_manager::replaced_by(pid);
        log::info!(pid; "handed over");
        if is_outdated {
            hang_up(pid);
        }
        let Some(reply) = reply else { return };
        if let Some(file) = &self.file {
            let is_passed = async {
                while file.control.connect().is_err() {
                    time::sleep(commands::RETRY).await;
                }
            };
            // This process has handed over even if the other one never takes commands.
            let _ = time::timeout(CONTROL_PASSED, is_passed).await;
        }
        reply.send(Ok(format!("handed over to process {pid}"))).await;
    }
}

/// Resolves when a hand-over has ended, and never without one.
async fn finished(
    handover: &mut Option<HandoverInProgress>,
) -> (Result<u32, String>, HandoverInProgress) {
    let result = match handover {
        Some(handover) => (&mut handover.task).await,
        None => std::future::pending().await,
    };
    let result = result.unwrap_or_else(|error| {
        Err(format!("the hand-over failed by a fault of this program ({error}), see its log"))
    });
    match handover.take() {
        Some(handover) => (result, handover),
        None => std::future::pending().await,
    }
}

/// Resolves when the predecessor has decided, and never without one.
async fn decided(verdict: &mut Option<PendingVerdict>) -> (Agreement, bool) {
    let Some(task) = verdict else { return std::future::pending().await };
    let decided = task.await;
    *verdict = None;
    match decided {
        Ok(decided) => decided,
        // A panic of the task leaves this process serving.
        Err(_) => std::future::pending().await,
    }
}

/// Makes another process of ours load its configuration again.
fn hang_up(pid: u32) {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(Err(error)) = process.map(|pid| kill_process(pid, Signal::HUP)) {
        log::warn!(pid, error:% = error;
            "the next process may not have the last reload: send it SIGHUP");
    }
}

/// Says in the log and to the command that asked why there is no hand-over.
fn refuse(reason: &str, reply: Option<Reply>) {
    log::error!("not handed over, still serving: {reason}");
    if let Some(reply) = reply {
        reply.send_later(Err(format!("not upgraded, still serving as before: {reason}")));
    }
}
