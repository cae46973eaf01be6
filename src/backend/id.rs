//! What a backend is: the address that it listens at, and the names that it is shown by.
//!
//! An address tells one backend of a pool from another, and live state is keyed by it. A name is
//! what an operator has written, such as `localhost:9001`: it is how the backend is shown
//! everywhere, and it may have several addresses, or change while the address stays. Nothing but
//! what connects looks into an address, so that a Unix socket is a backend like any other.

use std::{fmt, net::SocketAddr, path::Path, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::PoolName;

/// What a Unix socket's address starts with where it is text.
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

/// `127.0.0.1:9001`, `[::1]:9001`, `unix:/run/app.sock`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Text that is no address of a backend.
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

/// What tells one backend from another: the pool, and the address in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendId {
    /// The pool that it serves.
    pub pool: PoolName,
    /// Where it listens.
    pub address: Address,
}

/// How a backend is shown. The texts are made once, since the access log writes them for each
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendNames {
    /// As configured, host and port.
    pub name: Arc<str>,
    /// The address as text.
    pub address: Arc<str>,
    /// `http://name`.
    pub url: Arc<str>,
}

impl BackendNames {
    /// Of a backend that is configured by this name.
    #[must_use]
    pub fn new(name: Arc<str>, address: &Address) -> Self {
        Self { url: format!("http://{name}").into(), address: address.to_string().into(), name }
    }
}

/// The name, and the address where that says more: `localhost:9001 (127.0.0.1:9001)`.
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
    fn an_address_is_read_as_it_is_written() {
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
    fn the_address_stands_beside_the_name_where_it_is_another() {
        let address: Address = "127.0.0.1:9001".parse().unwrap();
        let shown = |name: &str| BackendNames::new(name.into(), &address).to_string();
        assert_eq!(shown("localhost:9001"), "localhost:9001 (127.0.0.1:9001)");
        assert_eq!(shown("127.0.0.1:9001"), "127.0.0.1:9001");
    }
}
