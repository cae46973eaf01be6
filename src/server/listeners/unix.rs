//! Listening on Unix sockets: their files, and the loop that accepts.
//!
//! Pingora's own loop sets the permissions of a file by the socket's name, which a socket without a
//! file does not have; so connections are accepted here, and served like any other.

use std::{
    io, os::unix::net::UnixListener as StdUnixListener, path::Path, sync::Arc, time::Duration,
};

use pingora_core::{apps::ServerApp, server::ShutdownWatch};
use tokio::{net::UnixListener, time};

use crate::config::SocketFile;
use crate::process::privileges::{self, Identity};
use crate::proxy::{ListenerApp, unix_stream};

/// The wait before the next try when the system cannot accept, for lack of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Gives the file of a socket its owner and its permissions, in this order: before, only this process
/// can connect.
///
/// # Errors
///
/// When the system knows no such user or group, or refuses the change.
pub(super) fn set_owner_and_mode(
    path: &Path,
    file: &SocketFile,
    identity: Option<&Identity>,
) -> io::Result<()> {
    let configured = match &file.owner {
        Some(owner) => {
            let (user, group) =
                owner.split_once(':').map_or((&**owner, None), |(user, group)| (user, Some(group)));
            Identity::find(Some(user), group)?
        }
        None => None,
    };
    if let Some(owner) = configured.as_ref().or(identity) {
        owner.own_socket(path)?;
    }
    privileges::set_socket_mode(path, file.mode.unwrap_or(SocketFile::DEFAULT_MODE))
}

/// Accepts until the process stops accepting. Must be called in the runtime that serves.
pub(super) async fn accept(
    socket: StdUnixListener,
    app: Arc<ListenerApp>,
    mut shutdown: ShutdownWatch,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let listener = UnixListener::from_std(socket)?;
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = shutdown.changed() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                is_failing = false;
                let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
                tokio::spawn(async move {
                    app.process_new(unix_stream(stream), &shutdown).await;
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    log::warn!(error:% = error; "a Unix socket cannot accept");
                }
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    app.cleanup().await;
    Ok(())
}
