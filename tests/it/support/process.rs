//! The built binary as its users start it: arguments, output, signals, exit code.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::{PATIENCE, eventually::wait_for};

/// A running process; killed when dropped, by its own id. Its output on stderr must then be
/// readable for people, or the test fails.
///
/// Processes that it has started, such as the next one at an upgrade, work in its folder, and end
/// with the last of those that a test has started there.
#[derive(Debug)]
pub(crate) struct LbProcess {
    child: Child,
    folder: Arc<TempDir>,
    stdout: Output,
    stderr: Output,
}

#[derive(Debug)]
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl LbProcess {
    /// `lb` with these arguments.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::in_folder(new_folder(), args)
    }

    /// `lb -c lb.yaml` with this text in the file, and these arguments behind.
    pub(crate) fn with_config(yaml: &str, args: &[&str]) -> Self {
        let arguments = [&["-c", "lb.yaml"], args].concat();
        Self::spawn(folder_with(yaml), lb(&arguments))
    }

    /// As [`LbProcess::with_config`], with these variables in its environment.
    pub(crate) fn with_environment(yaml: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = lb(&["-c", "lb.yaml"]);
        command.envs(variables.iter().copied());
        Self::spawn(folder_with(yaml), command)
    }

    fn in_folder(folder: TempDir, args: &[&str]) -> Self {
        Self::spawn(folder, lb(args))
    }

    /// `lb` with these arguments, in the folder of this process.
    pub(crate) fn beside(&self, args: &[&str]) -> Self {
        self.spawn_beside(lb(args))
    }

    /// Any command, in the folder of this process.
    pub(crate) fn spawn_beside(&self, command: Command) -> Self {
        Self::spawn(Arc::clone(&self.folder), command)
    }

    /// Any command, in this folder. Its standard input is open, and silent until
    /// [`LbProcess::type_line`].
    pub(crate) fn spawn(folder: impl Into<Arc<TempDir>>, mut command: Command) -> Self {
        let folder = folder.into();
        let mut child = command
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Output::of(child.stdout.take().expect("piped"));
        let stderr = Output::of(child.stderr.take().expect("piped"));
        Self { child, folder, stdout, stderr }
    }

    /// The working directory, gone with the process.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All processes that work in its folder, including those that it has started.
    pub(crate) fn pids_in_folder(&self) -> Vec<Pid> {
        processes_in(self.folder())
    }

    /// Lines so far.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.lines.lock().clone()
    }

    /// Lines so far.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.lines.lock().clone()
    }

    /// The first line on stderr that contains `marker`, as soon as there is one.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, marker: &str) -> String {
        self.wait_for_logs(marker, 1).remove(0)
    }

    /// The first `count` such lines.
    #[track_caller]
    pub(crate) fn wait_for_logs(&mut self, marker: &str, count: usize) -> Vec<String> {
        self.wait_for_lines(|process| &process.stderr, marker, count)
    }

    /// The first line on stdout that contains `marker`, as soon as there is one.
    #[track_caller]
    pub(crate) fn wait_for_stdout(&mut self, marker: &str) -> String {
        self.wait_for_lines(|process| &process.stdout, marker, 1).remove(0)
    }

    /// The address of the only listener, from the ready line.
    #[track_caller]
    pub(crate) fn address(&mut self) -> SocketAddr {
        self.addresses(1)[0]
    }

    /// The addresses of `count` listeners, in the order of their ready lines.
    #[track_caller]
    pub(crate) fn addresses(&mut self, count: usize) -> Vec<SocketAddr> {
        let lines = self.wait_for_logs("listening", count);
        let address = |line| address_in(line).unwrap_or_else(|| panic!("no address in: {line}"));
        lines.iter().map(|line| address(line)).collect()
    }

    #[track_caller]
    fn wait_for_lines(
        &mut self,
        output: impl Fn(&Self) -> &Output,
        marker: &str,
        count: usize,
    ) -> Vec<String> {
        let found = wait_for(PATIENCE, || {
            // Tested before the lines are read, so that the last lines of a process count.
            let has_ended = self.exit_status().is_some() && output(self).reader.is_finished();
            let lines = output(self).with(marker, count);
            (lines.len() == count || has_ended).then_some(lines)
        });
        match found {
            Some(lines) if lines.len() == count => lines,
            _ => panic!("{count} lines with {marker:?} did not come\n{}", self.story()),
        }
    }

    /// Writes a line on its standard input.
    pub(crate) fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(self.pid(), signal).expect("a child can be signalled");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }

    /// How it ended, once all that it wrote has been read; fails the test after the deadline.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self, deadline: Duration) -> ExitStatus {
        let ended = wait_for(deadline, || {
            let is_read = self.stdout.reader.is_finished() && self.stderr.reader.is_finished();
            self.exit_status().filter(|_| is_read)
        });
        ended.unwrap_or_else(|| panic!("still running after {deadline:?}\n{}", self.story()))
    }

    /// Like [`LbProcess::wait_for_exit`], while a process that it has started may still write.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self, deadline: Duration) -> ExitStatus {
        let ended = wait_for(deadline, || self.exit_status());
        ended.unwrap_or_else(|| panic!("still running after {deadline:?}\n{}", self.story()))
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Asserts, in every test, that no log shows a panic or a debug view of a value.
    fn assert_fit_to_read(&self) {
        const UNFIT: [&str; 6] =
            ["panicked", "stack backtrace", "Os {", "Error {", "Some(", "Err("];
        let lines = self.stderr();
        let unfit = lines.iter().find(|line| UNFIT.iter().any(|sign| line.contains(sign)));
        assert!(unfit.is_none(), "not for people: {unfit:?}\n{}", self.story());
    }

    fn story(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout().join("\n"), self.stderr().join("\n"))
    }
}

impl Drop for LbProcess {
    fn drop(&mut self) {
        // Fails only when it has ended, and been waited for, already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if Arc::strong_count(&self.folder) == 1 {
            end_all_in(self.folder.path());
        }
        if !thread::panicking() {
            wait_for(PATIENCE, || self.stderr.reader.is_finished().then_some(()));
            self.assert_fit_to_read();
        }
    }
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(vec![]));
        let sink = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                sink.lock().push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { lines, reader }
    }

    fn with(&self, marker: &str, count: usize) -> Vec<String> {
        let lines = self.lines.lock();
        lines.iter().filter(|line| line.contains(marker)).take(count).cloned().collect()
    }
}

/// The built binary with these arguments.
pub(crate) fn lb(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(args).env_remove("RUST_LOG");
    command
}

/// The processes whose working directory this is. A test's folder belongs to that test alone.
fn processes_in(folder: &Path) -> Vec<Pid> {
    let folder = fs::canonicalize(folder).expect("it is there");
    let works_there =
        |entry: &fs::DirEntry| fs::read_link(entry.path().join("cwd")).is_ok_and(|it| it == folder);
    let entries = fs::read_dir("/proc").expect("Linux has it").flatten().filter(works_there);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(Pid::from_raw).collect()
}

/// Ends all processes in a folder, repeatedly, because one may be about to start another.
pub(super) fn end_all_in(folder: &Path) {
    wait_for(PATIENCE, || {
        let pids = processes_in(folder);
        for pid in &pids {
            let _ = signal::kill(*pid, Signal::SIGKILL);
        }
        pids.is_empty().then_some(())
    });
}

fn folder_with(yaml: &str) -> TempDir {
    let folder = new_folder();
    fs::write(folder.path().join("lb.yaml"), yaml).expect("the folder takes a file");
    folder
}

/// Kilobytes that a process has in memory.
pub(crate) fn memory_of(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|text| text.trim().strip_suffix(" kB")).expect("a size");
    memory.parse().expect("a number")
}

/// A folder that is removed when the value is dropped.
pub(crate) fn new_folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The address in a log line, text (`address=…`) or JSON (`"address":"…"`).
pub(crate) fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = ["address=", "\"address\":"]
        .iter()
        .find_map(|key| line.split_once(key))
        .map(|(_, rest)| rest.trim_start().trim_start_matches('"'))?;
    let end = rest.find(|c: char| c == '"' || c == ',' || c.is_whitespace());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}
