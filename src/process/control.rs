//! Commands to the process that serves: one line there, and its answer back.
//!
//! The answer is text for whoever asked, and a last line that says how it went.

use std::{
    fmt,
    io::{self, Read, Write},
    path::PathBuf,
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

use super::meeting_socket::{MeetingSocket, PeerCredentials};
use crate::clock;

/// A command is a path at most.
const LONGEST: u64 = 8192;
/// Whoever connects is about to say something.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who asks at once; others wait.
const CONVERSATIONS: usize = 32;
/// A pause before the next connection when the system refuses one.
const PAUSE: Duration = Duration::from_millis(100);
/// Between one process and the next there may be nobody for a moment.
const NOBODY_FOR: Duration = Duration::from_secs(1);
/// Before it is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// Said when nobody answers a command any more.
pub const STOPPING: &str = "the process is stopping";
const OK: &str = "ok";
const FAILED: &str = "failed";

/// What a process can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Load the configuration anew.
    Reload,
    /// Start this program in our place.
    Upgrade(PathBuf),
    /// Say whether you should be sent requests.
    Health,
}

impl Command {
    fn read(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n')?;
        match line.split_once(' ') {
            None if line == "reload" => Some(Self::Reload),
            None if line == "health" => Some(Self::Health),
            Some(("upgrade", path)) => Some(Self::Upgrade(path.into())),
            _ => None,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reload => f.write_str("reload"),
            Self::Upgrade(path) => write!(f, "upgrade {}", path.display()),
            Self::Health => f.write_str("health"),
        }
    }
}

/// What came of it: text for a person either way.
pub type Answer = Result<String, String>;

/// A command that waits for its answer.
#[derive(Debug)]
pub struct PendingCommand {
    /// What to do.
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
    /// Answers. Resolves when whoever asked has the answer, or does not take it.
    pub async fn send(self, answer: Answer) {
        if self.answer.send(answer).is_ok() {
            let _ = self.written.await;
        }
    }

    /// Answers, and waits for nothing.
    pub fn send_later(self, answer: Answer) {
        tokio::spawn(self.send(answer));
    }
}

/// Has a command done by whoever takes `orders`, and waits for the answer.
pub async fn order(orders: &mpsc::Sender<PendingCommand>, command: Command) -> Answer {
    let (answer, answered) = oneshot::channel();
    let (_written, written) = oneshot::channel();
    let _ = orders.send(PendingCommand { command, reply: Reply { answer, written } }).await;
    answered.await.unwrap_or_else(|_| Err(STOPPING.to_owned()))
}

/// Takes commands until it is dropped, and passes them on.
pub async fn serve(listener: UnixListener, orders: mpsc::Sender<PendingCommand>) {
    let places = Arc::new(Semaphore::new(CONVERSATIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let orders = orders.clone();
                tokio::spawn(async move {
                    let _place = place;
                    converse(stream, orders).await
                });
            }
            Err(error) => {
                log::warn!(error:% = error; "cannot take commands");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One command. An error here is that of somebody who has gone.
async fn converse(stream: UnixStream, orders: mpsc::Sender<PendingCommand>) -> io::Result<()> {
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
        _ if !is_trusted => Err("only its own user and root may command this process".to_owned()),
        None => Err("this version does not know that command".to_owned()),
        Some(command) => {
            let (answer, answered) = oneshot::channel();
            let _ = orders.send(PendingCommand { command, reply: Reply { answer, written } }).await;
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

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nobody listens.
    #[error("nobody is there")]
    Nobody(io::Error),
    /// It does not answer.
    #[error("the process does not answer")]
    Silent,
    /// It ended before it answered.
    #[error("the process ended before it answered")]
    Broken,
}

impl Command {
    /// A process that takes longer to answer hangs.
    fn patience(&self) -> Duration {
        match self {
            Self::Health => Duration::from_secs(5),
            Self::Reload => Duration::from_secs(120),
            Self::Upgrade(_) => Duration::from_secs(240),
        }
    }
}

/// Tells the process at this place what to do, and waits for its answer.
///
/// # Errors
///
/// When there is none.
pub fn ask(place: &MeetingSocket, command: &Command) -> Result<Answer, CommandError> {
    let mut stream = connect(place).map_err(CommandError::Nobody)?;
    let mut answer = String::new();
    let mut converse = || {
        stream.set_read_timeout(Some(command.patience()))?;
        writeln!(stream, "{command}")?;
        stream.read_to_string(&mut answer)
    };
    converse().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => CommandError::Silent,
        _ => CommandError::Broken,
    })?;
    let answer = answer.trim_end();
    let (text, outcome) = answer.rsplit_once('\n').unwrap_or(("", answer));
    match outcome {
        OK => Ok(Ok(text.to_owned())),
        FAILED => Ok(Err(text.to_owned())),
        _ => Err(CommandError::Broken),
    }
}

fn connect(place: &MeetingSocket) -> io::Result<std::os::unix::net::UnixStream> {
    let until = clock::now() + NOBODY_FOR;
    loop {
        match place.connect() {
            Err(_) if clock::now() < until => thread::sleep(RETRY),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::meeting_socket::Purpose;

    /// Asks a process that answers with what it is told, in the words of the command.
    fn ask_an_echo(command: &Command) -> Result<Answer, CommandError> {
        let folder = tempfile::tempdir().unwrap();
        let place = MeetingSocket::of(Purpose::Control, &folder.path().join("lb.yaml")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = place.listen().unwrap();
            listener.set_nonblocking(true).unwrap();
            let (orders, mut ordered) = mpsc::channel(1);
            tokio::spawn(serve(UnixListener::from_std(listener).unwrap(), orders));
            tokio::spawn(async move {
                while let Some(PendingCommand { command, reply }) = ordered.recv().await {
                    let text = format!("told to\n{command}");
                    reply.send(if command == Command::Health { Err(text) } else { Ok(text) }).await;
                }
            });
            let command = command.clone();
            tokio::task::spawn_blocking(move || ask(&place, &command)).await.unwrap()
        })
    }

    #[test]
    fn a_command_is_answered() {
        let told = |text: &str| Ok(format!("told to\n{text}"));
        assert_eq!(ask_an_echo(&Command::Reload).unwrap(), told("reload"));
        let upgrade = Command::Upgrade("/opt/l b/lb".into());
        assert_eq!(ask_an_echo(&upgrade).unwrap(), told("upgrade /opt/l b/lb"));
        assert_eq!(ask_an_echo(&Command::Health).unwrap(), Err("told to\nhealth".to_owned()));
    }

    #[test]
    fn nonsense_is_no_command() {
        for line in ["", "\n", "reload", "reload now\n", "upgrade\n", "stop\n"] {
            assert_eq!(Command::read(line), None, "{line:?}");
        }
    }

    #[test]
    fn nobody_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let place = MeetingSocket::of(Purpose::Control, &folder.path().join("lb.yaml")).unwrap();
        assert!(matches!(ask(&place, &Command::Reload), Err(CommandError::Nobody(_))));
    }
}
