//! Where processes that run from the same configuration file meet.
//!
//! By default that is an abstract Unix socket, whose name is made of the file's: then commands
//! need no setting to find the process, nothing is left behind by a crash, and no folder has to be
//! writable. An abstract socket has no permissions, so whoever is told something asks the
//! system who is at the other end ([`PeerCredentials`]).

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

/// Longer names of files are told by their hash; the system takes 107 bytes.
const LONGEST: usize = 80;
/// Who may wait to be accepted; as the standard library.
const BACKLOG: i32 = 128;

/// What processes meet for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Commands to the process that serves.
    Control,
    /// The sockets of the process that serves, for the next one.
    Upgrade,
}

/// A Unix socket's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeetingSocket {
    /// A name that ends with its socket.
    Abstract(String),
    /// A file.
    File(PathBuf),
}

impl MeetingSocket {
    /// Where those meet who run from this file, whatever it is called from wherever.
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

    /// Starts to listen. A file that nobody listens at any more is replaced.
    ///
    /// # Errors
    ///
    /// The system's; `AddrInUse` when somebody else listens there.
    pub fn listen(&self) -> io::Result<UnixListener> {
        let address = self.address()?;
        self.replacing(|| UnixListener::bind_addr(&address))
    }

    /// As [`MeetingSocket::listen`], where a file's owner and nobody else may connect.
    ///
    /// # Errors
    ///
    /// As [`MeetingSocket::listen`].
    pub fn listen_alone(&self) -> io::Result<UnixListener> {
        let Self::File(path) = self else { return self.listen() };
        let bind = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // The file takes them over when it is made. Its name may be another one's a moment later.
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
            (bound, _) => bound,
        }
    }

    /// Connects to whoever listens there.
    ///
    /// # Errors
    ///
    /// The system's, when nobody does.
    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&self.address()?)
    }

    /// Leaves nothing behind.
    pub fn remove(&self) {
        if let Self::File(path) = self {
            // Whoever comes next replaces it.
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

/// FNV-1a, which is the same in every build of ours.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}

/// Who is at the other end of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The user.
    pub uid: u32,
    /// The process; 0 for one that this one's container does not know.
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

    /// Whether it may tell us what to do: it is of our own user, or root.
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
    fn a_file_is_the_same_whatever_way_leads_to_it() {
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
