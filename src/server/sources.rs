//! The files and folders that loads of the configuration have looked at.
//!
//! Those of the configuration that is in force stay, because a load that failed early has not looked at
//! all of them. Of the failed loads since, the last one counts.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::files::FileVersions;

/// The files and folders that one load has looked at, each as it was just before that.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Those that the configuration is written in.
    pub configuration: FileVersions,
    /// Those of certificates, and of what is needed to get some.
    pub certificates: FileVersions,
}

impl Sources {
    fn extend(&mut self, later: Self) {
        self.configuration.extend(later.configuration);
        self.certificates.extend(later.certificates);
    }
}

/// What the loads of a process have looked at.
#[derive(Debug)]
pub struct LoadedSources {
    /// The file that names all others.
    file: PathBuf,
    loads: Mutex<Loads>,
}

#[derive(Debug)]
struct Loads {
    in_force: Sources,
    /// Of the last load, if it failed.
    failed: Option<Sources>,
}

impl LoadedSources {
    /// What there is to know after the first load, of this file.
    #[must_use]
    pub fn new(file: PathBuf, in_force: Sources) -> Self {
        Self { file, loads: Mutex::new(Loads { in_force, failed: None }) }
    }

    /// The file that names all others.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Notes a load whose configuration is in force.
    pub(super) fn loaded(&self, in_force: Sources) {
        *self.loads.lock() = Loads { in_force, failed: None };
    }

    /// Notes a load that has changed nothing.
    pub(super) fn failed(&self, failed: Sources) {
        self.loads.lock().failed = Some(failed);
    }

    /// What is watched.
    pub(super) fn looked_at(&self) -> Sources {
        let loads = self.loads.lock();
        let mut all = loads.in_force.clone();
        all.extend(loads.failed.clone().unwrap_or_default());
        all
    }

    /// Whether the last load has changed nothing.
    pub(super) fn has_failed(&self) -> bool {
        self.loads.lock().failed.is_some()
    }

    /// The files that have changed since they were loaded into the configuration that is in force. The
    /// call waits for the file system.
    pub(super) fn outdated(&self) -> Vec<PathBuf> {
        let Sources { mut configuration, certificates } = self.loads.lock().in_force.clone();
        configuration.extend(certificates);
        configuration.different(&configuration.now()).map(Path::to_owned).collect()
    }
}
