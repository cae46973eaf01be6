//! Where the process log goes: a thread for each output, and a queue of lines in front of it.
//!
//! A slow disk or a stuck reader of a pipe can hold a write up, so no request, health check or
//! signal waits for one. The thread writes each line as soon as it comes, so a line that was logged
//! a moment before a crash is written. An output that fails must not take the process with it: its
//! lines are lost and counted, the next line tries again, and the log says how many were lost as
//! soon as it can.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, LazyLock},
    thread,
    time::{Duration, Instant},
};

use super::{
    output::{self, LogName, painted},
    queue::Queue,
};
use crate::clock;
use crate::config::{LogDelivery, LogFormat, LogTarget};

/// The most bytes of lines that may wait for an output: minutes of a process log while its output
/// is stuck.
const CAPACITY: usize = 1024 * 1024;
/// An output that takes nothing may hold up the end of the process for this long.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Standard error has one queue in a process, so that its lines stay in order when the format
/// changes.
static STDERR: LazyLock<Arc<Lines>> = LazyLock::new(|| {
    // Written through the standard library's lock, so that lines of the two logs do not mix.
    match Lines::start(None, Output::new(painted::for_terminal(io::stderr()))) {
        Ok(lines) => lines,
        // Without a thread nothing can be logged; all lines are counted as lost.
        Err(_) => Arc::new(Lines(Arc::default())),
    }
});

/// An output of the process log, and the format of its lines.
pub struct Destination {
    format: LogFormat,
    target: LogTarget,
    lines: Arc<Lines>,
}

/// What is needed to open an output, at first and once more.
struct Opening {
    target: LogTarget,
    format: LogFormat,
    delivery: LogDelivery,
}

impl Opening {
    fn output(&self) -> io::Result<Output> {
        output::open(LogName::Process, &self.target, self.format, &self.delivery).map(Output::new)
    }
}

/// Lines on their way to a thread that writes them. When dropped, the thread writes the lines it
/// has and ends; nothing waits for that.
struct Lines(Arc<Queue>);

struct Output {
    writer: Box<dyn Write + Send>,
    /// Whether a line that failed may have been written in part.
    is_torn: bool,
}

impl Destination {
    /// The log on standard error.
    #[must_use]
    pub fn stderr(format: LogFormat) -> Self {
        Self { format, target: LogTarget::Stderr, lines: Arc::clone(&STDERR) }
    }

    /// The log in this place. A file is created if it does not exist, and appended to; a daemon need not be
    /// there yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, with its name, or the system refuses a thread.
    pub fn open(format: LogFormat, target: &LogTarget, delivery: &LogDelivery) -> io::Result<Self> {
        let target = target.clone();
        if target == LogTarget::Stderr {
            return Ok(Self::stderr(format));
        }
        let opening = Opening { target: target.clone(), format, delivery: delivery.clone() };
        let output = opening.output()?;
        Ok(Self { format, target, lines: Lines::start(Some(opening), output)? })
    }

    /// Whether it is not standard error.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.target != LogTarget::Stderr
    }

    /// Whether a line is followed by its fields in JSON, unless it is JSON itself.
    pub(super) fn takes_fields(&self) -> bool {
        matches!(self.target, LogTarget::Journald(_))
    }

    /// The format of its lines.
    pub(super) fn format(&self) -> LogFormat {
        self.format
    }

    /// Hands a line to the thread that writes, or counts it as lost if too many wait. Waits for
    /// nothing.
    pub(super) fn write(&self, line: &[u8]) {
        self.lines.0.push(line);
    }

    /// Has the file opened again once earlier lines are written. If that fails, the old file stays
    /// in use, and the log says so.
    pub(super) fn reopen(&self) {
        self.lines.0.reopen();
    }

    /// Waits until every line is written, but not longer than a second; later lines are lost.
    pub(super) fn close(&self) {
        self.lines.0.close(clock::now() + CLOSE_LIMIT);
    }
}

impl Lines {
    fn start(opening: Option<Opening>, output: Output) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Queue::holding(CAPACITY));
        let taken = Arc::clone(&queue);
        let run = move || write_lines(&taken, output, opening.as_ref());
        thread::Builder::new().name("process-log".to_owned()).spawn(run)?;
        Ok(Arc::new(Self(queue)))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let at_once: Instant = clock::now();
        self.0.close(at_once);
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("target", &self.target).finish_non_exhaustive()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

/// The thread's work, until the queue is closed.
fn write_lines(queue: &Queue, mut output: Output, opening: Option<&Opening>) {
    let (mut batch, mut told) = (Vec::new(), 0);
    loop {
        let orders = queue.take(&mut batch, None);
        // Lines are written one by one: another process may write to the same pipe, and short
        // writes are atomic.
        for line in batch.split_inclusive(|byte| *byte == b'\n') {
            if !output.write(line) {
                queue.drop_lines(1);
                continue;
            }
            let dropped = queue.dropped();
            if dropped > told {
                log::warn!(lines = dropped - told; "process log lines lost");
                told = dropped;
            }
        }
        if let (true, Some(opening)) = (orders.reopen, opening) {
            match opening.output() {
                Ok(opened) => output = opened,
                Err(error) => log::error!(error:% = error; "cannot reopen the process log"),
            }
        }
        if orders.close {
            break;
        }
    }
    queue.end();
}

impl Output {
    fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, is_torn: false }
    }

    /// Returns whether the line was written.
    fn write(&mut self, line: &[u8]) -> bool {
        let end_of_torn = if self.is_torn { b"\n".as_slice() } else { b"" };
        let written = self.writer.write_all(end_of_torn).and_then(|()| self.writer.write_all(line));
        self.is_torn = written.is_err();
        !self.is_torn
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, fs, io::ErrorKind, path::Path, sync::mpsc, thread};

    use parking_lot::Mutex;

    use super::*;

    /// Far longer than any step of a test takes, so that a broken test ends.
    const DEADLINE: Duration = Duration::from_secs(10);

    fn in_file(path: &Path) -> Destination {
        let (target, delivery) = (LogTarget::File(path.to_owned()), LogDelivery::default());
        Destination::open(LogFormat::Text, &target, &delivery).unwrap()
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_of_many_threads_are_appended_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        fs::write(&path, "before\n").unwrap();
        let log = in_file(&path);
        thread::scope(|scope| {
            for digit in '0'..'4' {
                let line = format!("{}\n", String::from(digit).repeat(300));
                let log = &log;
                scope.spawn(move || (0..200).for_each(|_| log.write(line.as_bytes())));
            }
        });
        log.close();
        let text = read(&path);
        assert!(text.starts_with("before\n"));
        let is_whole = |line: &str| line.len() == 300 && line.split(&line[..1]).all(str::is_empty);
        assert_eq!(text.lines().filter(|line| is_whole(line)).count(), 800);
        assert_eq!(text.lines().count(), 801);
    }

    #[test]
    fn reopening_leaves_earlier_lines_in_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        let moved = path.with_extension("1");
        let log = in_file(&path);
        log.write(b"one\n");
        fs::rename(&path, &moved).unwrap();
        log.write(b"two\n");
        log.reopen();
        let until = clock::now() + DEADLINE;
        while !path.exists() {
            assert!(clock::now() < until, "it is not opened again");
            thread::sleep(Duration::from_millis(1));
        }
        log.write(b"three\n");
        log.close();
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("one\ntwo\n", "three\n"));
    }

    #[test]
    fn a_file_that_cannot_be_opened_anew_leaves_the_old_one_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, moved) = (folder.path().join("logs"), folder.path().join("moved"));
        fs::create_dir(&inner).unwrap();
        let path = inner.join("error.log");
        let log = in_file(&path);
        fs::rename(&inner, &moved).unwrap();
        log.reopen();
        log.write(b"still here\n");
        log.close();
        assert_eq!(read(&moved.join("error.log")), "still here\n");
    }

    /// An output that accepts as many bytes at a time as its script says, or fails; then it accepts
    /// everything.
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
    fn an_output_that_fails_loses_lines_and_spoils_none() {
        let full = || Err(ErrorKind::StorageFull.into());
        let written = Arc::default();
        let script = [Ok(9), Ok(2), full(), full(), Ok(1), full()].into();
        let mut output = Output::new(Box::new(Scripted { script, written: Arc::clone(&written) }));
        let is_written = [b"one\n", b"two\n", b"six\n", b"ten\n", b"yes\n", b"end\n"]
            .map(|line| output.write(line));
        assert_eq!(is_written, [true, false, false, false, true, true]);
        assert_eq!(String::from_utf8_lossy(&written.lock()), "one\ntw\n\nyes\nend\n");
    }

    /// An output that reports each write, and accepts nothing until it is released.
    struct Stuck(mpsc::Sender<()>, mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(());
            let _ = self.1.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_delays_neither_lines_nor_the_end() {
        let ((ask, asked), (release, released)) = (mpsc::channel(), mpsc::channel());
        let output = Output::new(Box::new(Stuck(ask, released)));
        let lines = Lines::start(None, output).unwrap();
        let line = [b'x'; 1024];
        lines.0.push(&line);
        asked.recv_timeout(DEADLINE).unwrap();
        (0..CAPACITY / line.len()).for_each(|_| lines.0.push(&line));
        assert_eq!(lines.0.dropped(), 0);
        lines.0.push(&line);
        assert_eq!(lines.0.dropped(), 1);
        let queue = Arc::clone(&lines.0);
        drop(lines);
        assert!(queue.is_closed());
        drop(release);
    }
}
