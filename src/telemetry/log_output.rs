//! Where the process log goes: written by whoever has something to say, one line at a time.
//!
//! What is told here is rare, and a line that was told before a crash must be there after it, so
//! nothing is kept back. An output that fails must not take the process with it: its lines are
//! lost and counted, and the next line tries again.

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use crate::config::LogFormat;
use crate::files::append_to;

/// An output of the process log, and how its lines look.
pub struct Destination {
    format: LogFormat,
    /// `None` for standard error.
    path: Option<PathBuf>,
    output: Mutex<Output>,
}

struct Output {
    writer: Box<dyn Write + Send>,
    /// Lines that could not be written since the last one that could.
    lost: u64,
    /// Whether part of such a line may have been.
    is_torn: bool,
}

impl Destination {
    /// Standard error.
    #[must_use]
    pub fn stderr(format: LogFormat) -> Self {
        // Through the standard library's lock, so that the two logs' lines do not mix.
        Self { format, path: None, output: Mutex::new(Output::new(Box::new(io::stderr()))) }
    }

    /// This file, made if need be, and appended to.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, with its name.
    pub fn file(format: LogFormat, path: &Path) -> io::Result<Self> {
        let output = Output::new(Box::new(append_to(path)?));
        Ok(Self { format, path: Some(path.to_owned()), output: Mutex::new(output) })
    }

    /// How its lines look.
    pub(super) fn format(&self) -> LogFormat {
        self.format
    }

    /// Writes a line, or counts it as lost. Says how many were lost before this one, once.
    pub(super) fn write(&self, line: &[u8]) -> u64 {
        self.output.lock().write(line)
    }

    /// Opens the file anew; until then, and when that fails, the old one is in use.
    pub(super) fn reopen(&self) -> io::Result<()> {
        if let Some(path) = &self.path {
            let file = append_to(path)?;
            let mut output = self.output.lock();
            (output.writer, output.is_torn) = (Box::new(file), false);
        }
        Ok(())
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => path.display().fmt(f),
            None => f.write_str("stderr"),
        }
    }
}

impl Output {
    fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, lost: 0, is_torn: false }
    }

    fn write(&mut self, line: &[u8]) -> u64 {
        let end_of_torn = if self.is_torn { b"\n".as_slice() } else { b"" };
        let written = self.writer.write_all(end_of_torn).and_then(|()| self.writer.write_all(line));
        self.is_torn = written.is_err();
        if self.is_torn {
            self.lost += 1;
            return 0;
        }
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, fs, io::ErrorKind, sync::Arc, thread};

    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_of_many_threads_are_appended_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        fs::write(&path, "before\n").unwrap();
        let log = Destination::file(LogFormat::Text, &path).unwrap();
        thread::scope(|scope| {
            for digit in '0'..'4' {
                let line = format!("{}\n", String::from(digit).repeat(300));
                let log = &log;
                scope.spawn(move || {
                    (0..500).for_each(|_| assert_eq!(log.write(line.as_bytes()), 0))
                });
            }
        });
        let text = read(&path);
        assert!(text.starts_with("before\n"));
        let is_whole = |line: &str| line.len() == 300 && line.split(&line[..1]).all(str::is_empty);
        assert_eq!(text.lines().filter(|line| is_whole(line)).count(), 2000);
        assert_eq!(text.lines().count(), 2001);
    }

    #[test]
    fn reopening_leaves_what_was_told_in_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        let moved = path.with_extension("1");
        let log = Destination::file(LogFormat::Text, &path).unwrap();
        log.write(b"one\n");
        fs::rename(&path, &moved).unwrap();
        log.write(b"two\n");
        log.reopen().unwrap();
        log.write(b"three\n");
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("one\ntwo\n", "three\n"));
    }

    #[test]
    fn a_file_that_cannot_be_opened_anew_leaves_the_old_one_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, moved) = (folder.path().join("logs"), folder.path().join("moved"));
        fs::create_dir(&inner).unwrap();
        let path = inner.join("error.log");
        let log = Destination::file(LogFormat::Text, &path).unwrap();
        fs::rename(&inner, &moved).unwrap();
        let message = log.reopen().unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: No such file", path.display())), "{message}");
        log.write(b"still here\n");
        assert_eq!(read(&moved.join("error.log")), "still here\n");
    }

    #[test]
    fn standard_error_has_nothing_to_open_anew() {
        assert!(Destination::stderr(LogFormat::Json).reopen().is_ok());
    }

    /// Takes as many bytes at a time as its script says, or fails; then takes everything.
    struct Scripted {
        script: VecDeque<io::Result<usize>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.script.pop_front().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            self.written.lock().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_fails_loses_lines_says_how_many_and_spoils_none() {
        let full = || Err(ErrorKind::StorageFull.into());
        let written = Arc::default();
        let script = [Ok(9), Ok(2), full(), full(), Ok(1), full()].into();
        let mut output = Output::new(Box::new(Scripted { script, written: Arc::clone(&written) }));
        let told: Vec<u64> = [b"one\n", b"two\n", b"six\n", b"ten\n", b"yes\n", b"end\n"]
            .into_iter()
            .map(|line| output.write(line))
            .collect();
        assert_eq!(told, [0, 0, 0, 0, 3, 0]);
        assert_eq!(String::from_utf8_lossy(&written.lock()), "one\ntw\n\nyes\nend\n");
    }
}
