//! The file that says which process serves.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use nix::fcntl::OFlag;

use super::privileges::Identity;

/// Our number in a file; taken out of it when dropped, unless another process has put in its own.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Sees that it can be written, now and by whoever this process will be; nothing is in it yet.
    ///
    /// # Errors
    ///
    /// The system's, with the file's name; when it is no plain file.
    pub fn prepare(path: PathBuf, owner: Option<&Identity>) -> io::Result<Self> {
        let prepare = || {
            let file = open(&path)?;
            let data = file.metadata()?;
            if !data.is_file() || data.nlink() > 1 {
                return Err(io::Error::other("it is something else than a file of ours"));
            }
            owner.map_or(Ok(()), |owner| owner.own(&file))
        };
        prepare().map_err(|error| named(&path, &error))?;
        Ok(Self(path))
    }

    /// Puts our number there. In place: whoever reads meanwhile finds a number.
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

/// Follows no link: root would write wherever another user has let it lead.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false).custom_flags(OFlag::O_NOFOLLOW.bits());
    options.open(path)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let Ok(written) = fs::read_to_string(&self.0) else { return };
        let is_ours = written.is_empty() || written.trim() == process::id().to_string();
        if is_ours && fs::remove_file(&self.0).is_err() {
            // Where the folder is not ours any more, at least nobody else is named.
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
