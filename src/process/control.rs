//! Commands to the process that serves: one line to it, and its answer back.
//!
//! The answer is text for a person, and a last line that says whether the command succeeded.

use std::{
    fmt,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use super::meeting_socket::{MeetingSocket, PeerCredentials, Purpose};
use crate::clock;

/// The longest command, in bytes; the longest part of one is a path.
const LONGEST: u64 = 8192;
/// A process that connects sends its command within this time, and takes the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Commands that are served at the same time; others wait.
const CONVERSATIONS: usize = 32;
/// The pause before the next connection when the system refuses one.
const PAUSE: Duration = Duration::from_millis(100);
/// Between one process and the next, no process may listen for this long.
const GAP: Duration = Duration::from_secs(1);
/// The pause before connecting is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// The answer to a command when this process does nothing new any more.
pub const STOPPING: &str = "the process is stopping";
/// The answer to a user whose commands this process does not take.
const NOT_TRUSTED: &str =
    "only root and the user that this lb runs as may ask it (try again with sudo)";
const OK: &str = "ok";
const FAILED: &str = "failed";

/// What a process can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Load the configuration again.
    Reload,
    /// Say what a reload would change, and change nothing.
    DryRun,
    /// Finish the requests in flight, and end.
    Stop,
    /// Start this program, and hand over to it.
    Upgrade(PathBuf),
    /// Say whether this process should get requests.
    Health,
    /// Say what `lb doctor` asks, in JSON.
    Facts,
}

impl Command {
    fn read(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n')?;
        match line.split_once(' ') {
            None if line == "reload" => Some(Self::Reload),
            None if line == "dry-run" => Some(Self::DryRun),
            None if line == "stop" => Some(Self::Stop),
            None if line == "health" => Some(Self::Health),
            None if line == "facts" => Some(Self::Facts),
            Some(("upgrade", path)) => Some(Self::Upgrade(path.into())),
            _ => None,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reload => f.write_str("reload"),
            Self::DryRun => f.write_str("dry-run"),
            Self::Stop => f.write_str("stop"),
            Self::Upgrade(path) => write!(f, "upgrade {}", path.display()),
            Self::Health => f.write_str("health"),
            Self::Facts => f.write_str("facts"),
        }
    }
}

/// The result of a command, in words for a person either way.
pub type Answer = Result<String, String>;

/// A command that waits for its answer.
#[derive(Debug)]
pub struct PendingCommand {
    /// The command.
    pub command: Command,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Where an answer goes.
#[derive(Debug)]
pub struct Reply {
    answer: oneshot::Sender<Answer>,
    written: oneshot::Receiver<()>,
}

impl Reply {
    /// Answers. Resolves when the other process has the answer, or does not take it.
    pub async fn send(self, answer: Answer) {
        if self.answer.send(answer).is_ok() {
            let _ = self.written.await;
        }
    }

    /// Answers without waiting until the answer was taken.
    pub fn send_later(self, answer: Answer) {
        tokio::spawn(self.send(answer));
    }
}

/// Sends a command to the receiver of `commands` in this process, and waits for the answer.
pub async fn order(commands: &mpsc::Sender<PendingCommand>, command: Command) -> Answer {
    let (answer, answered) = oneshot::channel();
    let (_written, written) = oneshot::channel();
    let _ = commands.send(PendingCommand { command, reply: Reply { answer, written } }).await;
    answered.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
}

/// Accepts commands until it is dropped, and passes them on.
pub async fn serve(listener: UnixListener, commands: mpsc::Sender<PendingCommand>) {
    let permits = Arc::new(Semaphore::new(CONVERSATIONS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let commands = commands.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    converse(stream, commands).await
                });
            }
            Err(error) => {
                log::warn!(error:% = error; "a command could not be accepted, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves one command. An error means that the other process has gone.
async fn converse(stream: UnixStream, commands: mpsc::Sender<PendingCommand>) -> io::Result<()> {
    let stream = stream.into_std()?;
    let is_trusted = PeerCredentials::of(&stream)?.is_trusted();
    let mut stream = BufReader::new(UnixStream::from_std(stream)?);
    let mut line = String::new();
    if is_trusted {
        let mut limited = (&mut stream).take(LONGEST);
        timeout(PATIENCE, limited.read_line(&mut line)).await??;
    }
    let (is_written, written) = oneshot::channel();
    let answer = match Command::read(&line) {
        _ if !is_trusted => Err(NOT_TRUSTED.to_owned()),
        None => {
            Err("the running process does not know this command: it is of another version"
                .to_owned())
        }
        Some(command) => {
            let (answer, answered) = oneshot::channel();
            let _ =
                commands.send(PendingCommand { command, reply: Reply { answer, written } }).await;
            answered.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
        }
    };
    let (text, outcome) = match answer {
        Ok(text) => (text, OK),
        Err(text) => (text, FAILED),
    };
    let all = format!("{text}\n{outcome}\n");
    let write = async {
        stream.write_all(all.as_bytes()).await?;
        stream.shutdown().await
    };
    let result = timeout(PATIENCE, write).await?;
    let _ = is_written.send(());
    result
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No process listens for commands.
    #[error("no process takes commands ({0})")]
    NotRunning(io::Error),
    /// The process did not answer within the limit for this command.
    #[error("the process did not answer within {}s: it hangs or is very busy, see its log", .0.as_secs())]
    Silent(Duration),
    /// The process ended before it answered.
    #[error("the process ended before it answered: its last lines in the process log say why")]
    Ended,
    /// The answer is not one of this version.
    #[error("the answer is not understood: is the running process of another version?")]
    Unknown,
}

impl Command {
    /// The limit on the answer; a process that takes longer hangs.
    fn patience(&self) -> Duration {
        match self {
            Self::Health | Self::Stop | Self::Facts => Duration::from_secs(5),
            Self::Reload | Self::DryRun => Duration::from_secs(120),
            Self::Upgrade(_) => Duration::from_secs(240),
        }
    }
}

/// The process that runs from this file, and the socket at which it takes commands.
#[must_use]
pub fn running(file: &Path) -> Option<(MeetingSocket, u32)> {
    let socket = MeetingSocket::of(Purpose::Control, file).ok()?;
    let peer = PeerCredentials::of(&socket.connect().ok()?).ok()?;
    Some((socket, peer.pid))
}

/// Sends a command to the process that listens at this socket, and waits for its answer.
///
/// # Errors
///
/// When there is no answer.
pub fn ask(socket: &MeetingSocket, command: &Command) -> Result<Answer, CommandError> {
    let mut stream = connect(socket).map_err(CommandError::NotRunning)?;
    let mut answer = Vec::new();
    let mut converse = || {
        stream.set_read_timeout(Some(command.patience()))?;
        writeln!(stream, "{command}").or_else(unless_closed)?;
        stream.read_to_end(&mut answer).map(drop).or_else(unless_closed)
    };
    converse().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            CommandError::Silent(command.patience())
        }
        _ => CommandError::Ended,
    })?;
    let answer = String::from_utf8_lossy(&answer);
    let answer = answer.trim_end();
    let (text, outcome) = answer.rsplit_once('\n').unwrap_or(("", answer));
    match outcome {
        OK => Ok(Ok(text.to_owned())),
        FAILED => Ok(Err(text.to_owned())),
        _ if outcome.is_empty() => Err(CommandError::Ended),
        _ => Err(CommandError::Unknown),
    }
}

/// A process that refuses to listen to this user answers, and closes without reading the command, which
/// is an error here: its answer has come all the same.
fn unless_closed(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(()),
        _ => Err(error),
    }
}

fn connect(socket: &MeetingSocket) -> io::Result<std::os::unix::net::UnixStream> {
    let until = clock::now() + GAP;
    loop {
        match socket.connect() {
            Err(_) if clock::now() < until => thread::sleep(RETRY),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks a process that answers with the command's own words.
    fn ask_an_echo(command: &Command) -> Result<Answer, CommandError> {
        let folder = tempfile::tempdir().unwrap();
        let socket = MeetingSocket::of(Purpose::Control, &folder.path().join("lb.yaml")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = socket.listen().unwrap();
            listener.set_nonblocking(true).unwrap();
            let (commands, mut pending) = mpsc::channel(1);
            tokio::spawn(serve(UnixListener::from_std(listener).unwrap(), commands));
            tokio::spawn(async move {
                while let Some(PendingCommand { command, reply }) = pending.recv().await {
                    let text = format!("told to\n{command}");
                    reply.send(if command == Command::Health { Err(text) } else { Ok(text) }).await;
                }
            });
            let command = command.clone();
            tokio::task::spawn_blocking(move || ask(&socket, &command)).await.unwrap()
        })
    }

    #[test]
    fn a_command_is_answered() {
        let told = |text: &str| Ok(format!("told to\n{text}"));
        assert_eq!(ask_an_echo(&Command::DryRun).unwrap(), told("dry-run"));
        assert_eq!(ask_an_echo(&Command::Stop).unwrap(), told("stop"));
        assert_eq!(ask_an_echo(&Command::Facts).unwrap(), told("facts"));
        assert_eq!(ask_an_echo(&Command::Reload).unwrap(), told("reload"));
        let upgrade = Command::Upgrade("/opt/l b/lb".into());
        assert_eq!(ask_an_echo(&upgrade).unwrap(), told("upgrade /opt/l b/lb"));
        assert_eq!(ask_an_echo(&Command::Health).unwrap(), Err("told to\nhealth".to_owned()));
    }

    #[test]
    fn nonsense_is_no_command() {
        for line in ["", "\n", "reload", "reload now\n", "upgrade\n", "start\n"] {
            assert_eq!(Command::read(line), None, "{line:?}");
        }
    }

    #[test]
    fn without_a_process_there_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let socket = MeetingSocket::of(Purpose::Control, &folder.path().join("lb.yaml")).unwrap();
        assert!(matches!(ask(&socket, &Command::Reload), Err(CommandError::NotRunning(_))));
    }
}
