//! The settings of one backend.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
};

use crate::config::origin::Origin;

/// A backend as the configuration names it; a host name becomes one backend for each of its
/// addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSpec {
    /// An address or a name, and a port.
    pub address: BackendAddress,
    /// Its share among the backends of the pool.
    pub weight: Weight,
    /// Whether it is used only if no other backend is eligible.
    pub backup: bool,
    /// Whether it gets no new requests.
    pub drain: bool,
    /// The most requests that it may have at once; `None` for any number.
    pub max_connections: Option<NonZeroU32>,
    /// The place where it was written, for messages about a name that does not resolve.
    pub origin: Origin,
}

/// An address or a name, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendAddress {
    /// The host.
    pub host: Host,
    /// The port, never 0.
    pub port: NonZeroU16,
}

impl fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port.get()).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// An address, or a name to be resolved at start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Written as an address.
    Ip(IpAddr),
    /// Written as a name, in lower case.
    Name(Box<str>),
}

/// A backend's share, 1 to 1000. Zero cannot be written: draining is a state, not a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(pub(in crate::config) NonZeroU16);

impl Weight {
    /// The least share, and the default.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The greatest share.
    pub const MAX: u16 = 1000;

    /// A weight; `None` outside 1 to 1000.
    #[must_use]
    pub fn new(weight: u16) -> Option<Self> {
        NonZeroU16::new(weight).filter(|weight| weight.get() <= Self::MAX).map(Self)
    }

    /// The weight, from 1 to 1000.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}
