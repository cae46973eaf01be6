//! What only root may do, done last as root.

use std::{fs::File, io, path::Path};

use super::{
    error::{StartError, set_up},
    listeners::{self, Sockets},
};
use crate::acme;
use crate::config::Config;
use crate::process::{handover::NamedSocket, pid_file::PidFile, privileges::Identity};

/// What was opened as root and is used afterwards.
pub(super) struct RootHandles {
    pub(super) bound: Vec<NamedSocket>,
    pub(super) pid_file: Option<PidFile>,
}

/// Does what only root may do, and gives up root. Everything opened later is opened by the configured
/// user, so a link cannot lead it to where only root may write.
pub(super) fn last(
    config: &Config,
    identity: Option<&Identity>,
    is_upgrade: bool,
) -> Result<RootHandles, StartError> {
    let bound = if is_upgrade {
        listeners::bind_what_is_free(config, identity)
    } else {
        Sockets::bind(config, Vec::new(), identity)?.into_all()
    };
    let pid_file = config.process.pid_file.clone();
    let pid_file = pid_file.map(|path| PidFile::prepare(path, identity));
    let pid_file = pid_file.transpose().map_err(StartError::PidFile)?;
    if let Some(folder) = acme::needed_folder(config) {
        prepare_folder(folder.path(), identity)
            .map_err(|source| set_up("the state folder", source))?;
    }
    if let Some(identity) = identity {
        identity.assume().map_err(StartError::Identity)?;
    }
    Ok(RootHandles { bound, pid_file })
}

/// Makes a folder that is missing, for the configured user.
fn prepare_folder(path: &Path, owner: Option<&Identity>) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    acme::make_folder(path)?;
    owner.map_or(Ok(()), |owner| owner.own(&File::open(path)?))
}

/// The configured user and group, if there is one and this process can become it.
pub(super) fn identity(config: &Config) -> Result<Option<Identity>, StartError> {
    let (user, group) = (config.process.user.as_deref(), config.process.group.as_deref());
    let identity = Identity::find(user, group).map_err(StartError::Identity)?;
    if Identity::can_be_assumed() {
        return Ok(identity);
    }
    if identity.is_some_and(|identity| !identity.is_assumed()) {
        log::warn!("user and group have no effect: only root can become another user");
    }
    Ok(None)
}
