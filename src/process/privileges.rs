//! The user and group of the process. Started as root to open ports and files, it serves as a user
//! that can do no harm with them.

use std::{
    ffi::CString,
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    },
    path::Path,
};

use nix::{
    fcntl::{AtFlags, OFlag},
    unistd::{Gid, Group, Uid, User, fchownat, initgroups, setgid, setgroups, setuid},
};

/// A user and a group that the process can become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: Option<(CString, Uid)>,
    group: Gid,
}

impl Identity {
    /// The identity of these names; the group is the user's own where none is named. `None` when
    /// no name is given.
    ///
    /// # Errors
    ///
    /// When the system does not know a name; the message says which.
    pub fn find(user: Option<&str>, group: Option<&str>) -> io::Result<Option<Self>> {
        let unknown = |what: &str, name: &str| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no {what} {name:?}"))
        };
        let find_user = |name: &str| -> io::Result<(User, CString)> {
            let user = User::from_name(name)?.ok_or_else(|| unknown("user", name))?;
            Ok((user, CString::new(name)?))
        };
        let find_group = |name: &str| -> io::Result<Gid> {
            Ok(Group::from_name(name)?.ok_or_else(|| unknown("group", name))?.gid)
        };
        let user = user.map(find_user).transpose()?;
        let group = group.map(find_group).transpose()?;
        let Some(group) = group.or(user.as_ref().map(|(user, _)| user.gid)) else {
            return Ok(None);
        };
        Ok(Some(Self { user: user.map(|(user, name)| (name, user.uid)), group }))
    }

    /// Whether the process has this identity already. A process has if the one that started it had
    /// assumed it.
    #[must_use]
    pub fn is_assumed(&self) -> bool {
        let is_user = self.user.as_ref().is_none_or(|(_, uid)| *uid == Uid::effective());
        is_user && self.group == Gid::effective()
    }

    /// Whether the process can assume an identity.
    #[must_use]
    pub fn can_be_assumed() -> bool {
        Uid::effective().is_root()
    }

    /// Makes this identity the owner of an open file, so that the process can open it again later.
    /// Only root can.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn own(&self, file: &File) -> io::Result<()> {
        fchown(file, self.uid(), Some(self.group.as_raw()))
    }

    /// Makes this identity the owner of the Unix socket with this name, so that it can connect to it.
    /// Only root can.
    ///
    /// # Errors
    ///
    /// The system's; when it is something else than a socket that was just made.
    pub fn own_socket(&self, path: &Path) -> io::Result<()> {
        let file = open_socket(path)?;
        let uid = self.user.as_ref().map(|(_, uid)| *uid);
        Ok(fchownat(&file, c"", uid, Some(self.group), AtFlags::AT_EMPTY_PATH)?)
    }

    fn uid(&self) -> Option<u32> {
        self.user.as_ref().map(|(_, uid)| uid.as_raw())
    }

    /// Assumes this identity, in all threads, for good.
    ///
    /// # Errors
    ///
    /// The system's error; the process then has mixed privileges and must not go on.
    pub fn assume(&self) -> io::Result<()> {
        match &self.user {
            Some((name, _)) => initgroups(name, self.group)?,
            None => setgroups(&[self.group])?,
        }
        setgid(self.group)?;
        if let Some((_, uid)) = &self.user {
            setuid(*uid)?;
        }
        Ok(())
    }
}

/// Sets the permissions of the Unix socket with this name.
///
/// # Errors
///
/// The system's; when it is something else than a socket that was just made.
pub fn set_socket_mode(path: &Path, mode: u32) -> io::Result<()> {
    let file = open_socket(path)?;
    // The system changes the mode of a file that is opened like this only by a name.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(name, Permissions::from_mode(mode))
}

/// Opens the file itself, whatever it is. Another user may have put a link, or another file's second
/// name, in the place of a socket meanwhile.
fn open_socket(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    let data = file.metadata()?;
    if !data.file_type().is_socket() || data.nlink() > 1 {
        return Err(io::Error::other("it is not a socket, or has another name: remove it"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_the_users_unless_one_is_named() {
        assert_eq!(Identity::find(None, None).unwrap(), None);
        let root = Identity::find(Some("root"), None).unwrap().unwrap();
        assert_eq!((root.uid(), root.group), (Some(0), Gid::from_raw(0)));
        let group = Identity::find(None, Some("root")).unwrap().unwrap();
        assert_eq!(group.uid(), None);
    }

    #[test]
    fn a_name_that_is_unknown_is_named() {
        let message = |user, group| Identity::find(user, group).unwrap_err().to_string();
        assert_eq!(message(Some("no-such-user"), None), "there is no user \"no-such-user\"");
        assert_eq!(message(None, Some("no-such-group")), "there is no group \"no-such-group\"");
    }
}
