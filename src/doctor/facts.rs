//! Everything that the checks are made from.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{machine::Machine, running::RunningFacts};
use crate::config::{Config, Problem};

/// Everything that the checks are made from.
#[derive(Debug)]
pub struct Facts {
    /// The configuration file, as the command names it.
    pub file: PathBuf,
    /// The machine.
    pub machine: Machine,
    /// What the running process says, and its number; the reason why there is nothing otherwise.
    pub running: Result<(u32, RunningFacts), String>,
    /// The configuration as it is in the file.
    pub configuration: ConfigurationFacts,
}

/// What a load of the configuration has found. A load looks names up and reads certificates only if the
/// file has no problem.
#[derive(Debug)]
pub struct ConfigurationFacts {
    /// The configuration; `None` if the file has a problem.
    pub config: Option<Config>,
    /// How far in the future the file was changed, by the clock of this machine.
    pub changed_in_future: Option<Duration>,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
    /// What is odd about the file.
    pub warnings: Vec<Problem>,
    /// Names that could not be looked up, and what else is wrong with the addresses of backends.
    pub names: Vec<Problem>,
    /// How long the look-ups took.
    pub looking_up: Duration,
    /// What is wrong with certificates, or with what is needed to get them.
    pub certificates: Vec<Problem>,
    /// What is odd about certificates.
    pub certificate_warnings: Vec<Problem>,
    /// The days until the first certificate ends, of those that are in files.
    pub days_left: Option<i64>,
    /// The backends, with their addresses.
    pub backends: Vec<BackendFacts>,
    /// Files and folders that the process uses beside the configuration, as the user that it runs as
    /// finds them; the reason why they were not looked at otherwise.
    pub paths: Result<Vec<PathFacts>, String>,
}

impl ConfigurationFacts {
    /// Those of a file of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            config: None,
            changed_in_future: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            names: Vec::new(),
            looking_up: Duration::ZERO,
            certificates: Vec::new(),
            certificate_warnings: Vec::new(),
            days_left: None,
            backends: Vec::new(),
            paths: Err("the configuration has problems".to_owned()),
        }
    }
}

/// A backend of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendFacts {
    /// The pool.
    pub pool: String,
    /// The backend as it is written in the configuration.
    pub name: String,
    /// One of its addresses.
    pub address: SocketAddr,
}

/// A file or folder that the process uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFacts {
    /// The key that names it.
    pub key: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why the process could not use it.
    pub error: Option<String>,
}
