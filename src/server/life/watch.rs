//! Whether a file that a configuration was loaded from has changed.
//!
//! The result of a load follows from the files and folders that it has looked at, found or missing. They
//! are looked up again once a second, and another load is due when one of them has changed. This holds
//! for a load that has failed, too, so that a file which is mended or comes later is noticed. A file that
//! is still being written is left alone until two looks have found the same.
//!
//! A look happens on a thread that may block: on a network mount that hangs it never returns, and
//! the thread that hears signals must not wait for it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{self, MissedTickBehavior},
};

use crate::files::FileVersions;
use crate::server::sources::LoadedSources;

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Which of the files that were looked at are watched together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// Those that the configuration is written in.
    Configuration,
    /// Those of certificates.
    Certificates,
}

/// Files that are looked at again and again.
#[derive(Debug)]
pub(super) struct Watch {
    sources: Arc<LoadedSources>,
    watched: Watched,
    /// What the last look found.
    seen: FileVersions,
    /// What was told last: while it is being loaded, it is not told again.
    told: FileVersions,
}

impl Watch {
    pub(super) fn new(sources: Arc<LoadedSources>, watched: Watched) -> Self {
        Self { sources, watched, seen: FileVersions::default(), told: FileVersions::default() }
    }

    /// The files as they were loaded and as they are, if they differ. Without the file that names all
    /// others nothing can be loaded, and it is missing for a moment while an editor replaces it.
    fn difference(&self) -> Option<FileVersions> {
        let looked_at = self.sources.looked_at();
        let loaded = match self.watched {
            Watched::Configuration => looked_at.configuration,
            Watched::Certificates => looked_at.certificates,
        };
        let now = loaded.now();
        (now != loaded && !now.lack(self.sources.file())).then_some(now)
    }

    /// Whether the files are others than those that were loaded.
    pub(super) fn is_outdated(&self) -> bool {
        self.difference().is_some()
    }

    /// Looks at the files. Returns whether they are others than those that were loaded, and have been
    /// still since the last look, once for each change.
    pub(super) fn have_changed(&mut self) -> bool {
        let Some(now) = self.difference() else { return false };
        let is_still = std::mem::replace(&mut self.seen, now.clone()) == now;
        let has_changed = is_still && now != self.told;
        if has_changed {
            self.told = now;
        }
        has_changed
    }
}

/// Looks once a second while `is_wanted` says so, and sends a message for each change that `look`
/// reports. Only this task waits for a look, however long it takes.
pub(super) async fn watch(
    mut look: impl FnMut() -> bool + Send + 'static,
    is_wanted: impl Fn() -> bool,
    changed: mpsc::Sender<()>,
) {
    let mut looks = time::interval(INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if !is_wanted() {
            continue;
        }
        let Ok((has_changed, again)) = spawn_blocking(move || (look(), look)).await else { return };
        look = again;
        if has_changed && changed.send(()).await.is_err() {
            return;
        }
    }
}

/// Sends a message if `is_outdated` says that a file is another version than the one that was loaded.
pub(super) async fn check_once(
    is_outdated: impl FnOnce() -> bool + Send + 'static,
    changed: mpsc::Sender<()>,
) {
    if spawn_blocking(is_outdated).await.unwrap_or(false) {
        // The process is leaving when there is no receiver any more.
        let _ = changed.send(()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
    };

    use super::*;
    use crate::server::sources::Sources;

    /// A folder with a configuration file, which is watched.
    struct Site {
        folder: tempfile::TempDir,
        sources: Arc<LoadedSources>,
        watch: Watch,
    }

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("lb.yaml");
            fs::write(&file, "a").unwrap();
            let sources = Arc::new(LoadedSources::new(file, Sources::default()));
            let watch = Watch::new(Arc::clone(&sources), Watched::Configuration);
            let site = Self { folder, sources, watch };
            site.sources.loaded(site.looked_at(&["lb.yaml"]));
            site
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        /// What a load at this moment looks at.
        fn looked_at(&self, names: &[&str]) -> Sources {
            let mut sources = Sources::default();
            names.iter().for_each(|name| sources.configuration.note(&self.path(name)));
            sources
        }

        fn looks(&mut self) -> [bool; 3] {
            [0; 3].map(|_| self.watch.have_changed())
        }
    }

    #[test]
    fn a_change_is_told_once_when_it_is_over() {
        let mut site = Site::new();
        assert_eq!(site.looks(), [false; 3]);
        site.write("lb.yaml", "ab");
        assert!(!site.watch.have_changed());
        site.write("lb.yaml", "abc");
        assert_eq!(site.looks(), [false, true, false]);
        site.sources.loaded(site.looked_at(&["lb.yaml"]));
        assert_eq!(site.looks(), [false; 3]);
    }

    #[test]
    fn another_first_file_is_a_change_and_none_is_not() {
        let mut site = Site::new();
        fs::remove_file(site.path("lb.yaml")).unwrap();
        assert_eq!(site.looks(), [false; 3]);
        assert!(!site.watch.is_outdated());
        site.write("next", "b");
        fs::rename(site.path("next"), site.path("lb.yaml")).unwrap();
        assert_eq!(site.looks(), [false, true, false]);
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let mut site = Site::new();
        for version in ["v1", "v2"] {
            fs::create_dir(site.path(version)).unwrap();
            site.write(&format!("{version}/token"), "same");
        }
        symlink("v1", site.path("data")).unwrap();
        symlink("data/token", site.path("token")).unwrap();
        site.sources.loaded(site.looked_at(&["lb.yaml", "token"]));
        symlink("v2", site.path("next")).unwrap();
        fs::rename(site.path("next"), site.path("data")).unwrap();
        assert_eq!(site.looks(), [false, true, false]);
    }

    #[test]
    fn a_file_that_was_missing_and_comes_is_a_change_and_so_is_one_that_goes() {
        let mut site = Site::new();
        site.sources.loaded(site.looked_at(&["lb.yaml", "token", "conf.d"]));
        assert_eq!(site.looks(), [false; 3]);
        site.write("token", "secret");
        assert_eq!(site.looks(), [false, true, false]);
        fs::create_dir(site.path("conf.d")).unwrap();
        assert_eq!(site.looks(), [false, true, false]);
        fs::remove_file(site.path("token")).unwrap();
        assert_eq!(site.looks(), [false, true, false]);
    }

    #[test]
    fn what_a_failed_load_looked_at_is_watched_beside_what_is_in_force() {
        let mut site = Site::new();
        site.write("in-force", "a");
        site.sources.loaded(site.looked_at(&["lb.yaml", "in-force"]));
        site.write("lb.yaml", "names a token");
        assert_eq!(site.looks(), [false, true, false]);
        site.sources.failed(site.looked_at(&["lb.yaml", "token"]));
        assert_eq!(site.looks(), [false; 3]);
        site.write("token", "secret");
        assert_eq!(site.looks(), [false, true, false]);
        site.write("in-force", "another");
        assert_eq!(site.looks(), [false, true, false]);
        // Two failures later, what the first one looked at is of no more interest.
        site.sources.failed(site.looked_at(&["lb.yaml", "in-force"]));
        site.write("token", "again");
        assert_eq!(site.looks(), [false; 3]);
    }

    #[test]
    fn certificates_are_watched_by_themselves() {
        let site = Site::new();
        let [mut files, mut certificates] = [Watched::Configuration, Watched::Certificates]
            .map(|watched| Watch::new(Arc::clone(&site.sources), watched));
        let mut sources = site.looked_at(&["lb.yaml"]);
        sources.certificates.note(&site.path("a.pem"));
        site.sources.loaded(sources);
        site.write("a.pem", "a");
        assert_eq!([0; 3].map(|_| files.have_changed()), [false; 3]);
        assert_eq!([0; 3].map(|_| certificates.have_changed()), [false, true, false]);
    }

    #[test]
    fn a_change_before_the_first_look_is_told() {
        let mut site = Site::new();
        site.write("lb.yaml", "another");
        assert!(site.watch.is_outdated());
        assert_eq!(site.looks(), [false, true, false]);
        assert_eq!(site.sources.outdated(), [Path::new(&site.path("lb.yaml"))]);
    }

    #[tokio::test]
    async fn a_look_that_hangs_holds_up_nothing_else() {
        let (begin, mut began) = mpsc::channel(1);
        let (release, released) = std::sync::mpsc::channel();
        let (end, mut ended) = mpsc::channel(1);
        let hang = move || {
            begin.blocking_send(()).unwrap();
            let is_released = released.recv_timeout(Duration::from_secs(10)).is_ok();
            end.blocking_send(is_released).unwrap();
            true
        };
        let (change, mut changes) = mpsc::channel(1);
        let watching = tokio::spawn(watch(hang, || true, change));
        began.recv().await.unwrap();
        // This thread runs while the look hangs, or the look gives up.
        release.send(()).unwrap();
        assert_eq!(ended.recv().await, Some(true));
        assert_eq!(changes.recv().await, Some(()));
        watching.abort();
    }
}
