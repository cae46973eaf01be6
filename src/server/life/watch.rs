//! Whether the configuration file has changed.
//!
//! The file is looked up by its name once a second. That notices a change in place, another file of
//! the same name, and a link that leads elsewhere (as Kubernetes does), on every file system. A file
//! that is still being written is left alone until two looks have found the same.
//!
//! A look happens on a thread that may block: on a network mount that hangs it never returns, and
//! the thread that hears signals must not wait for it.

use std::{path::PathBuf, time::Duration};

use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{self, MissedTickBehavior},
};

use crate::files::{self, FileVersion, FileVersions};
use crate::generation::Current;
use crate::tls;

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that is looked at again and again.
#[derive(Debug, Clone)]
pub struct WatchedFile {
    file: PathBuf,
    /// The version that was last loaded.
    loaded: Option<FileVersion>,
    /// The version that the last look found.
    seen: Option<FileVersion>,
}

impl WatchedFile {
    /// Takes the version that the file has at this moment for the loaded one.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        // This call is made at the start, where nothing else looks after a file system that hangs.
        let version = files::answered(&file, |file| Ok(FileVersion::of(file))).ok().flatten();
        Self { file, loaded: version, seen: version }
    }

    /// Whether the file is another version than the one that was loaded.
    pub(super) fn is_outdated(&self) -> bool {
        FileVersion::of(&self.file).is_some_and(|now| self.loaded != Some(now))
    }

    /// Looks at the file. Returns whether it has changed and been still since the last look, once
    /// for each change.
    pub(super) fn has_changed(&mut self) -> bool {
        let Some(now) = FileVersion::of(&self.file) else { return false };
        let is_still = self.seen.replace(now) == Some(now);
        is_still && self.loaded.replace(now) != Some(now)
    }
}

/// Files that are looked at again and again; others may be added, and some removed.
#[derive(Debug, Default)]
pub(super) struct WatchedFiles {
    /// What the last look found.
    seen: FileVersions,
    /// What was told last: if it could not be loaded, it is not told again.
    told: FileVersions,
}

impl WatchedFiles {
    /// Whether these files are others than those that were `loaded`, and have been still since the last
    /// look, once for each change.
    pub(super) fn have_changed(&mut self, now: FileVersions, loaded: &FileVersions) -> bool {
        let is_still = std::mem::replace(&mut self.seen, now.clone()) == now;
        let has_changed = is_still && now != *loaded && now != self.told;
        if has_changed {
            self.told = now;
        }
        has_changed
    }
}

/// The files of the certificates that are in use: as they are, and as they were when they were loaded.
pub(super) fn certificate_files(current: &Current) -> (FileVersions, FileVersions) {
    let generation = current.pin();
    let now = generation.config.tls_endpoints().flat_map(|place| tls::files(place.tls)).collect();
    let loaded = generation.tls_listeners().flat_map(|(_, ready)| ready.files().clone());
    (files::versions(now), loaded.collect())
}

/// The other files of the configuration that is in force: as they are, and as they were when they were
/// loaded.
pub(super) fn source_files(current: &Current) -> (FileVersions, FileVersions) {
    let loaded = current.pin().config.sources.clone();
    let now = files::versions(loaded.iter().map(|(file, _)| file.clone()).collect());
    (now, loaded)
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
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn looks(watched: &mut WatchedFile) -> [bool; 3] {
        [watched.has_changed(), watched.has_changed(), watched.has_changed()]
    }

    #[test]
    fn a_change_is_told_once_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lb.yaml");
        fs::write(&file, "a").unwrap();
        let mut watched = WatchedFile::new(file.clone());
        assert_eq!(looks(&mut watched), [false; 3]);
        fs::write(&file, "ab").unwrap();
        assert!(!watched.has_changed());
        fs::write(&file, "abc").unwrap();
        assert_eq!(looks(&mut watched), [false, true, false]);
    }

    #[test]
    fn another_file_in_its_place_is_a_change_and_none_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lb.yaml");
        fs::write(&file, "a").unwrap();
        let mut watched = WatchedFile::new(file.clone());
        fs::remove_file(&file).unwrap();
        assert_eq!(looks(&mut watched), [false; 3]);
        fs::write(folder.path().join("next"), "b").unwrap();
        fs::rename(folder.path().join("next"), &file).unwrap();
        assert_eq!(looks(&mut watched), [false, true, false]);
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("lb.yaml"), "same").unwrap();
        }
        symlink("v1", path("data")).unwrap();
        symlink("data/lb.yaml", path("lb.yaml")).unwrap();
        let mut watched = WatchedFile::new(path("lb.yaml"));
        symlink("v2", path("next")).unwrap();
        fs::rename(path("next"), path("data")).unwrap();
        assert_eq!(looks(&mut watched), [false, true, false]);
    }

    #[test]
    fn files_that_come_go_or_change_are_told_once_when_they_are_still() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("a"), "a").unwrap();
        let loaded = files::versions(vec![file("a")]);
        let mut watched = WatchedFiles::default();
        let mut looks = |names: &[&str]| {
            let now = || files::versions(names.iter().map(|name| file(name)).collect());
            [0; 3].map(|_| watched.have_changed(now(), &loaded))
        };
        assert_eq!(looks(&["a"]), [false; 3]);
        fs::write(file("b"), "b").unwrap();
        assert_eq!(looks(&["a", "b"]), [false, true, false]);
        fs::write(file("b"), "another").unwrap();
        assert_eq!(looks(&["a", "b"]), [false, true, false]);
        assert_eq!(looks(&["b"]), [false, true, false]);
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

    #[test]
    fn files_that_changed_since_they_were_loaded_are_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let now = || files::versions(vec![file("a.pem"), file("a.key")]);
        fs::write(file("a.pem"), "a").unwrap();
        fs::write(file("a.key"), "a").unwrap();
        let loaded = now();
        // Before the first look.
        fs::write(file("a.pem"), "ab").unwrap();
        let mut watched = WatchedFiles::default();
        let mut looks = |loaded: &FileVersions| [0; 3].map(|_| watched.have_changed(now(), loaded));
        assert_eq!(looks(&loaded), [false, true, false]);
        fs::write(file("a.key"), "ab").unwrap();
        assert_eq!(looks(&loaded), [false, true, false]);
        assert_eq!(looks(&now()), [false; 3]);
        fs::remove_file(file("a.key")).unwrap();
        assert_eq!(looks(&loaded), [false, true, false]);
    }
}
