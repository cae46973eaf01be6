//! Taking over from the process that serves: first everything that may fail, then its sockets.

use std::{io, time::Duration};

use tokio::{net::UnixListener, time::timeout};

use super::{StartError, set_up, signals::Signals};
use crate::admin::Readiness;
use crate::process::{background::Report, handover::Inherited, meeting_socket::MeetingSocket};

/// How long the first round of health checks is waited for; a backend that takes longer to answer
/// is down whatever it says.
const FIRST_ROUND: Duration = Duration::from_secs(15);
/// How long somebody may take to make the process that serves hand over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what the process before gives. `None` when this process is to leave instead. `report`
/// learns when the process before may be told.
///
/// # Errors
///
/// When nobody gives anything in time, or what is given cannot be read.
pub(super) async fn take_over(
    place: &MeetingSocket,
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
    let listener = place.listen().map_err(|source| set_up(what, format!("{place}: {source}")))?;
    listener.set_nonblocking(true).map_err(|source| set_up(what, source))?;
    let listener = UnixListener::from_std(listener).map_err(|source| set_up(what, source))?;
    log::info!(upgrade_socket:% = place; "waiting for the sockets of the process that serves");
    if let Some(report) = report.take() {
        report.serving();
    }
    let given = tokio::select! {
        given = timeout(PATIENCE, receive(&listener)) => Some(given),
        () = signals.leave() => None,
    };
    place.remove();
    let Some(given) = given else { return Ok(None) };
    let given = given.map_err(|_| {
        let seconds = PATIENCE.as_secs();
        let message = format!("nobody handed over within {seconds}s (send it SIGQUIT)");
        set_up("with the sockets of the process that serves", message)
    })?;
    given.map(Some).map_err(|source| set_up("with what the process that serves has sent", source))
}

async fn receive(listener: &UnixListener) -> io::Result<Inherited> {
    loop {
        let (stream, _) = listener.accept().await?;
        let stream = stream.into_std()?;
        let taking = tokio::task::spawn_blocking(move || Inherited::take(stream));
        match taking.await.map_err(io::Error::other)? {
            Ok(Some(given)) => return Ok(given),
            Ok(None) => log::warn!("another user's process wants to hand over, which is ignored"),
            // It only looked whether somebody is here, or ended: there may be another one.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
}

/// Resolves when the process that started this one ends before it has had its report.
async fn abandoned(report: Option<&Report>) {
    match report {
        Some(report) => report.abandoned().await,
        None => std::future::pending().await,
    }
}
