//! The access log's thread, and the handle that requests log through.
//!
//! A slow disk or a stuck reader of a pipe can hold a write up, so requests do not write. A line
//! that comes while the writer sleeps is written at once; after a batch it lets lines gather for a
//! moment, which under load replaces dozens of wake-ups and system calls by one.
//!
//! Nothing that happens to the output ends the process or the log: lines that cannot be written are
//! dropped and counted, the process log says so once, and the next batch tries again. An output
//! that neither takes lines nor fails holds up this thread, and with it the message about the lines
//! that are dropped meanwhile; their count can be read all the same.

use std::{
    cell::RefCell,
    fmt,
    io::{self, ErrorKind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    filter::{self, Ended},
    line::{self, Layout},
    output::{self, LogName, Output},
    queue::Queue,
    record::AccessRecord,
};
use crate::clock;
use crate::config::{self, LogDelivery, LogFilter, LogFormat, LogTarget};

/// How long lines gather after a batch: well below the polling interval of programs that follow the
/// log.
const GATHER: Duration = Duration::from_millis(10);
/// How long an output that takes nothing may hold up the end of the process. Tests give up before it
/// is over, so that they see what waits for it.
const CLOSE_DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 3600 } else { 1 });
/// The least time between two messages about dropped lines.
const TELL_INTERVAL: Duration = Duration::from_secs(10);
/// The wait before an output that another process made non-blocking is tried again.
const RETRY: Duration = Duration::from_millis(1);

thread_local! {
    /// The buffer in which a line is put together; its memory is kept.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Logs that were dropped while they had lines to write.
static DROPPED: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());

/// A line for each request, written by a thread of its own.
///
/// After a drop (after a reload, by the last request that logged here) no more lines are accepted,
/// and the thread ends when it has written the remaining ones. Nothing waits for that before the
/// end of the process ([`AccessLog::close_dropped`]).
#[derive(Debug)]
pub struct AccessLog {
    layout: Layout,
    filter: Option<LogFilter>,
    queue: Arc<Queue>,
}

impl AccessLog {
    /// Opens the output and starts the writer. A daemon need not be there yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, with its name, or no thread can be started.
    pub fn open(config: &config::AccessLog, delivery: &LogDelivery) -> io::Result<Self> {
        let (target, format, delivery) = (config.path.clone(), config.format, delivery.clone());
        let destination = Destination { target, format, delivery };
        Self::start(config, destination.open()?, destination)
    }

    fn start(
        config: &config::AccessLog,
        output: Output,
        destination: Destination,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let writer = Writer {
            destination,
            output,
            tally: Tally::default(),
            is_failing: false,
            is_torn: false,
            queue: Arc::clone(&queue),
        };
        thread::Builder::new().name("access-log".to_owned()).spawn(|| writer.run())?;
        Ok(Self { layout: Layout::of(config), filter: config.filter.clone(), queue })
    }

    /// Whether lines have a header of the answer, so that a record needs these.
    #[must_use]
    pub fn has_answer_headers(&self) -> bool {
        self.layout.has_answer_headers
    }

    /// Whether a request that ended like this gets a line.
    #[must_use]
    pub fn wants(&self, ended: &Ended) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter::keeps(filter, ended, draw))
    }

    /// Hands a request's line to the writer, or drops and counts it if the queue is full. Does not
    /// wait for the writer.
    pub fn log(&self, record: &AccessRecord<'_>) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            match line::write(record, &self.layout, line) {
                Ok(()) => self.queue.push(line),
                Err(_) => self.queue.drop_lines(1),
            }
        });
    }

    /// Number of lines lost since the start because the queue was full or the output failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// Opens the file again after it was moved away: lines logged before go to the old one. Returns
    /// at once. If it cannot be opened, the old one stays in use.
    pub fn reopen(&self) {
        self.queue.reopen();
    }

    /// Writes all lines, and accepts no more. Gives up after a second.
    pub fn close(&self) {
        self.close_within(CLOSE_DEADLINE);
    }

    fn close_within(&self, deadline: Duration) {
        if !self.queue.is_closed() {
            close(&self.queue, clock::now() + deadline);
        }
    }

    /// Lets dropped logs write their remaining lines, for a second at most. Called at the end of
    /// the process, which ends their threads.
    pub fn close_dropped() {
        let dropped = std::mem::take(&mut *DROPPED.lock());
        let deadline = clock::now() + CLOSE_DEADLINE;
        dropped.iter().for_each(|queue| close(queue, deadline));
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if !self.queue.is_closed() && !self.queue.close(clock::now()) {
            let mut dropped = DROPPED.lock();
            dropped.retain(|queue| !queue.has_ended());
            dropped.push(Arc::clone(&self.queue));
        }
    }
}

fn close(queue: &Queue, deadline: Instant) {
    if !queue.close(deadline) {
        log::error!("the access log's output takes nothing: its last lines are lost");
    }
}

/// A random number below a hundred.
fn draw() -> u8 {
    fastrand::u8(..100)
}

/// Where lines go, and how.
#[derive(Debug)]
struct Destination {
    target: LogTarget,
    format: LogFormat,
    delivery: LogDelivery,
}

impl Destination {
    fn open(&self) -> io::Result<Output> {
        output::open(LogName::Access, &self.target, self.format, &self.delivery)
    }
}

struct Writer {
    destination: Destination,
    output: Output,
    queue: Arc<Queue>,
    tally: Tally,
    /// Whether the last batch failed, and the process log has said so.
    is_failing: bool,
    /// Whether a batch failed in the middle of a line.
    is_torn: bool,
}

/// An event for the process log.
#[derive(Debug)]
enum Event {
    Failed(io::Error),
    Recovered,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let patience = self.tally.has_more(self.queue.dropped()).then_some(TELL_INTERVAL);
            let orders = self.queue.take(&mut batch, patience);
            if let Some(event) = self.write(&batch) {
                self.tell(&event);
            }
            if orders.reopen {
                self.reopen();
            }
            let now = clock::now();
            if let Some(lines) = self.tally.due(self.queue.dropped(), now, orders.close) {
                log::warn!(lines; "access log lines dropped");
            }
            if orders.close {
                break;
            }
            self.queue.gather(now + GATHER);
        }
        self.queue.end();
    }

    /// Writes the batch, or counts the lines of it that are lost.
    fn write(&mut self, batch: &[u8]) -> Option<Event> {
        if batch.is_empty() {
            return None;
        }
        let mut rest = batch;
        if let Err(error) = self.write_lines(&mut rest) {
            let written = batch.len() - rest.len();
            if let Some(last) = batch[..written].last() {
                self.is_torn = *last != b'\n';
            }
            let lost = rest.iter().filter(|byte| **byte == b'\n').count();
            self.queue.drop_lines(lost as u64);
            let is_news = !std::mem::replace(&mut self.is_failing, true);
            return is_news.then_some(Event::Failed(error));
        }
        std::mem::take(&mut self.is_failing).then_some(Event::Recovered)
    }

    /// Writes lines; afterwards `rest` is the part that could not be written.
    fn write_lines(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        if self.is_torn {
            write_all(&mut self.output, &mut b"\n".as_slice())?;
            self.is_torn = false;
        }
        write_all(&mut self.output, rest)
    }

    fn reopen(&mut self) {
        if matches!(self.destination.target, LogTarget::File(_)) {
            match self.destination.open() {
                Ok(output) => (self.output, self.is_torn) = (output, false),
                Err(error) => log::error!(error:% = error; "cannot reopen the access log"),
            }
        }
    }

    fn tell(&self, event: &Event) {
        let output = self.destination.target.to_string();
        let output = output.as_str();
        match event {
            Event::Failed(error) => {
                log::error!(output, error:% = error; "cannot write the access log, dropping lines");
            }
            Event::Recovered => log::info!(output; "the access log is written again"),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("destination", &self.destination).finish_non_exhaustive()
    }
}

fn write_all(output: &mut Output, rest: &mut &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many dropped lines the process log has reported, and when.
#[derive(Debug, Default)]
struct Tally {
    told: u64,
    told_at: Option<Instant>,
}

impl Tally {
    fn has_more(&self, dropped: u64) -> bool {
        dropped > self.told
    }

    /// How many dropped lines to report now: those since the last report, if that is long enough
    /// ago or `is_last`.
    fn due(&mut self, dropped: u64, now: Instant, is_last: bool) -> Option<u64> {
        let is_early = !is_last && self.told_at.is_some_and(|at| now < at + TELL_INTERVAL);
        if is_early || !self.has_more(dropped) {
            return None;
        }
        self.told_at = Some(now);
        Some(dropped - std::mem::replace(&mut self.told, dropped))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Write,
        path::{Path, PathBuf},
        sync::mpsc::{self, Receiver, Sender},
    };

    use tempfile::TempDir;

    use super::*;
    use crate::telemetry::line::tests::record;

    /// Far longer than any step of a test takes, so that a broken test ends.
    const DEADLINE: Duration = Duration::from_secs(10);

    fn open_file(path: &Path) -> AccessLog {
        let path = LogTarget::File(path.to_owned());
        let config = config::AccessLog { path, ..config::AccessLog::default() };
        AccessLog::open(&config, &LogDelivery::default()).unwrap()
    }

    fn destination() -> Destination {
        let config::AccessLog { path, format, .. } = config::AccessLog::default();
        Destination { target: path, format, delivery: LogDelivery::default() }
    }

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        (folder, path)
    }

    fn lines(path: &Path) -> usize {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count()
    }

    fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = clock::now() + DEADLINE;
        while !is_so() {
            assert!(clock::now() < deadline, "not in time: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_line_reaches_the_file_while_the_log_is_open() {
        let (_folder, path) = folder();
        let log = open_file(&path);
        for count in 1..=3 {
            log.log(&record());
            eventually("the line is there", || lines(&path) == count);
        }
    }

    #[test]
    fn closing_writes_everything_and_accepts_no_more() {
        let (_folder, path) = folder();
        let log = open_file(&path);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| log.log(&record())));
            }
        });
        log.close();
        assert_eq!(lines(&path), 4000);
        assert_eq!(log.dropped(), 0);
        log.log(&record());
        assert_eq!(log.dropped(), 1);
        drop(log);
        assert_eq!(lines(&path), 4000);
    }

    #[test]
    fn lines_are_appended_to_the_file() {
        let (_folder, path) = folder();
        for count in 1..=2 {
            let log = open_file(&path);
            log.log(&record());
            log.close();
            assert_eq!(lines(&path), count);
        }
    }

    #[test]
    fn reopening_leaves_earlier_lines_in_the_old_file() {
        let (_folder, path) = folder();
        let moved = path.with_extension("1");
        let log = open_file(&path);
        log.log(&record());
        fs::rename(&path, &moved).unwrap();
        log.reopen();
        eventually("the file is there again", || path.exists());
        log.log(&record());
        log.close();
        assert_eq!((lines(&moved), lines(&path)), (1, 1));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let path = PathBuf::from("/nowhere/access.log");
        let config = config::AccessLog {
            path: LogTarget::File(path.clone()),
            ..config::AccessLog::default()
        };
        let message = AccessLog::open(&config, &LogDelivery::default()).unwrap_err().to_string();
        assert!(message.starts_with("/nowhere/access.log: "), "{message}");
    }

    /// An output that reports each write, and accepts nothing until it is released.
    struct Stuck {
        asked: Sender<()>,
        released: Receiver<()>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.send(()).ok();
            self.released.recv().ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Does this, which returns although the output is stuck.
    #[track_caller]
    fn without_waiting(what: &str, does: impl FnOnce() + Send + 'static) {
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            does();
            done.send(()).ok();
        });
        assert!(is_done.recv_timeout(DEADLINE).is_ok(), "{what} waits for the output");
    }

    fn is_kept(queue: &Arc<Queue>) -> bool {
        DROPPED.lock().iter().any(|dropped| Arc::ptr_eq(dropped, queue))
    }

    #[test]
    fn a_stuck_output_delays_neither_requests_nor_the_end() {
        let ((asked, was_asked), (release, released)) = (mpsc::channel(), mpsc::channel());
        let output = Box::new(Stuck { asked, released });
        let log = AccessLog::start(&config::AccessLog::default(), output, destination()).unwrap();
        log.log(&record());
        was_asked.recv_timeout(DEADLINE).unwrap();
        let before = clock::now();
        while log.dropped() < 10 {
            log.log(&record());
            assert!(before.elapsed() < DEADLINE, "the queue has no end");
        }
        let queue = Arc::clone(&log.queue);
        without_waiting("the end", move || {
            log.close_within(Duration::from_millis(1));
            drop(log);
        });
        assert!(!queue.has_ended(), "the output was not stuck");
        assert!(!is_kept(&queue), "one deadline is enough");
        drop(release);
    }

    #[test]
    fn a_dropped_log_blocks_nothing_and_loses_nothing() {
        let ((asked, was_asked), (release, released)) = (mpsc::channel(), mpsc::channel());
        let output = Box::new(Stuck { asked, released });
        let log = AccessLog::start(&config::AccessLog::default(), output, destination()).unwrap();
        let queue = Arc::clone(&log.queue);
        log.log(&record());
        was_asked.recv_timeout(DEADLINE).unwrap();
        log.log(&record());
        without_waiting("dropping it", move || drop(log));
        assert!(!queue.has_ended(), "the output was not stuck");
        assert!(is_kept(&queue), "the end of the process waits for it");
        release.send(()).unwrap();
        was_asked.recv_timeout(DEADLINE).unwrap();
        drop(release);
        assert!(queue.close(clock::now() + DEADLINE));
        assert_eq!(queue.dropped(), 0);
    }

    /// An output that follows its script, then accepts everything.
    #[derive(Clone, Default)]
    struct Scripted {
        script: Arc<Mutex<Vec<io::Result<usize>>>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let step = self.script.lock().pop().unwrap_or(Ok(bytes.len()))?;
            let taken = step.min(bytes.len());
            self.written.lock().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn scripted(script: Vec<io::Result<usize>>) -> (Writer, Scripted) {
        let output = Scripted::default();
        *output.script.lock() = script.into_iter().rev().collect();
        let writer = Writer {
            destination: destination(),
            output: Box::new(output.clone()),
            queue: Arc::default(),
            tally: Tally::default(),
            is_failing: false,
            is_torn: false,
        };
        (writer, output)
    }

    fn full() -> io::Result<usize> {
        Err(ErrorKind::StorageFull.into())
    }

    #[test]
    fn an_output_that_fails_loses_lines_and_says_so_once() {
        let (mut writer, output) = scripted(vec![full(), full()]);
        assert!(matches!(writer.write(b"1\n2\n"), Some(Event::Failed(_))));
        assert!(writer.write(b"3\n").is_none());
        assert_eq!(writer.queue.dropped(), 3);
        assert!(matches!(writer.write(b"4\n"), Some(Event::Recovered)));
        assert!(writer.write(b"5\n").is_none());
        assert_eq!(writer.queue.dropped(), 3);
        assert_eq!(*output.written.lock(), b"4\n5\n");
    }

    #[test]
    fn a_line_that_was_cut_does_not_spoil_the_next() {
        let (mut writer, output) = scripted(vec![Ok(6), full(), full()]);
        writer.write(b"one\ntwo\nthree\n");
        writer.write(b"four\n");
        writer.write(b"five\n");
        assert_eq!(writer.queue.dropped(), 3);
        assert_eq!(*output.written.lock(), b"one\ntw\nfive\n");
    }

    #[test]
    fn a_partial_or_deferred_write_is_continued() {
        let interrupted = Err(ErrorKind::Interrupted.into());
        let busy = Err(ErrorKind::WouldBlock.into());
        let (mut writer, output) = scripted(vec![Ok(2), interrupted, Ok(1), busy]);
        assert!(writer.write(b"one\ntwo\n").is_none());
        assert_eq!(*output.written.lock(), b"one\ntwo\n");
        assert_eq!(writer.queue.dropped(), 0);
    }

    #[test]
    fn dropped_lines_are_reported_every_ten_seconds_at_most() {
        let now = clock::now();
        let mut tally = Tally::default();
        assert_eq!(tally.due(0, now, false), None);
        assert_eq!(tally.due(3, now, false), Some(3));
        assert_eq!(tally.due(5, now + TELL_INTERVAL / 2, false), None);
        assert!(tally.has_more(5));
        assert_eq!(tally.due(7, now + TELL_INTERVAL, false), Some(4));
        assert_eq!(tally.due(7, now + TELL_INTERVAL * 3, true), None);
        assert_eq!(tally.due(8, now + TELL_INTERVAL * 3, false), Some(1));
        assert_eq!(tally.due(9, now + TELL_INTERVAL * 3, true), Some(1), "at the end, the rest");
        assert!(!tally.has_more(9));
    }
}
