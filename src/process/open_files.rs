//! How many files this process may have open. Each connection is one, to clients and to backends.
//!
//! The system sets two limits: a soft one that holds, and a hard one up to which a process may raise
//! it. The soft limit is low by tradition (1024) for programs that use `select`, which this one
//! does not, so it is raised at the start, and the log says what it is and when it comes near.

use std::{fs, time::Duration};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{task::spawn_blocking, time};

/// The time between two counts.
const INTERVAL: Duration = Duration::from_secs(2);
/// The share of the limit from which on it is near, in percent.
const NEAR: u64 = 90;
/// The share of the limit below which it is far again, in percent.
const FAR: u64 = 80;

/// Raises the soft limit to the hard one, as far as the system allows. Returns the limit that holds;
/// `None` if there is none.
pub fn raise_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::warn!(error:% = error; "the limit on open files cannot be raised");
    }
    getrlimit(Resource::Nofile).current
}

/// Counts the open files again and again, and logs when they come near the limit.
pub async fn watch(limit: u64) {
    let mut usage = Usage { limit, is_near: false };
    let mut counts = time::interval(INTERVAL);
    loop {
        counts.tick().await;
        let Ok(Some(open)) = spawn_blocking(count).await else { continue };
        match usage.change(open) {
            Some(true) => log::warn!(open, limit;
                "open files come near the limit: beyond it, connections are not accepted and \
                backends not reached; raise it (LimitNOFILE= of the unit, `ulimit -Hn`)"),
            Some(false) => log::info!(open, limit; "open files are well below the limit again"),
            None => {}
        }
    }
}

/// The files that this process has open, if the system says so.
fn count() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    // Since Linux 6.2 the size of the folder is their number, which costs less than a list.
    match fs::metadata(FOLDER).ok()?.len() {
        0 => Some(fs::read_dir(FOLDER).ok()?.count() as u64),
        count => Some(count),
    }
}

#[derive(Debug)]
struct Usage {
    limit: u64,
    is_near: bool,
}

impl Usage {
    /// Takes a count. Returns whether the limit is near, if that has changed.
    fn change(&mut self, open: u64) -> Option<bool> {
        let share = open.saturating_mul(100) / self.limit.max(1);
        let is_near = share >= if self.is_near { FAR } else { NEAR };
        (is_near != self.is_near).then(|| {
            self.is_near = is_near;
            is_near
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once() {
        let mut usage = Usage { limit: 1000, is_near: false };
        let told = [10, 899, 900, 950, 850, 800, 799, 899, 1000].map(|open| usage.change(open));
        let (near, far) = (Some(true), Some(false));
        assert_eq!(told, [None, None, near, None, None, None, far, None, near]);
    }

    #[test]
    fn open_files_are_counted() {
        let before = count().unwrap();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        // Other tests of this process close theirs meanwhile, but not most of these.
        assert!(count().unwrap() > 50, "{before}");
        drop(files);
    }
}
