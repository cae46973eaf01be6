//! Taking over from the process that serves: first everything that may fail, then the sockets.

use std::{io, time::Duration};

use tokio::{net::UnixListener, time::timeout};

use crate::process::{background::Report, handover::Inherited, meeting_socket::MeetingSocket};
use crate::readiness::Readiness;
use crate::server::{
    error::{StartError, set_up},
    signals::Signals,
};

/// The limit on the first round of health checks; a backend that takes longer to answer counts as
/// down.
const FIRST_ROUND: Duration = Duration::from_secs(15);
/// How long this process waits until the process that serves hands over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what the predecessor hands over. Returns `None` when this process is to leave instead.
/// `report` is told when the predecessor can hand over.
///
/// # Errors
///
/// If no process hands over in time, or its data cannot be read.
pub(in crate::server) async fn take_over(
    socket: &MeetingSocket,
    readiness: &Readiness,
    report: &mut Option<Report>,
    signals: &mut Signals,
) -> Result<Option<Inherited>, StartError> {
    tokio::select! {
        _ = timeout(FIRST_ROUND, readiness.first_round()) => {}
        () = signals.leave() => return Ok(None),
        () = abandoned(report.as_ref()) => {
            log::warn!("the process that started this one has ended, and so does this one");
            return Ok(None);
        }
    }
    let what = "the upgrade socket";
    let listener = socket.listen().map_err(|source| set_up(what, format!("{socket}: {source}")))?;
    listener.set_nonblocking(true).map_err(|source| set_up(what, source))?;
    let listener = UnixListener::from_std(listener).map_err(|source| set_up(what, source))?;
    log::info!(upgrade_socket:% = socket; "waiting for the sockets of the process that serves");
    if let Some(report) = report.take() {
        report.serving();
    }
    let inherited = tokio::select! {
        inherited = timeout(PATIENCE, receive(&listener)) => Some(inherited),
        () = signals.leave() => None,
    };
    socket.remove();
    let Some(inherited) = inherited else { return Ok(None) };
    let inherited = inherited.map_err(|_| {
        let seconds = PATIENCE.as_secs();
        let message = format!(
            "the process that serves did not hand over within {seconds}s: send it SIGQUIT while \
             this one waits, or use `lb upgrade -c FILE`"
        );
        set_up("the upgrade", message)
    })?;
    inherited.map(Some).map_err(|source| set_up("the upgrade", source))
}

async fn receive(listener: &UnixListener) -> io::Result<Inherited> {
    loop {
        let (stream, _) = listener.accept().await?;
        let stream = stream.into_std()?;
        let taking = tokio::task::spawn_blocking(move || Inherited::take(stream));
        match taking.await.map_err(io::Error::other)? {
            Ok(Some(inherited)) => return Ok(inherited),
            Ok(None) => log::warn!("another user's process wants to hand over, which is ignored"),
            // It only looked whether a process waits here, or ended; another one may follow.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
}

/// Resolves if the process that started this one ends before it has had its report.
async fn abandoned(report: Option<&Report>) {
    match report {
        Some(report) => report.abandoned().await,
        None => std::future::pending().await,
    }
}
