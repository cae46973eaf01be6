//! Opening files without waiting for another process, or for a file system that does not answer.
//!
//! To open a pipe (FIFO) usually waits until a process has opened its other end. A log or a
//! configuration that is such a pipe would hold up the start, or every reload after it, for as long
//! as that process likes. Every file with a name from the configuration or the command line is
//! therefore opened here, and a pipe without a process at its other end is an error. So is one whose
//! writer does not come to an end, and a device that has none.
//!
//! A network mount whose server is gone answers no call, and no call can be interrupted. Calls are
//! therefore made on a thread of their own, which is left behind if no answer comes in time.

mod version;

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    unistd::{User, geteuid},
};
use parking_lot::Mutex;
use rustix::io::ioctl_fionbio;

pub use version::FileVersions;

/// The time in which the writer of a pipe has to come to its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time in which a file system has to answer. It is longer than [`PATIENCE`], so that a pipe whose
/// writer is slow is reported as one.
const ANSWER: Duration = Duration::from_secs(15);
/// The time between two looks at a pipe that is empty.
const LOOK: Duration = Duration::from_millis(5);
/// A configuration or a token is never larger. A device may have no end at all.
const MOST: u64 = 16 << 20;

/// The folders of files for which a call still waits. No other call is made there until it has ended, so
/// that a mount which hangs holds one thread for each folder, however often it is asked.
static SILENT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Calls the file system for the file or the folder at `path`, and waits a limited time for the result.
///
/// # Errors
///
/// Those of the call; that the file system has not answered in time, or still owes an answer for a file in
/// the same folder; or that the system refuses a thread.
pub fn answered<T: Send + 'static>(
    path: &Path,
    call: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    answered_within(ANSWER, path, call)
}

fn answered_within<T: Send + 'static>(
    limit: Duration,
    path: &Path,
    call: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let timed_out = |message: String| Err(io::Error::new(io::ErrorKind::TimedOut, message));
    let (path, folder) = (path.to_owned(), path.parent().unwrap_or(path).to_owned());
    if SILENT.lock().contains(&folder) {
        let limit = limit.as_secs();
        return timed_out(format!(
            "the file system has not answered within {limit}s: an earlier call still waits"
        ));
    }
    let (answer, answers) = mpsc::channel();
    let within = folder.clone();
    let waits = move || {
        let result = call(&path);
        let mut silent = SILENT.lock();
        // The wait was given up, and the folder can be used again.
        if answer.send(result).is_err() {
            silent.remove(&within);
        }
    };
    thread::Builder::new().name("file".to_owned()).spawn(waits)?;
    if let Ok(result) = answers.recv_timeout(limit) {
        return result;
    }
    let mut silent = SILENT.lock();
    // The answer may have come since.
    if let Ok(result) = answers.try_recv() {
        return result;
    }
    silent.insert(folder);
    drop(answers);
    timed_out(format!("the file system has not answered within {}s", limit.as_secs()))
}

/// Opens a file with these options and flags. Reads and writes block as usual.
///
/// # Errors
///
/// The system's error; that the file is a pipe that no process reads, or a socket; or that its file system
/// does not answer.
pub fn open(options: &OpenOptions, flags: OFlag, path: &Path) -> io::Result<File> {
    let options = options.clone();
    answered(path, move |path| {
        let file = open_now(options, flags, path)?;
        ioctl_fionbio(&file, false)?;
        Ok(file)
    })
}

/// As [`open`], but reads and writes do not block where the file is one that could.
fn open_now(mut options: OpenOptions, flags: OFlag, path: &Path) -> io::Result<File> {
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    options.custom_flags(flags.bits()).open(path).map_err(|error| {
        if error.raw_os_error() != Some(Errno::ENXIO as i32) {
            return error;
        }
        let kind = path.metadata().map(|data| data.file_type());
        let message = match kind {
            Ok(kind) if kind.is_fifo() => {
                "it is a pipe that no process reads: start its reader first"
            }
            Ok(kind) if kind.is_socket() => "it is a socket, not a file",
            _ => "it is a device that is not there",
        };
        io::Error::new(error.kind(), message)
    })
}

/// Opens a file to append to it; it is created if it does not exist.
///
/// # Errors
///
/// As for [`open`], with the file's name.
pub fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = open(options.create(true).append(true), OFlag::empty(), path);
    file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Why a file was not read that is not there.
#[must_use]
pub fn missing(path: &Path) -> String {
    let remark = " (a relative path begins in the folder that lb is started in)";
    format!("there is no such file{}", if path.is_relative() { remark } else { "" })
}

/// Why a file was not read that this process has no right to read: with the user that it runs as, which
/// need not be the one that runs the command.
#[must_use]
pub fn denied() -> String {
    let uid = geteuid();
    let user = User::from_uid(uid).ok().flatten();
    let name = user.map_or_else(|| uid.to_string(), |user| user.name);
    format!("permission denied (the user {name} may not read it)")
}

/// Reads a file to its end.
///
/// # Errors
///
/// The system's error; that the file is a pipe that no process writes to, or whose writer does not come to
/// its end in time; that it is too large to be meant; or that its file system does not answer.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    answered(path, |path| read_within(path, PATIENCE))
}

fn read_within(path: &Path, patience: Duration) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    let file = open_now(options, OFlag::empty(), path)?;
    let mut rest = (&file).take(MOST + 1);
    let mut bytes = Vec::new();
    let mut looks = patience.as_millis() / LOOK.as_millis();
    while let Err(error) = rest.read_to_end(&mut bytes) {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(error);
        }
        if looks == 0 {
            let seconds = patience.as_secs();
            let message =
                format!("the process that writes to it has not finished within {seconds}s");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        looks -= 1;
        thread::sleep(LOOK);
    }
    if bytes.len() as u64 > MOST {
        let message = format!("it is larger than {} MiB", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    // A pipe without a writer is at its end at once.
    if bytes.is_empty() && file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("it is a pipe that no process writes to"));
    }
    Ok(bytes)
}

/// Reads a text file to its end.
///
/// # Errors
///
/// As for [`read`], and `InvalidData` if the file is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use std::{io::Write, path::PathBuf, sync::mpsc, thread, time::Duration};

    use nix::{sys::stat::Mode, unistd::mkfifo};
    use tempfile::TempDir;

    use super::*;

    fn pipe() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        (folder, path)
    }

    /// Fails the test instead of hanging it.
    fn in_time<T: Send + 'static>(open: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || done.send(open()));
        is_done.recv_timeout(Duration::from_secs(10)).expect("it does not wait")
    }

    #[test]
    fn a_pipe_without_another_end_is_an_error() {
        let (_folder, path) = pipe();
        let (to_read, to_append) = (path.clone(), path.clone());
        let error = in_time(move || read(&to_read)).unwrap_err();
        assert_eq!(error.to_string(), "it is a pipe that no process writes to");
        let error = in_time(move || append_to(&to_append)).unwrap_err().to_string();
        let says = "it is a pipe that no process reads: start its reader first";
        assert_eq!(error, format!("{}: {says}", path.display()));
    }

    #[test]
    fn a_file_system_that_does_not_answer_holds_up_one_call_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (hung, beside) = (folder.path().join("hung"), folder.path().join("beside"));
        let (end, ends) = mpsc::channel::<()>();
        let limit = Duration::from_millis(50);
        let within = hung.clone();
        let waits = move || answered_within(limit, &within, move |_| Ok(ends.recv().is_ok()));
        let error = in_time(waits).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the file system has not answered within 0s");
        let error = append_to(&beside).unwrap_err().to_string();
        let message = "the file system has not answered within 15s: an earlier call still waits";
        assert_eq!(error, format!("{}: {message}", beside.display()));
        assert!(append_to(&tempfile::tempdir().unwrap().path().join("elsewhere")).is_ok());

        end.send(()).unwrap();
        in_time(move || {
            while append_to(&beside).is_err() {
                thread::yield_now();
            }
        });
    }

    #[test]
    fn a_pipe_whose_writer_does_not_finish_is_an_error() {
        let (_folder, path) = pipe();
        // Opening both ends at once does not wait.
        let mut end = File::options().read(true).write(true).open(&path).unwrap();
        end.write_all(b"begin").unwrap();
        let error = in_time(move || read_within(&path, Duration::from_millis(100))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_is_no_file_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "it is a socket, not a file");
        let error = in_time(|| read(Path::new("/dev/zero"))).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 16 MiB");
    }

    #[test]
    fn a_pipe_with_another_end_is_like_any_file() {
        let (_folder, path) = pipe();
        // Opening both ends at once does not wait.
        let mut end = File::options().read(true).write(true).open(&path).unwrap();
        let mut log = append_to(&path).unwrap();
        // This is more than a pipe holds: a write that did not block would fail.
        let writing = thread::spawn(move || log.write_all(&[b'x'; 256 * 1024]).unwrap());
        let mut all = vec![0; 256 * 1024];
        end.read_exact(&mut all).unwrap();
        writing.join().unwrap();
    }

    #[test]
    fn a_file_is_read_and_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for text in ["a", "ä"] {
            append_to(&path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(read_text(&path).unwrap(), "aä");
        append_to(&path).unwrap().write_all(b"\xff").unwrap();
        assert_eq!(read_text(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
