//! What a configuration takes from outside of its file: other files, and the environment.
//!
//! Every file that is looked at is noted with the version that it had, found or missing, so that a change
//! of it can be noticed.

use std::{
    cell::RefCell,
    env,
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::files::{self, FileVersions};

/// The surroundings of a configuration file.
#[derive(Debug)]
pub(super) struct Outside {
    /// The folder of the file: names of other files are relative to it.
    folder: PathBuf,
    variable: fn(&str) -> Option<OsString>,
    /// The files and folders that were looked at, as they were just before that.
    sources: RefCell<FileVersions>,
}

impl Outside {
    /// The surroundings of this file.
    pub(super) fn of(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, variable: |name| env::var_os(name), sources: RefCell::default() }
    }

    /// Surroundings with another environment.
    #[cfg(test)]
    pub(super) fn fake(variable: fn(&str) -> Option<OsString>) -> Self {
        Self { folder: PathBuf::new(), variable, sources: RefCell::default() }
    }

    /// The value of a variable, if it is set.
    ///
    /// # Errors
    ///
    /// The end of a message.
    pub(super) fn variable(&self, name: &str) -> Result<Option<String>, String> {
        let value = (self.variable)(name).map(OsString::into_string);
        value.transpose().map_err(|_| "is not UTF-8 text in the environment".to_owned())
    }

    /// The path of a file that the configuration names.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether two paths lead to the same file, as they do if one is relative or a link.
    pub(super) fn is_same(&self, one: &Path, other: &Path) -> bool {
        let real = |path: &Path| files::answered(path, |path| fs::canonicalize(path)).ok();
        one == other || real(one).is_some_and(|one| real(other) == Some(one))
    }

    /// The text of a file that the configuration names.
    ///
    /// # Errors
    ///
    /// The end of a message, behind the file's name.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        let path = self.path(name);
        self.note(&path);
        files::read_text(&path).map_err(|error| failed(&error))
    }

    /// Whether a name is that of a folder.
    pub(super) fn is_folder(&self, name: &str) -> bool {
        let path = self.path(name);
        self.note(&path);
        let is_folder = |path: &Path| Ok(fs::metadata(path)?.is_dir());
        files::answered(&path, is_folder).unwrap_or(false)
    }

    /// The names in a folder.
    ///
    /// # Errors
    ///
    /// The end of a message, behind the folder's name.
    pub(super) fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let path = self.folder.join(folder);
        let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
        self.note(&path);
        let names = files::answered(&path, |path| {
            let entries = fs::read_dir(path)?;
            entries.map(|entry| Ok(entry?.file_name().into_string().ok())).collect()
        });
        let names: Vec<Option<String>> = names.map_err(|error: io::Error| failed(&error))?;
        Ok(names.into_iter().flatten().collect())
    }

    /// Reads a file that contains a secret.
    ///
    /// # Errors
    ///
    /// The end of a message, behind the file's name.
    pub(super) fn secret(&self, path: &Path) -> Result<Secret, String> {
        self.note(path);
        let read = || {
            let data = files::answered(path, |path| fs::metadata(path))?;
            let text = files::read_text(path)?;
            Ok(Secret { text, is_open: data.permissions().mode() & 0o004 != 0 })
        };
        read().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => format!("cannot be read: {}", files::missing(path)),
            _ => failed(&error),
        })
    }

    fn note(&self, path: &Path) {
        self.sources.borrow_mut().note(path);
    }

    /// The files and folders that were looked at, as they were just before that.
    pub(super) fn into_sources(self) -> FileVersions {
        self.sources.into_inner()
    }
}

/// The content and the permissions of a secret's file.
#[derive(Debug)]
pub(super) struct Secret {
    /// The content of the file.
    pub(super) text: String,
    /// Whether every user can read it.
    pub(super) is_open: bool,
}

/// Why a text was not read, as the end of a message.
fn failed(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => "is not text".to_owned(),
        _ => format!("cannot be read: {}", reason(error)),
    }
}

/// The system's reason, without its error codes.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => files::denied(),
        io::ErrorKind::IsADirectory => "it is a directory, not a file".to_owned(),
        _ => error.to_string(),
    }
}
