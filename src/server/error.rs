//! Why a process does not serve, in words for the operator who started it.

use std::io;

use thiserror::Error;

/// Why the process could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen {
        /// The address, as the configuration writes it.
        address: String,
        /// The key of the configuration that names it.
        key: String,
        /// What the system says.
        source: io::Error,
    },
    /// The access log could not be opened.
    #[error("cannot open the access log (access_log.path): {0}")]
    AccessLog(
        /// What the system says, with the file's name.
        io::Error,
    ),
    /// The process log could not be opened.
    #[error("cannot open the process log (error_log): {0}")]
    ProcessLog(
        /// What the system says, with the file's name.
        io::Error,
    ),
    /// What sends traces could not be started.
    #[error("cannot send traces (tracing): {0}")]
    Tracing(
        /// What is wrong with the file of certificates, or what the system says.
        io::Error,
    ),
    /// The file with the process's number could not be written.
    #[error("cannot write the process's number (pid_file): {0}")]
    PidFile(
        /// What the system says, with the file's name.
        io::Error,
    ),
    /// The process cannot become the configured user or group.
    #[error("cannot serve as another user (user, group): {0}")]
    Identity(
        /// What the system says.
        io::Error,
    ),
    /// A part of the process could not be set up.
    #[error("cannot start {what}: {source}")]
    SetUp {
        /// The part.
        what: &'static str,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A part of the process could not be set up.
pub(super) fn set_up(
    what: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StartError {
    StartError::SetUp { what, source: source.into() }
}
