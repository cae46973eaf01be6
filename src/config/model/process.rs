//! The settings of the process itself: how it runs, and how it ends.

use std::{path::PathBuf, time::Duration};

use super::logs::{LogFormat, LogTarget};

/// The settings of the process. All except [`Process::shutdown`], [`Process::error_log`] and its format,
/// [`Process::state_dir`] and [`Process::watch`] are read once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whether it runs in the background: the command that starts it returns once it serves.
    pub daemon: bool,
    /// The file that holds the process's number while it serves.
    pub pid_file: Option<PathBuf>,
    /// Where a new process waits for the sockets of the one that serves; `None` is a place
    /// derived from the configuration file's name.
    pub upgrade_socket: Option<PathBuf>,
    /// The folder of what outlives a process; `None` is a place that depends on the user and on the
    /// environment.
    pub state_dir: Option<PathBuf>,
    /// The user to switch to once every address is bound.
    pub user: Option<Box<str>>,
    /// The group to switch to; `None` is the group of the user.
    pub group: Option<Box<str>>,
    /// Where the process log goes; never standard output.
    pub error_log: LogTarget,
    /// The format of the process log; `None` follows the access log and the destination.
    pub error_log_format: Option<LogFormat>,
    /// How it ends when it is asked to.
    pub shutdown: Shutdown,
    /// Whether it reloads whenever the file changes.
    pub watch: bool,
}

/// How the process ends when it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How long it keeps accepting after `/ready` turns 503.
    pub delay: Duration,
    /// How long requests in flight may take after that.
    pub timeout: Duration,
}
