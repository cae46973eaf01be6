//! The identity of a backend: the address at which it listens, and the names by which it is shown.
//!
//! An address tells one backend of a pool from another, and live state is keyed by it. A name is
//! the text in the configuration, such as `localhost:9001`: the backend is shown by it everywhere.
//! One name may have several addresses, and a name may change while the address stays. Only the
//! code that connects looks into an address, so that a Unix socket is a backend like any other.

use std::{fmt, net::SocketAddr, path::Path, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::PoolName;

/// The prefix of a Unix socket's address in text.
const UNIX: &str = "unix:";

/// Where a backend listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address and a TCP port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(Arc<Path>),
}

impl Address {
    /// The IP address and port; `None` for a Unix socket, which cannot be configured yet.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// Writes `127.0.0.1:9001`, `[::1]:9001` or `unix:/run/app.sock`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// A text that is not the address of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address and port, such as 127.0.0.1:9001")]
pub struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix(UNIX) {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(Path::new(path).into())),
            Some(_) => Err(AddressError),
            None => text.parse().map(Self::Tcp).map_err(|_| AddressError),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The key of a backend: its pool and its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendId {
    /// The pool that it serves.
    pub pool: PoolName,
    /// The address at which it listens.
    pub address: Address,
}

/// The names of a backend. The texts are made once, because the access log writes them for each
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendNames {
    /// Host and port as configured.
    pub name: Arc<str>,
    /// The address as text.
    pub address: Arc<str>,
    /// `http://name`.
    pub url: Arc<str>,
}

impl BackendNames {
    /// The names of a backend that is configured by this name.
    #[must_use]
    pub fn new(name: Arc<str>, address: &Address) -> Self {
        Self { url: format!("http://{name}").into(), address: address.to_string().into(), name }
    }
}

/// Writes the name, and the address if it differs: `localhost:9001 (127.0.0.1:9001)`.
impl fmt::Display for BackendNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.name == self.address { Ok(()) } else { write!(f, " ({})", self.address) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back_from_its_text() {
        for text in ["127.0.0.1:9001", "[::1]:80", "unix:/run/app.sock"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let json = serde_json::to_string(&address).unwrap();
            assert_eq!(json, format!("\"{text}\""), "as processes before this one wrote it");
            assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
        }
        for text in ["", "127.0.0.1", "localhost:9001", "unix:", "unix:app.sock"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }

    #[test]
    fn the_address_is_shown_beside_a_different_name() {
        let address: Address = "127.0.0.1:9001".parse().unwrap();
        let shown = |name: &str| BackendNames::new(name.into(), &address).to_string();
        assert_eq!(shown("localhost:9001"), "localhost:9001 (127.0.0.1:9001)");
        assert_eq!(shown("127.0.0.1:9001"), "127.0.0.1:9001");
    }
}
