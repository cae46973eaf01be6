//! Where commands for the process that serves come in.

use std::{os::unix::net::UnixListener, time::Duration};

use tokio::{sync::mpsc, time};

use crate::process::{
    control::{self, PendingCommand},
    meeting_socket::{MeetingSocket, PeerCredentials},
};

/// Before the place is tried again: the process before still has it.
pub(super) const RETRY: Duration = Duration::from_millis(50);

/// Takes commands, at once or as soon as the process before does no more.
pub(super) async fn take(
    place: MeetingSocket,
    mut listener: Option<UnixListener>,
    has_predecessor: bool,
    orders: mpsc::Sender<PendingCommand>,
) {
    if listener.is_none() && !has_predecessor {
        log::warn!(control:% = place, by = who_listens(&place);
            "somebody else takes the commands for this file; until that ends, this process takes none");
    }
    loop {
        let bound = listener.take().map_or_else(|| place.listen(), Ok);
        let bound = bound.and_then(|listener| {
            listener.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(listener)
        });
        match bound {
            Ok(listener) => return control::serve(listener, orders).await,
            Err(_) => time::sleep(RETRY).await,
        }
    }
}

fn who_listens(place: &MeetingSocket) -> String {
    match place.connect().and_then(|stream| PeerCredentials::of(&stream)) {
        Ok(other) => format!("process {} of user {}", other.pid, other.uid),
        Err(error) => error.to_string(),
    }
}
