//! Starting this program once more, and hearing from it whether it serves.
//!
//! Used by `-d` and by an upgrade. The new process has one end of a socket as its standard input,
//! and says there that it serves, or why it does not. Nothing is forked, so threads do no harm.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{process::setsid, stdio::dup2_stdin};

/// The last line of a process that serves.
const SERVING: &str = "serving";
/// In the environment of a service manager's process: it names the one process that may speak.
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// A process that this one has started.
#[derive(Debug)]
pub struct BackgroundProcess {
    child: Child,
    reports: UnixStream,
}

/// Where the process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// To nowhere.
    Null,
    /// To where this process writes.
    Inherited,
}

impl BackgroundProcess {
    /// Starts a program with these arguments, which must make it take its [`Report`].
    ///
    /// # Errors
    ///
    /// The system's, when it cannot be started.
    pub fn start(program: &Path, arguments: &[OsString], output: Output) -> io::Result<Self> {
        let (reports, theirs) = UnixStream::pair()?;
        let stdio = || match output {
            Output::Null => Stdio::null(),
            Output::Inherited => Stdio::inherit(),
        };
        let child = command(program, arguments)
            .stdin(OwnedFd::from(theirs))
            .stdout(stdio())
            .stderr(stdio())
            .spawn()?;
        Ok(Self { child, reports })
    }

    /// Waits until the process serves, or says why it does not. A process that takes longer than the
    /// limit is killed.
    ///
    /// # Errors
    ///
    /// What the process says, or that it ended without a word, or was killed.
    pub fn outcome(&mut self, limit: Option<Duration>) -> Result<(), String> {
        let mut report = String::new();
        let reads = self.reports.set_read_timeout(limit);
        // What was read before an error counts.
        let read = reads.and_then(|()| self.reports.read_to_string(&mut report));
        if let (Err(error), Some(limit)) = (&read, limit)
            && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        {
            // An error means that it has ended meanwhile.
            let _ = self.child.kill();
            let _ = self.child.wait();
            return Err(format!("it did not say within {}s whether it serves", limit.as_secs()));
        }
        if report.trim_end() == SERVING {
            return Ok(());
        }
        let status = self.child.wait().map_or_else(|error| error.to_string(), |it| it.to_string());
        match report.trim_end() {
            "" => Err(format!("it ended without saying why ({status})")),
            reason => Err(reason.to_owned()),
        }
    }

    /// Waits until the process has ended; the system keeps a dead child until then.
    pub fn wait(mut self) {
        let _ = self.child.wait();
    }
}

fn command(program: &Path, arguments: &[OsString]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_remove(WATCHDOG_PID);
    command
}

/// The report for which the process that started this one waits. Dropping it reports that this process
/// does not serve.
#[derive(Debug)]
pub struct Report(UnixStream);

impl Report {
    /// Takes over standard input, which is a socket, and leaves the terminal and the process that
    /// started this one.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn inherit() -> io::Result<Self> {
        let report = io::stdin().as_fd().try_clone_to_owned()?;
        dup2_stdin(std::fs::File::open("/dev/null")?)?;
        // It fails where the process leads a session already, which is as good.
        let _ = setsid();
        Ok(Self(report.into()))
    }

    /// Resolves when no process waits for the report any more. Needs a Tokio runtime with I/O.
    pub async fn abandoned(&self) {
        let watch = || {
            let stream = self.0.try_clone()?;
            stream.set_nonblocking(true)?;
            tokio::net::UnixStream::from_std(stream)
        };
        // The other process sends nothing.
        let ended = async |stream: tokio::net::UnixStream| loop {
            stream.readable().await?;
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        };
        match watch() {
            // An error ends it, too.
            Ok(stream) => drop(ended(stream).await),
            Err(_) => std::future::pending().await,
        }
    }

    /// Starts a program with these arguments that reports in the place of this process, which is to
    /// end: the new process then has no parent that a service manager could take for the main one.
    ///
    /// # Errors
    ///
    /// The system's, when it cannot be started; that has been reported.
    pub fn pass_on(self, program: &Path, arguments: &[OsString]) -> io::Result<()> {
        let stream = self.0.try_clone()?;
        let started = command(program, arguments).stdin(OwnedFd::from(stream)).spawn();
        match started {
            // This process ends before the new one does, so the system reaps it.
            Ok(child) => drop(child),
            Err(error) => {
                self.failed(&format!("{}: {error}", program.display()));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reports that this process serves.
    pub fn serving(mut self) {
        // The process that waited may have ended.
        let _ = writeln!(self.0, "{SERVING}");
    }

    /// Reports why this process ends.
    pub fn failed(mut self, reason: &str) {
        let _ = writeln!(self.0, "{reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(script: &str) -> Result<(), String> {
        let arguments = ["-c".into(), format!("exec 1>&0; {script}").into()];
        let shell = Path::new("/bin/sh");
        BackgroundProcess::start(shell, &arguments, Output::Null)
            .unwrap()
            .outcome(Some(Duration::from_millis(700)))
    }

    #[test]
    fn a_process_says_that_it_serves_or_why_not() {
        assert_eq!(outcome("echo serving"), Ok(()));
        assert_eq!(outcome("echo no port; echo no luck"), Err("no port\nno luck".to_owned()));
        let silent = outcome("exit 3").unwrap_err();
        assert_eq!(silent, "it ended without saying why (exit status: 3)");
        let hangs = outcome("exec sleep 60").unwrap_err();
        assert_eq!(hangs, "it did not say within 0s whether it serves");
    }
}
