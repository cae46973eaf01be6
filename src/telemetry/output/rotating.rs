//! A file that is put aside when it is full: `access.log` becomes `access.log.1`, and that `access.log.2`.
//!
//! Several writers may have the same file: both logs, the log before a reload with its last lines, and the
//! process before an upgrade. So a writer locks the file that it wants to put aside, and looks whether it
//! still has that name; and each looks before it writes whether the name leads to another file, which it then
//! opens. The file itself is renamed last: until then it is full and locked, so no other writer renames
//! anything.
//!
//! Whatever cannot be done, lines go on into the file that is open.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::framed::LogName;
use crate::clock;
use crate::config::LogRotation;
use crate::files::append_to;

/// The wait after a failure: a folder that cannot be written does not change in a moment.
const PAUSE: Duration = Duration::from_secs(10);

/// The file of a log.
#[derive(Debug)]
struct RotatingFile {
    log: LogName,
    path: PathBuf,
    rotation: LogRotation,
    file: File,
    /// The bytes in the file, of all its writers.
    size: u64,
    /// Whether a line has been written in part.
    is_mid_line: bool,
    /// When the file could not be put aside, or not be opened again.
    failed: Option<Instant>,
}

/// Opens a file to append to it. What is no ordinary file is never put aside.
///
/// # Errors
///
/// When the file cannot be opened, with its name.
pub(super) fn open(
    log: LogName,
    path: &Path,
    rotation: LogRotation,
) -> io::Result<Box<dyn Write + Send>> {
    let file = append_to(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Ok(Box::new(file));
    }
    // A link stays, and what it leads to is put aside.
    let path = target(path.to_owned());
    let size = data.len();
    Ok(Box::new(RotatingFile { log, path, rotation, file, size, is_mid_line: false, failed: None }))
}

/// What a link leads to in the end. The file need not be there: another writer may have put it aside.
fn target(path: PathBuf) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    fs::read_link(&path).map_or(path, |next| target(folder.join(next)))
}

impl RotatingFile {
    /// Sees to it that the open file is the one with the name, and has room for the first of these lines.
    fn prepare(&mut self, lines: &[u8]) {
        let now = clock::now();
        if self.failed.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return;
        }
        let first = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
        match self.follow().and_then(|()| self.make_room(first as u64)) {
            Ok(()) => self.failed = None,
            Err(error) => {
                self.failed = Some(now);
                let (file, log) = (self.path.display(), self.log.word());
                log::error!(file:%, error:%; "cannot rotate the {log} log, which goes on in one file");
            }
        }
    }

    /// Opens the file with the name, if that is another one.
    fn follow(&mut self) -> io::Result<()> {
        match self.named() {
            Some(named) => self.size = named.len(),
            None => self.reopen(None)?,
        }
        Ok(())
    }

    /// The open file, if the name leads to it.
    fn named(&self) -> Option<Metadata> {
        let (named, open) = (fs::metadata(&self.path).ok()?, self.file.metadata().ok()?);
        ((named.dev(), named.ino()) == (open.dev(), open.ino())).then_some(named)
    }

    fn reopen(&mut self, mode: Option<fs::Permissions>) -> io::Result<()> {
        let file = append_to(&self.path)?;
        if let Some(mode) = mode {
            // A writer that was faster may be of another user, who has done the same.
            let _ = file.set_permissions(mode);
        }
        self.size = file.metadata()?.len();
        self.file = file;
        Ok(())
    }

    /// Puts the file aside if it has no room for this many bytes.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        if self.size == 0 || self.size.saturating_add(bytes) <= self.rotation.size.get() {
            return Ok(());
        }
        let lock = match Flock::lock(self.file.try_clone()?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            // Another writer is about to put it aside.
            Err((_, Errno::EWOULDBLOCK)) => return Ok(()),
            Err((_, error)) => return Err(error.into()),
        };
        let mode = match self.named() {
            Some(named) => {
                self.put_aside()?;
                Some(named.permissions())
            }
            None => None,
        };
        drop(lock);
        self.reopen(mode)
    }

    /// Renames all files, the oldest first, and the one with the name last.
    fn put_aside(&self) -> io::Result<()> {
        let keep = u32::from(self.rotation.keep);
        // More were kept before.
        (keep + 1..).find(|number| fs::remove_file(self.numbered(*number)).is_err());
        for number in (1..keep).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// The length of the lines that the file has room for; at least one line, or what is there of it.
    fn fitting(&self, lines: &[u8]) -> usize {
        let ends = |(at, byte): (usize, &u8)| (*byte == b'\n').then_some(at + 1);
        let mut ends = lines.iter().enumerate().filter_map(ends);
        let Some(first) = ends.next() else { return lines.len() };
        if self.is_mid_line {
            return first;
        }
        let room = self.rotation.size.get().saturating_sub(self.size);
        ends.take_while(|end| *end as u64 <= room).last().unwrap_or(first)
    }
}

impl Write for RotatingFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if !self.is_mid_line {
            self.prepare(lines);
        }
        // Where it could not be put aside it takes everything.
        let length = if self.failed.is_some() { lines.len() } else { self.fitting(lines) };
        let written = self.file.write(&lines[..length])?;
        self.size += written as u64;
        if let Some(last) = lines[..written].last() {
            self.is_mid_line = *last != b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn writer(path: &Path, size: u64, keep: u16) -> Box<dyn Write + Send> {
        let rotation = LogRotation { size: NonZeroU64::new(size).unwrap(), keep };
        open(LogName::Access, path, rotation).unwrap()
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        (folder, path)
    }

    fn read(path: &Path, number: usize) -> String {
        let suffix = if number == 0 { String::new() } else { format!(".{number}") };
        fs::read_to_string(format!("{}{suffix}", path.display())).unwrap_or_default()
    }

    #[test]
    fn full_files_are_put_aside_and_the_oldest_is_forgotten() {
        let (_folder, path) = folder();
        fs::write(&path, "before\n").unwrap();
        let mut file = writer(&path, 20, 2);
        for line in
            ["one\n", "two\nthree\nfour\nfive\n", "a line that is far too long\nsix\n", "seven\n"]
        {
            file.write_all(line.as_bytes()).unwrap();
        }
        let files = [0, 1, 2, 3].map(|number| read(&path, number));
        assert_eq!(
            files,
            ["six\nseven\n", "a line that is far too long\n", "three\nfour\nfive\n", ""]
        );
    }

    #[test]
    fn a_line_that_comes_in_parts_stays_in_one_file() {
        let (_folder, path) = folder();
        let mut file = writer(&path, 20, 3);
        for part in ["0123456789\n012345", "67890123456789\nnext\n"] {
            file.write_all(part.as_bytes()).unwrap();
        }
        assert_eq!(read(&path, 1), "0123456789\n01234567890123456789\n");
        assert_eq!(read(&path, 0), "next\n");
    }

    #[test]
    fn files_beyond_the_number_are_removed() {
        let (_folder, path) = folder();
        for number in 1..=5 {
            fs::write(format!("{}.{number}", path.display()), number.to_string()).unwrap();
        }
        let mut file = writer(&path, 4, 3);
        file.write_all(b"one\ntwo\n").unwrap();
        let files = [0, 1, 2, 3, 4, 5].map(|number| read(&path, number));
        assert_eq!(files, ["two\n", "one\n", "1", "2", "", ""]);
    }

    #[test]
    fn several_writers_of_a_file_lose_no_line() {
        let (_folder, path) = folder();
        // As many as the lines need, and some.
        let keep = 200;
        std::thread::scope(|scope| {
            for digit in ["a", "b", "c"] {
                let mut file = writer(&path, 4096, keep);
                scope.spawn(move || {
                    for number in 0..1000 {
                        let line = format!("{digit}{number}-{}\n", digit.repeat(50));
                        file.write_all(line.as_bytes()).unwrap();
                    }
                });
            }
        });
        let mut lines: Vec<String> = (0..=usize::from(keep))
            .flat_map(|number| read(&path, number).lines().map(String::from).collect::<Vec<_>>())
            .collect();
        lines.sort_unstable();
        let whole = lines.iter().filter(|line| line.split_once('-').unwrap().1.len() == 50);
        assert_eq!(whole.count(), 3000);
        lines.dedup();
        assert_eq!(lines.len(), 3000);
        // A writer that finds the lock taken exceeds the size, so there may be fewer files than lines make.
        assert!(!read(&path, 10).is_empty());
    }

    #[test]
    fn a_file_that_was_moved_or_put_aside_by_another_writer_is_followed() {
        let (folder, path) = folder();
        let (mut first, mut second) = (writer(&path, 8, 3), writer(&path, 8, 3));
        first.write_all(b"one\ntwo\n").unwrap();
        second.write_all(b"three\n").unwrap();
        first.write_all(b"4\n").unwrap();
        assert_eq!((read(&path, 0), read(&path, 1)), ("three\n4\n".into(), "one\ntwo\n".into()));
        fs::rename(&path, folder.path().join("moved")).unwrap();
        second.write_all(b"five\n").unwrap();
        assert_eq!(read(&path, 0), "five\n");
    }

    #[test]
    fn permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = folder();
        let mut file = writer(&path, 4, 3);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        file.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_takes_all_lines() {
        let (_folder, path) = folder();
        let mut file = writer(&path, 4, 1);
        // A folder cannot be replaced by a file.
        fs::create_dir(format!("{}.1", path.display())).unwrap();
        file.write_all(b"one\ntwo\nthree\n").unwrap();
        file.write_all(b"four\n").unwrap();
        assert_eq!(read(&path, 0), "one\ntwo\nthree\nfour\n");
    }

    fn rotating(path: &Path, size: u64) -> RotatingFile {
        RotatingFile {
            log: LogName::Access,
            path: path.to_owned(),
            rotation: LogRotation { size: NonZeroU64::new(size).unwrap(), keep: 3 },
            file: append_to(path).unwrap(),
            size: fs::metadata(path).unwrap().len(),
            is_mid_line: false,
            failed: None,
        }
    }

    #[test]
    fn a_writer_that_comes_second_does_not_put_the_next_file_aside() {
        let (_folder, path) = folder();
        fs::write(&path, "full\n").unwrap();
        let mut both = [(); 2].map(|()| rotating(&path, 5));
        // Each has seen that the file is full before the other has put it aside.
        for file in &mut both {
            file.make_room(5).unwrap();
        }
        assert_eq!([0, 1, 2].map(|number| read(&path, number)), ["", "full\n", ""]);
    }

    #[test]
    fn a_file_that_another_writer_has_locked_takes_the_line() {
        let (_folder, path) = folder();
        fs::write(&path, "full\n").unwrap();
        let mut file = rotating(&path, 5);
        let other = Flock::lock(append_to(&path).unwrap(), FlockArg::LockExclusiveNonblock);
        file.write_all(b"one\n").unwrap();
        assert_eq!((read(&path, 0).as_str(), read(&path, 1).as_str()), ("full\none\n", ""));
        drop(other.unwrap());
        file.write_all(b"two\n").unwrap();
        assert_eq!((read(&path, 0).as_str(), read(&path, 1).as_str()), ("two\n", "full\none\n"));
    }

    #[test]
    fn an_empty_file_is_not_put_aside_for_a_long_line() {
        let (_folder, path) = folder();
        writer(&path, 4, 3).write_all(b"too long\n").unwrap();
        assert_eq!((read(&path, 0).as_str(), read(&path, 1).as_str()), ("too long\n", ""));
        assert!(!path.with_extension("log.1").exists());
    }

    #[test]
    fn a_file_that_was_moved_is_left_long_before_it_is_full() {
        let (folder, path) = folder();
        let mut file = writer(&path, 1 << 20, 3);
        file.write_all(b"one\n").unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        file.write_all(b"two\n").unwrap();
        assert_eq!(read(&path, 0), "two\n");
    }

    #[test]
    fn after_a_failure_it_is_tried_again_later() {
        let (_folder, path) = folder();
        fs::write(&path, "full\n").unwrap();
        let mut file = rotating(&path, 5);
        file.failed = Some(clock::now());
        file.write_all(b"one\n").unwrap();
        assert_eq!(read(&path, 0), "full\none\n");
        file.failed = Some(clock::now() - PAUSE);
        file.write_all(b"two\n").unwrap();
        assert_eq!((read(&path, 0).as_str(), read(&path, 1).as_str()), ("two\n", "full\none\n"));
        assert_eq!(file.failed, None);
    }

    #[test]
    fn links_are_followed_to_the_last_from_the_folder_of_each() {
        let (folder, _) = folder();
        let logs = folder.path().join("logs");
        fs::create_dir(&logs).unwrap();
        let link = folder.path().join("link.log");
        std::os::unix::fs::symlink("logs/next.log", &link).unwrap();
        std::os::unix::fs::symlink("access.log", logs.join("next.log")).unwrap();
        writer(&link, 4, 1).write_all(b"one\ntwo\n").unwrap();
        let path = logs.join("access.log");
        assert_eq!((read(&path, 0).as_str(), read(&path, 1).as_str()), ("two\n", "one\n"));
    }

    #[test]
    fn a_link_stays_and_a_device_is_written_as_it_is() {
        let (folder, path) = folder();
        let link = folder.path().join("link.log");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::write(&path, "").unwrap();
        writer(&link, 4, 1).write_all(b"one\ntwo\n").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((read(&path, 0), read(&path, 1)), ("two\n".into(), "one\n".into()));
        writer(Path::new("/dev/null"), 4, 1).write_all(b"one\ntwo\n").unwrap();
        assert!(!Path::new("/dev/null.1").exists());
    }
}
