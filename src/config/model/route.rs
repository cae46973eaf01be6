//! Which pool gets a request: host and path, and the name of the pool.

use std::{fmt, sync::Arc};

/// Host and path to pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Any host when `None`.
    pub host: Option<HostPattern>,
    /// `/` matches every path.
    pub path: PathPrefix,
    /// The name of a pool in `Config::pools`.
    pub pool: PoolName,
}

/// Which hosts a route is for. Lower case, without port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host and no other.
    Exact(Box<str>),
    /// `*.example.com`, held as `.example.com`: any host that ends so, at any depth, but not
    /// `example.com` itself.
    Suffix(Box<str>),
}

/// As the configuration writes it.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// A path prefix on segment boundaries: `/v1` matches `/v1` and `/v1/x`, not `/v10`.
///
/// Starts with `/`; has no `/` at its end, except that the root is `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPrefix(pub(in crate::config) Box<str>);

impl PathPrefix {
    /// The prefix as written, without a closing `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a pool; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolName(pub(in crate::config) Arc<str>);

impl PoolName {
    /// A name as a pool's key in the configuration would give it.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
