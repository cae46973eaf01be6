//! The files of Unix sockets that clients connect to.

use std::{io, path::Path};

use crate::config::SocketFile;
use crate::process::privileges::{self, Identity};

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
