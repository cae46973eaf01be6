//! Where processes that run from the same configuration file meet.
//!
//! By default that is an abstract Unix socket, whose name is made of the file's: then commands
//! need no setting to find the process, nothing is left behind by a crash, and no folder has to be
//! writable. An abstract socket has no permissions, so each end asks the system which user the other
//! process belongs to ([`PeerCredentials`]).

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::{
            fs::FileTypeExt,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use nix::sys::{
    socket::{getsockopt, sockopt},
    stat::{Mode, fchmod},
};
use socket2::{Domain, SockAddr, Socket, Type};

/// The longest file name, in bytes, that is part of a socket's name; the hash of a longer one is. The
/// system takes 107 bytes.
const LONGEST: usize = 80;
/// Connections that may wait to be accepted, as in the standard library.
const BACKLOG: i32 = 128;

/// The purpose for which processes meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Commands to the process that serves.
    Control,
    /// The sockets of the process that serves, for the next one.
    Upgrade,
}

/// The address of a Unix socket at which processes meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeetingSocket {
    /// A name without a file, which ends with its socket.
    Abstract(String),
    /// The path of a file.
    File(PathBuf),
}

impl MeetingSocket {
    /// The socket at which processes meet that run from this configuration file, regardless of the
    /// path and the folder by which the file is named.
    ///
    /// # Errors
    ///
    /// When the file's folder cannot be found.
    pub fn of(purpose: Purpose, file: &Path) -> io::Result<Self> {
        let word = match purpose {
            Purpose::Control => "control",
            Purpose::Upgrade => "upgrade",
        };
        let file = identity(file)?;
        let name = file.to_string_lossy();
        Ok(Self::Abstract(if name.len() <= LONGEST {
            format!("lb/{word}:{name}")
        } else {
            format!("lb/{word}#{:016x}", fnv1a(name.as_bytes()))
        }))
    }

    /// Starts to listen. A socket file at which no process listens any more is replaced.
    ///
    /// # Errors
    ///
    /// The system's; `AddrInUse` when another process listens there.
    pub fn listen(&self) -> io::Result<UnixListener> {
        let address = self.address()?;
        self.replacing(|| UnixListener::bind_addr(&address))
    }

    /// Like [`MeetingSocket::listen`], but only the owner of the file may connect.
    ///
    /// # Errors
    ///
    /// As [`MeetingSocket::listen`].
    pub fn listen_alone(&self) -> io::Result<UnixListener> {
        let Self::File(path) = self else { return self.listen() };
        let bind = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // The file gets the socket's mode when it is made: set later by its name, the mode might
            // be that of another file.
            fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
            socket.bind(&SockAddr::unix(path)?)?;
            socket.listen(BACKLOG)?;
            Ok(UnixListener::from(OwnedFd::from(socket)))
        };
        self.replacing(bind)
    }

    fn replacing(&self, bind: impl Fn() -> io::Result<UnixListener>) -> io::Result<UnixListener> {
        match (bind(), self) {
            (Err(error), Self::File(path))
                if error.kind() == io::ErrorKind::AddrInUse
                    && is_socket(path)
                    && self.connect().is_err() =>
            {
                fs::remove_file(path)?;
                bind()
            }
            (Err(error), Self::File(path))
                if error.kind() == io::ErrorKind::AddrInUse && !is_socket(path) =>
            {
                let message = "a file of this name is there, and it is no socket: remove it";
                Err(io::Error::new(error.kind(), message))
            }
            (bound, _) => bound,
        }
    }

    /// Connects to the process that listens there.
    ///
    /// # Errors
    ///
    /// The system's, when no process does.
    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&self.address()?)
    }

    /// Removes the socket's file, if it has one.
    pub fn remove(&self) {
        if let Self::File(path) = self {
            // The next process replaces one that is left.
            let _ = fs::remove_file(path);
        }
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Abstract(name) => SocketAddr::from_abstract_name(name),
            Self::File(path) => SocketAddr::from_pathname(path),
        }
    }
}

impl std::fmt::Display for MeetingSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Abstract(name) => write!(f, "@{name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The file's full name, with the links to its folder resolved and the file itself left as it is:
/// Kubernetes changes where that one leads.
fn identity(file: &Path) -> io::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    match (file.parent(), file.file_name()) {
        (Some(folder), Some(name)) => Ok(fs::canonicalize(folder)?.join(name)),
        _ => Ok(file),
    }
}

/// FNV-1a, which gives the same hash in every build of this program.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}

/// The process at the other end of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The number of its user.
    pub uid: u32,
    /// Its process number; 0 if it is outside of this process's container.
    pub pid: u32,
}

impl PeerCredentials {
    /// Asks the system.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let other = getsockopt(stream, sockopt::PeerCredentials)?;
        Ok(Self { uid: other.uid(), pid: other.pid().unsigned_abs() })
    }

    /// Whether it may command this process: it runs as the same user, or as root.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_path_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lb.yaml");
        fs::write(&file, "").unwrap();
        let place = |path: &Path| MeetingSocket::of(Purpose::Control, path).unwrap();
        symlink(folder.path(), folder.path().join("link")).unwrap();
        assert_eq!(place(&file), place(&folder.path().join("link/./lb.yaml")));
        assert_ne!(place(&file), place(&folder.path().join("other.yaml")));
        assert_ne!(place(&file), MeetingSocket::of(Purpose::Upgrade, &file).unwrap());
        assert!(MeetingSocket::of(Purpose::Control, Path::new("/nowhere/lb.yaml")).is_err());
    }

    #[test]
    fn where_the_file_leads_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("lb.yaml");
        let place = |target: &str| {
            fs::write(folder.path().join(target), "").unwrap();
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            MeetingSocket::of(Purpose::Control, &link).unwrap()
        };
        assert_eq!(place("one"), place("two"));
    }

    #[test]
    fn a_long_name_fits_too() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(200));
        fs::create_dir(&long).unwrap();
        let place = MeetingSocket::of(Purpose::Control, &long.join("lb.yaml")).unwrap();
        let _listener = place.listen().unwrap();
        let stream = place.connect().unwrap();
        let other = PeerCredentials::of(&stream).unwrap();
        assert_eq!((other.pid, other.is_trusted()), (std::process::id(), true));
    }

    #[test]
    fn a_file_that_a_crash_left_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = MeetingSocket::File(folder.path().join("socket"));
        drop(place.listen().unwrap());
        let _listener = place.listen().unwrap();
        assert_eq!(place.listen().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        place.remove();
        assert!(place.connect().is_err());
    }

    #[test]
    fn a_file_for_its_owner_alone_is_so_from_the_first_moment_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let place = MeetingSocket::File(path.clone());
        drop(place.listen().unwrap());
        let listener = place.listen_alone().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        place.connect().unwrap();
        listener.accept().unwrap();
        assert_eq!(place.listen_alone().unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        fs::write(&path, "x").unwrap();
        let error = MeetingSocket::File(path.clone()).listen().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    }
}
