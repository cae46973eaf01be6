//! What a process starts with: a configuration, and the file that it came from.

use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc};

use super::{reload::LoadConfig, sources::LoadedSources};
use crate::config::{Config, Problem};
use crate::discovery::ResolvedBackends;
use crate::tls::TlsListeners;

/// The file that a process runs from.
pub struct Origin {
    /// The file's name.
    pub file: PathBuf,
    /// What was looked at when it was loaded.
    pub sources: Arc<LoadedSources>,
    /// Loads the file again, for a reload.
    pub load: LoadConfig,
    /// Arguments that make this program load the same file, take over from this process, and
    /// report through [`Report`](crate::process::background::Report).
    pub again: Vec<OsString>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What a process starts with.
#[derive(Debug)]
pub struct Start {
    /// The configuration to serve.
    pub config: Config,
    /// Problems of the configuration that do not prevent a start.
    pub warnings: Vec<Problem>,
    /// The addresses of the names in the configuration.
    pub resolved: ResolvedBackends,
    /// The listeners with TLS, and their certificates.
    pub tls: TlsListeners,
    /// `None` if the configuration consists of flags alone.
    pub origin: Option<Origin>,
    /// Whether to take the sockets over from the process that serves.
    pub upgrade: bool,
}
