//! The folder of what outlives a process: accounts, certificates with their keys, failures, and the
//! answers to challenges.
//!
//! Several processes may use it at once, also on several machines: each file is written under another
//! name and then renamed, so that a reader finds the old one or the new one and never half of one, and
//! only the process that holds the lock of a file asks the authority for it. Nothing in it can be read
//! by another user.
//!
//! ```text
//! acme/AUTHORITY/account.json     the account, with its key
//! acme/AUTHORITY/ID.pem           a certificate, its chain, and its key
//! acme/AUTHORITY/ID.failures.json why there is no newer one
//! acme/AUTHORITY/ID.lock          held by the process that orders
//! challenges/                     what an authority gets that asks for a proof
//! local/root.pem, local/root.key  the authority of this machine
//! ```

use std::{
    env,
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    unistd::{AccessFlags, Uid, access},
};

use super::request::CertificateRequest;
use crate::config::Config;
use crate::files;

/// The folder of a system's service.
const OF_SYSTEM: &str = "/var/lib/lb";
/// The permissions of folders and files.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The end of the name of a file that is being written.
const UNFINISHED: &str = ".next";
/// More than a certificate with its chain and its key has, in bytes.
const ROOM: usize = 32 << 10;
/// A process that was killed leaves files behind. No order takes as long.
const OLDEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder.
#[derive(Debug, Clone)]
pub struct StateFolder(Arc<Path>);

/// The version of a file: another version may have another content.
pub(super) type Version = (u64, i64, i64, u64);

impl StateFolder {
    /// The folder of a process with this configuration. It need not exist.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let process = &config.process;
        let path = process.state_dir.clone().unwrap_or_else(|| {
            let is_system = process.user.is_some() || Uid::effective().is_root();
            default(is_system, |name| env::var_os(name))
        });
        Self(path.into())
    }

    /// This folder.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of the answers to challenges.
    #[must_use]
    pub fn challenges(&self) -> PathBuf {
        self.0.join("challenges")
    }

    /// The file of the account of these requests' authority.
    #[must_use]
    pub fn account(&self, request: &CertificateRequest) -> PathBuf {
        self.of_authority(request).join("account.json")
    }

    /// The file of a certificate.
    #[must_use]
    pub fn certificate(&self, request: &CertificateRequest) -> PathBuf {
        self.of_authority(request).join(format!("{}.pem", request.id()))
    }

    /// The file of the failures since the last certificate.
    #[must_use]
    pub fn failures(&self, request: &CertificateRequest) -> PathBuf {
        self.of_authority(request).join(format!("{}.failures.json", request.id()))
    }

    /// The file that is locked by the process which asks for a certificate.
    #[must_use]
    pub fn lock(&self, request: &CertificateRequest) -> PathBuf {
        self.of_authority(request).join(format!("{}.lock", request.id()))
    }

    /// The folder with the files of this request's authority.
    #[must_use]
    pub fn of_authority(&self, request: &CertificateRequest) -> PathBuf {
        match request.authority() {
            local if local == "local" => self.0.join(local),
            authority => self.0.join("acme").join(authority),
        }
    }

    /// Why this process could not write into it; the end of a message.
    ///
    /// # Errors
    ///
    /// The reason.
    pub fn check(&self) -> Result<(), String> {
        // Those that are missing will be made.
        let nearest = self.0.ancestors().find(|path| path.exists());
        let nearest = nearest.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !nearest.is_dir() {
            return Err(format!("{} is not a directory", nearest.display()));
        }
        access(nearest, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
            format!("cannot write into {}: {}", nearest.display(), error.desc().to_lowercase())
        })
    }
}

/// The folder that the environment suggests.
fn default(is_system: bool, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folders) = given("STATE_DIRECTORY") {
        // Systemd may name several.
        let first = folders.to_string_lossy().split(':').next().map(PathBuf::from);
        return first.unwrap_or(folders);
    }
    let of_user = || {
        let state = given("XDG_STATE_HOME").filter(|path| path.is_absolute());
        state.or_else(|| Some(given("HOME")?.join(".local/state"))).map(|state| state.join("lb"))
    };
    let of_user = if is_system { None } else { of_user() };
    of_user.unwrap_or_else(|| OF_SYSTEM.into())
}

/// Makes a folder that no other user can enter, and those above it that are missing.
///
/// # Errors
///
/// The system's, with the folder's name.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
        .map_err(|error| named(path, &error))
}

/// The content of a file; `None` if there is no such file.
///
/// # Errors
///
/// The system's, with the file's name.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match files::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, &error)),
    }
}

/// Puts a file in the place of an earlier one at once. Makes its folder.
///
/// # Errors
///
/// The system's, with the file's name; the earlier file is still there then.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    // Processes in containers that share the folder may have the same number.
    let next = folder.join(format!(".{:016x}{UNFINISHED}", fastrand::u64(..)));
    let put = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(FILE_MODE).open(&next)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        // After a power cut the name must lead to the new file, too.
        File::open(folder)?.sync_all()
    };
    put().map_err(|error| {
        // It may not have been made.
        let _ = fs::remove_file(&next);
        named(path, &error)
    })
}

/// Makes a folder ready for a certificate: makes it, removes what killed processes have not finished, and
/// makes sure that there is room.
///
/// # Errors
///
/// The system's, with a file's name: the folder takes no file.
pub(super) fn prepare(folder: &Path, now: SystemTime) -> io::Result<()> {
    sweep(folder, now, |name| name.ends_with(UNFINISHED));
    let trial = folder.join(format!(".{:016x}.trial{UNFINISHED}", fastrand::u64(..)));
    write(&trial, &[0; ROOM])?;
    remove(&trial)
}

/// Removes the files of this kind that are old enough that no process needs them any more.
pub(super) fn sweep(folder: &Path, now: SystemTime, is_meant: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|data| data.modified());
        let age = written.ok().and_then(|written| now.duration_since(written).ok());
        if age.is_some_and(|age| age > OLDEST) && entry.file_name().to_str().is_some_and(&is_meant)
        {
            // Another instance may have removed it.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// The system's, with the file's name.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(path, &error)),
        _ => Ok(()),
    }
}

/// The version of a file; `None` while there is no file.
#[must_use]
pub(super) fn version(path: &Path) -> Option<Version> {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.ctime(), data.ctime_nsec(), data.size()))
}

/// Held by one process at a time, until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "it is held")] Flock<File>);

impl Lock {
    /// Takes the lock that this file is for; `None` while another process, or another part of this one,
    /// holds it.
    ///
    /// # Errors
    ///
    /// The system's, with the file's name.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        match Flock::lock(lock_file(path)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(named(path, &error.into())),
        }
    }

    /// Waits for the lock, which must never be held for long.
    ///
    /// # Errors
    ///
    /// As for [`Lock::take`].
    pub(super) fn wait_for(path: &Path) -> io::Result<Self> {
        let lock = Flock::lock(lock_file(path)?, FlockArg::LockExclusive);
        lock.map(Self).map_err(|(_, error)| named(path, &error.into()))
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    make_folder(path.parent().unwrap_or(Path::new(".")))?;
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(FILE_MODE).open(path);
    file.map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_the_services_or_the_users() {
        let folder = |is_system: bool, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            default(is_system, variable).display().to_string()
        };
        let home = ("HOME", "/home/a");
        assert_eq!(folder(true, &[home]), "/var/lib/lb");
        assert_eq!(folder(false, &[home]), "/home/a/.local/state/lb");
        assert_eq!(folder(false, &[home, ("XDG_STATE_HOME", "/s")]), "/s/lb");
        assert_eq!(folder(false, &[home, ("XDG_STATE_HOME", "s")]), "/home/a/.local/state/lb");
        assert_eq!(folder(false, &[]), "/var/lib/lb");
        let systemd = ("STATE_DIRECTORY", "/var/lib/edge:/var/lib/b");
        assert_eq!(folder(true, &[systemd, home]), "/var/lib/edge");
        assert_eq!(folder(true, &[("STATE_DIRECTORY", "")]), "/var/lib/lb");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_no_other_user_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/file");
        assert_eq!(read(&file).unwrap(), None);
        for text in ["first, and longer", "second"] {
            let (before, reader) = (version(&file), File::open(&file).ok());
            write(&file, text.as_bytes()).unwrap();
            if let Some(reader) = reader {
                let read = io::read_to_string(reader).unwrap();
                assert_eq!(read, "first, and longer", "a reader has one of them as a whole");
            }
            assert_eq!(read(&file).unwrap().unwrap(), text.as_bytes());
            assert_ne!(version(&file), before);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), FILE_MODE);
        assert_eq!(mode(&folder.path().join("a")), FOLDER_MODE);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        remove(&file).unwrap();
        remove(&file).unwrap();
    }

    #[test]
    fn what_killed_processes_have_not_finished_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for name in [".1.next", "a.pem", "account.json"] {
            fs::write(file(name), "x").unwrap();
        }
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let now = fs::metadata(file(".1.next")).unwrap().modified().unwrap();
        prepare(folder.path(), now + OLDEST).unwrap();
        assert_eq!(names(), [".1.next", "a.pem", "account.json"]);
        prepare(folder.path(), now + OLDEST + Duration::from_secs(2)).unwrap();
        assert_eq!(names(), ["a.pem", "account.json"]);
        assert!(prepare(&file("a.pem"), now).is_err());
    }

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme/a.lock");
        let held = Lock::take(&path).unwrap();
        assert!(held.is_some());
        assert!(Lock::take(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::take(&path).unwrap().is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(StateFolder::at(&folder.path().join("new/one")).check(), Ok(()));
        let message = StateFolder::at(&file.join("state")).check().unwrap_err();
        assert!(message.ends_with("file is not a directory"), "{message}");
    }
}
