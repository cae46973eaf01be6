//! A route: host and path, and the name of the pool that gets the request.

use std::{fmt, sync::Arc};

/// A route from host and path to a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The hosts; `None` for any host.
    pub host: Option<HostPattern>,
    /// The path prefix; `/` matches every path.
    pub path: PathPrefix,
    /// The name of a pool in `Config::pools`.
    pub pool: PoolName,
}

/// The hosts that a route is for, in lower case and without port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host and no other.
    Exact(Box<str>),
    /// `*.example.com`, held as `.example.com`: any host that ends so, at any depth, but not
    /// `example.com` itself.
    Suffix(Box<str>),
}

/// Writes it as the configuration does.
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
    /// The name of a pool, as its key in the configuration.
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
