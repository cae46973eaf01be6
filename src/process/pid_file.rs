//! The file that holds the number of the process that serves.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
};

use nix::fcntl::OFlag;

use super::privileges::Identity;
use crate::files;

/// A file with this process's number. When dropped, the file is removed, unless another process has
/// written its own number there.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Makes sure that the file can be written now, and later as the user that this process will
    /// become. Nothing is written yet.
    ///
    /// # Errors
    ///
    /// The system's, with the file's name; or that it is not a plain file with one name.
    pub fn prepare(path: PathBuf, owner: Option<&Identity>) -> io::Result<Self> {
        let prepare = || {
            let file = open(&path)?;
            let data = file.metadata()?;
            if !data.is_file() || data.nlink() > 1 {
                return Err(io::Error::other(
                    "it is not a plain file, or has another name: remove it",
                ));
            }
            owner.map_or(Ok(()), |owner| owner.own(&file))
        };
        prepare().map_err(|error| named(&path, &error))?;
        Ok(Self(path))
    }

    /// Writes this process's number. It is written in place, so that a reader always finds one.
    ///
    /// # Errors
    ///
    /// The system's, with the file's name.
    pub fn claim(&self) -> io::Result<()> {
        let line = format!("{}\n", process::id());
        let write = || {
            let mut file = open(&self.0)?;
            file.write_all(line.as_bytes())?;
            file.set_len(line.len() as u64)
        };
        write().map_err(|error| named(&self.0, &error))
    }
}

/// Follows no link: root would write to wherever another user has made it lead.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false);
    files::open(&options, OFlag::O_NOFOLLOW, path)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let Ok(written) = files::read_text(&self.0) else { return };
        let is_ours = written.is_empty() || written.trim() == process::id().to_string();
        if is_ours && fs::remove_file(&self.0).is_err() {
            // If the folder is not ours any more, at least no process is named.
            let _ = open(&self.0).and_then(|file| file.set_len(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: PathBuf) -> PidFile {
        let file = PidFile::prepare(path, None).unwrap();
        file.claim().unwrap();
        file
    }

    #[test]
    fn a_link_is_not_followed_and_another_files_second_name_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, path) = (folder.path().join("victim"), folder.path().join("lb.pid"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(PidFile::prepare(path.clone(), None).is_err());
        fs::remove_file(&path).unwrap();
        fs::hard_link(&victim, &path).unwrap();
        assert!(PidFile::prepare(path, None).is_err());
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn it_is_there_as_long_as_the_process_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.pid");
        let file = written(path.clone());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn that_of_the_next_process_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.pid");
        let file = written(path.clone());
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn a_number_that_is_longer_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.pid");
        let file = written(path.clone());
        fs::write(&path, "12345678901\n").unwrap();
        file.claim().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
    }

    #[test]
    fn one_that_cannot_be_written_is_named() {
        let error = PidFile::prepare("/nowhere/lb.pid".into(), None).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/lb.pid: "), "{error}");
    }
}
