//! Where the process accepts connections, and from which peers it takes them.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;

/// An address that connections are accepted on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// Port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket that is a file.
    Unix(PathBuf),
    /// A Unix socket with a name in place of a file; the name ends with its socket.
    Abstract(Box<str>),
}

impl ListenAddress {
    /// The address and port, unless it is a Unix socket.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Abstract(_) => None,
        }
    }

    /// The file of a Unix socket that has one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp(_) | Self::Abstract(_) => None,
        }
    }

    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.tcp().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for ListenAddress {
    /// As it is written in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{name}"),
        }
    }
}

/// Peers of connections: those with an address in a block, or those of Unix sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerBlock {
    /// Addresses.
    Net(IpNet),
    /// Processes that connect to a Unix socket.
    Unix,
}

impl From<IpNet> for PeerBlock {
    fn from(net: IpNet) -> Self {
        Self::Net(net)
    }
}

impl fmt::Display for PeerBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => net.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}
