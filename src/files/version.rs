//! Whether a file is still the one that was read.
//!
//! A file is looked up by its name. That notices a change in place, another file of the same name, and a
//! link that leads elsewhere (as Kubernetes does), on every file system.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::answered;

/// Which file a name leads to, and its state: a different version may have different content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    device: u64,
    inode: u64,
    /// When the content or the attributes changed: the time of the content alone can be set back.
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

/// Files and folders with the versions that they had at one moment. Those that were missing are among
/// them, because they may come. A folder has another version when a name in it comes or goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileVersions(BTreeMap<PathBuf, Option<FileVersion>>);

impl FileVersions {
    /// Adds a file with the version that it has at this moment. The version of a file that is known
    /// already stays: what was read first may be older than what is there by then.
    pub fn note(&mut self, file: &Path) {
        if !self.0.contains_key(file) {
            let version = answered(file, |file| Ok(FileVersion::of(file))).ok().flatten();
            self.0.insert(file.to_owned(), version);
        }
    }

    /// The versions of the same files at this moment. The call waits for the file system.
    #[must_use]
    pub fn now(&self) -> Self {
        Self(self.0.keys().map(|file| (file.clone(), FileVersion::of(file))).collect())
    }

    /// Adds files that were looked at later; their versions replace earlier ones.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Whether a file was looked at, and missing.
    #[must_use]
    pub fn lack(&self, file: &Path) -> bool {
        self.0.get(file).is_some_and(Option::is_none)
    }

    /// The files and folders that were found.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter(|(_, version)| version.is_some()).map(|(file, _)| &**file)
    }

    /// The files whose versions differ from those in `other`.
    pub fn different<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Path> {
        let is_different = |(file, version): &(&PathBuf, _)| other.0.get(*file) != Some(*version);
        self.0.iter().filter(is_different).map(|(file, _)| &**file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_version_of_a_file_stays_until_a_later_look_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let mut looked_at = FileVersions::default();
        looked_at.note(&file);
        assert!(looked_at.lack(&file) && !looked_at.lack(folder.path()));
        fs::write(&file, "").unwrap();
        looked_at.note(&file);
        assert!(looked_at.lack(&file));
        assert_eq!(looked_at.different(&looked_at.now()).collect::<Vec<_>>(), [&*file]);
        looked_at.extend(looked_at.now());
        assert_eq!((looked_at.lack(&file), looked_at == looked_at.now()), (false, true));
    }

    #[test]
    fn a_name_in_a_folder_that_comes_or_goes_is_another_version_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut looked_at = FileVersions::default();
        looked_at.note(folder.path());
        fs::write(folder.path().join("file"), "").unwrap();
        let with_file = looked_at.now();
        assert_ne!(looked_at, with_file);
        fs::remove_file(folder.path().join("file")).unwrap();
        assert_ne!(with_file, looked_at.now());
    }
}
