//! The settings of the admin listener.

use std::{fmt, net::SocketAddr, path::PathBuf};

/// The admin listener: its address, and the requests that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen. Read once, at the start.
    pub address: AdminAddress,
    /// The secret that a request must bring; never `None` where other machines can connect.
    pub token: Option<Token>,
    /// Names that clients may use for it, besides addresses and `localhost`; in lower case.
    pub hosts: Vec<Box<str>>,
}

/// The address of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

impl AdminAddress {
    /// The address, unless it is a file.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.tcp().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

impl fmt::Display for AdminAddress {
    /// Writes it as the configuration file does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A secret: 16 or more visible ASCII characters that can stand in a cookie. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(in crate::config) Box<str>);

impl Token {
    /// The secret itself, to compare it or to send it.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
