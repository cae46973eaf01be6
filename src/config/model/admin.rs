//! The settings of the admin listener.

use std::fmt;

use super::listener::{ListenAddress, Tls};

/// The admin listener: its address, and the requests that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen; never a Unix socket without a file, which has no owner. Read once, at the start.
    pub address: ListenAddress,
    /// The secret that a request must bring; never `None` where other machines can connect.
    pub token: Option<Token>,
    /// Names that clients may use for it, besides addresses and `localhost`; in lower case.
    pub hosts: Vec<Box<str>>,
    /// TLS towards its clients; `None` for plain connections.
    pub tls: Option<Tls>,
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
