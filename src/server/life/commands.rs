//! Where commands for the process that serves come in, and those that it still answers when it is
//! about to leave.

use std::{os::unix::net::UnixListener, time::Duration};

use tokio::{sync::mpsc, time};

use crate::doctor::{EarlyCloses, RunningFacts};
use crate::process::{
    control::{self, Answer, Command, PendingCommand, STOPPING},
    meeting_socket::{MeetingSocket, PeerCredentials},
};
use crate::readiness::Readiness;
use crate::server::sources::LoadedSources;

/// The pause before the control socket is tried again: the predecessor still holds it.
pub(super) const RETRY: Duration = Duration::from_millis(50);

/// Takes commands, at once or as soon as the control socket is free.
pub(super) async fn take(
    socket: MeetingSocket,
    mut listener: Option<UnixListener>,
    has_predecessor: bool,
    commands: mpsc::Sender<PendingCommand>,
) {
    if listener.is_none() && !has_predecessor {
        log::warn!(control:% = socket, by = holder(&socket);
            "another process takes the commands for this file; until it ends, this one takes none");
    }
    loop {
        let bound = listener.take().map_or_else(|| socket.listen(), Ok);
        let bound = bound.and_then(|listener| {
            listener.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(listener)
        });
        match bound {
            Ok(listener) => return control::serve(listener, commands).await,
            Err(_) => time::sleep(RETRY).await,
        }
    }
}

/// The process that holds the control socket, for the log.
fn holder(socket: &MeetingSocket) -> String {
    match socket.connect().and_then(|stream| PeerCredentials::of(&stream)) {
        Ok(peer) => format!("process {} of user {}", peer.pid, peer.uid),
        Err(error) => format!("unknown ({error})"),
    }
}

/// The answer to `lb health`.
pub(super) fn health(readiness: &Readiness) -> Answer {
    match readiness.check() {
        Ok(()) => Ok("ready".to_owned()),
        Err(unready) => Err(format!("not ready: {unready}")),
    }
}

/// The answer to `lb doctor`, in JSON. The call waits for the file system.
pub(super) fn facts(sources: Option<&LoadedSources>, early_closes: Vec<EarlyCloses>) -> Answer {
    let facts = RunningFacts {
        outdated: sources.map(LoadedSources::outdated).unwrap_or_default(),
        last_reload_failed: sources.is_some_and(LoadedSources::has_failed),
        early_closes,
    };
    serde_json::to_string(&facts).map_err(|error| error.to_string())
}

/// Answers `lb health` and refuses every other command, until it is dropped.
pub(super) async fn refuse(readiness: &Readiness, commands: &mut mpsc::Receiver<PendingCommand>) {
    loop {
        match commands.recv().await {
            Some(PendingCommand { command: Command::Health, reply }) => {
                reply.send_later(health(readiness));
            }
            Some(pending) => pending.reply.send_later(Err(STOPPING.to_owned())),
            None => std::future::pending().await,
        }
    }
}
