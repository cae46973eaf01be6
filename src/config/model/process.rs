//! What the configuration says of the process itself: how it runs, and how it ends.

use std::{path::PathBuf, time::Duration};

/// How the process runs. All but [`Process::shutdown`], [`Process::error_log`] and
/// [`Process::watch`] is read once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// In the background: whoever started it is told that it serves, and let go.
    pub daemon: bool,
    /// Where the process's number is written while it serves.
    pub pid_file: Option<PathBuf>,
    /// Where a new process waits for the sockets of the one that serves; `None` is a place
    /// derived from the configuration file's name.
    pub upgrade_socket: Option<PathBuf>,
    /// Who to be once every address is bound.
    pub user: Option<Box<str>>,
    /// The group to be in; `None` is that of the user.
    pub group: Option<Box<str>>,
    /// Where the process log goes; `None` is standard error.
    pub error_log: Option<PathBuf>,
    /// How it ends.
    pub shutdown: Shutdown,
    /// Reload whenever the file changes.
    pub watch: bool,
}

/// How the process ends when it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Go on accepting for so long, while nobody is told to be ready any more.
    pub delay: Duration,
    /// From then on, requests in flight may take so long.
    pub timeout: Duration,
}
