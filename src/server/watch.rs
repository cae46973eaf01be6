//! Whether the configuration file has changed.
//!
//! It is asked about by name, once a second: that sees whatever way it was changed, in place, by
//! another file in its place, or by a link that leads elsewhere (as Kubernetes does), on every
//! file system. What is being written is left alone until it has been still for one round.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Between two looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Which file a name leads to, and what it is like: another one is another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    device: u64,
    inode: u64,
    /// Of the file or what is said about it: the time of the content alone can be set back.
    changed: (i64, i64),
    size: u64,
}

impl FileVersion {
    /// `None` while there is no file.
    fn of(file: &Path) -> Option<Self> {
        let data = fs::metadata(file).ok()?;
        Some(Self {
            device: data.dev(),
            inode: data.ino(),
            changed: (data.ctime(), data.ctime_nsec()),
            size: data.size(),
        })
    }
}

/// A file that is looked at again and again.
#[derive(Debug)]
pub struct WatchedFile {
    file: PathBuf,
    /// As it was when it was last loaded.
    loaded: Option<FileVersion>,
    /// As it was at the last look.
    seen: Option<FileVersion>,
}

impl WatchedFile {
    /// As it is now, it has been loaded.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        let stamp = FileVersion::of(&file);
        Self { file, loaded: stamp, seen: stamp }
    }

    /// Whether it is another one than was loaded.
    pub(super) fn is_outdated(&self) -> bool {
        FileVersion::of(&self.file).is_some_and(|now| self.loaded != Some(now))
    }

    /// Looks. Whether it has changed, and been still since the last look; told once.
    pub(super) fn has_changed(&mut self) -> bool {
        let Some(now) = FileVersion::of(&self.file) else { return false };
        let is_still = self.seen.replace(now) == Some(now);
        is_still && self.loaded.replace(now) != Some(now)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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
}
