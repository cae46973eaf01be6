//! The listening sockets, and what is known of backends, from the process that serves to the next.
//!
//! Pingora can hand sockets over as well, but it sends them and stops serving whether a process took
//! them or not. Here the next process says whether it serves, and until then the process before goes
//! on as if nothing had happened. Both accept for a moment, from the same queue, so no connection is
//! refused or lost.
//!
//! On the wire: the length of a JSON header and the header, then one byte for each address in it
//! with that address's socket alongside. The next process replies "serving" or why it cannot. A
//! moment later the process before asks "well?", gets the same word back, and decides: "yours" or
//! "stay away". So both agree on which of them serves, however late a word arrives. The last word
//! is "mine". If the process before ends without a decision, the next one serves.

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::meeting_socket::{MeetingSocket, PeerCredentials};

/// The version of the format on the wire.
const VERSION: u32 = 1;
const SERVING: &str = "serving";
const WELL: &str = "well?";
const YOURS: &str = "yours";
const STAY_AWAY: &str = "stay away";
const MINE: &str = "mine";
/// The limit on each step of the other process.
const PATIENCE: Duration = Duration::from_secs(30);
/// A process that serves and does not answer a word within this time hangs.
const HUNG: Duration = Duration::from_secs(5);
/// How long the next process is watched once it serves.
const WATCH: Duration = Duration::from_secs(1);
/// The longest header, in bytes: room for what is known of a hundred thousand backends.
const LONGEST: u32 = 64 << 20;

/// The words at the end of a message about a process that failed.
const SEE_ITS_LOG: &str = "its last lines in the process log say why";

/// A listening socket, and its address as the configuration writes it.
pub type NamedSocket = (String, OwnedFd);

#[derive(Debug, Serialize, Deserialize)]
enum Offer {
    Sockets(Header),
    /// No sockets, for this reason.
    Nothing(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    addresses: Vec<String>,
    /// What the sender knows of its backends, in the format of its version.
    memory: Value,
}

/// Gives the sockets to the process that waits for them, and returns its process number once it has
/// served for a moment. `may_go_on` is asked last before they are sent.
///
/// # Errors
///
/// Why the next process does not serve, in words for an operator. This process must go on serving.
pub fn give(
    socket: &MeetingSocket,
    sockets: &[NamedSocket],
    memory: Value,
    may_go_on: impl Fn() -> bool,
) -> Result<u32, String> {
    let mut stream = socket.connect().map_err(|error| {
        format!(
            "no process waits for the sockets at {socket} ({error}): \
             use `lb upgrade -c FILE`, or start the next process with `lb -c FILE -u` first"
        )
    })?;
    let peer = PeerCredentials::of(&stream).map_err(|error| {
        format!("the system does not say whose process waits at {socket}: {error}")
    })?;
    if !peer.is_trusted() {
        return Err(format!(
            "the process that waits at {socket} is of another user ({}): \
             start the next process as the user of this one",
            peer.uid
        ));
    }
    if !may_go_on() {
        let reason = "this process is stopping".to_owned();
        // Without this word the next process would wait for another one to hand over.
        let _ = send(&mut stream, &Offer::Nothing(reason.clone()), &[]);
        return Err(reason);
    }
    let addresses = sockets.iter().map(|(address, _)| address.clone()).collect();
    let offer = Offer::Sockets(Header { version: VERSION, addresses, memory });
    send(&mut stream, &offer, sockets).map_err(|error| {
        in_words(&error, "before it had taken the sockets", "take the sockets", PATIENCE)
    })?;
    if let Err(reason) = see_it_serve(&mut stream) {
        // It may have the sockets, and be late.
        let _ = writeln!(stream, "{STAY_AWAY}");
        return Err(reason);
    }
    let mut agree = || {
        writeln!(stream, "{YOURS}")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        read_line(&mut stream)
    };
    if let Err(error) = agree() {
        let pid = peer.pid;
        log::warn!(pid, error:% = error;
            "handed over, but the new process did not confirm that it serves alone: see its log");
    }
    Ok(peer.pid)
}

fn see_it_serve(stream: &mut UnixStream) -> Result<(), String> {
    let answer = read_line(stream).map_err(|error| {
        in_words(&error, "before it said that it serves", "say that it serves", PATIENCE)
    })?;
    if answer != SERVING {
        return Err(format!("the new process cannot serve: {answer}"));
    }
    watch(stream)?;
    // It may have neither ended nor done anything.
    let mut ask = || {
        writeln!(stream, "{WELL}")?;
        stream.set_read_timeout(Some(HUNG))?;
        read_line(stream)
    };
    let answered = ask().map_err(|error| {
        if is_timeout(&error) {
            let seconds = HUNG.as_secs();
            return format!(
                "the new process does nothing: it serves, but did not answer within {seconds}s; \
                 it ends when it comes to itself, or kill it"
            );
        }
        in_words(&error, AS_SOON, "say that it is well", HUNG)
    });
    answered.map(|_| ())
}

/// When a process ended that had just begun to serve.
const AS_SOON: &str = "as soon as it served";

/// Why the new process did not do what was awaited of it: it ended, was too late, or could not be
/// heard.
fn in_words(error: &io::Error, ended: &str, awaited: &str, limit: Duration) -> String {
    if is_timeout(error) {
        let seconds = limit.as_secs();
        return format!("the new process did not {awaited} within {seconds}s: {SEE_ITS_LOG}");
    }
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            format!("the new process ended {ended}: {SEE_ITS_LOG}")
        }
        _ => format!("the new process could not {awaited}: {error}"),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn send(stream: &mut UnixStream, offer: &Offer, sockets: &[NamedSocket]) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let header = serde_json::to_vec(offer)?;
    let length =
        u32::try_from(header.len()).map_err(|_| io::Error::from(ErrorKind::FileTooLarge))?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&header)?;
    for (_, socket) in sockets {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let sockets = [socket.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&sockets));
        sendmsg(&*stream, &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// A line, without its end.
fn read_line(stream: &mut UnixStream) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    loop {
        stream.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => return Ok(String::from_utf8_lossy(&line).into_owned()),
            [byte] => line.push(byte),
        }
    }
}

/// Fails if the connection ends while the process is watched: it lasts as long as the process.
fn watch(stream: &mut UnixStream) -> Result<(), String> {
    let ended = || format!("the new process ended {AS_SOON}: {SEE_ITS_LOG}");
    stream.set_read_timeout(Some(WATCH)).map_err(|_| ended())?;
    loop {
        match stream.read(&mut [0]) {
            Err(error) if is_timeout(&error) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return Err(ended()),
        }
    }
}

/// What the process before hands over.
#[derive(Debug)]
pub struct Inherited {
    /// Every socket on which the process before listens.
    pub sockets: Vec<NamedSocket>,
    /// What the process before knows of its backends, in the format of its version.
    pub memory: Value,
    stream: UnixStream,
}

impl Inherited {
    /// Takes what the process at the other end sends. Returns `None` if that process is of a user
    /// that is not trusted.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the other process ended first. Any other error is for an operator: the
    /// other process speaks another version's format, and has been told so, or has nothing to give.
    pub fn take(mut stream: UnixStream) -> io::Result<Option<Self>> {
        if !PeerCredentials::of(&stream)?.is_trusted() {
            return Ok(None);
        }
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let header = match receive_header(&mut stream) {
            Ok(header) => header,
            Err(error) => {
                let _ = writeln!(stream, "{error}");
                return Err(error);
            }
        };
        let mut sockets = Vec::with_capacity(header.addresses.len());
        for address in header.addresses {
            sockets.push((address, receive_socket(&stream)?));
        }
        Ok(Some(Self { sockets, memory: header.memory, stream }))
    }

    /// Tells the process before that this one serves.
    #[must_use]
    pub fn serving(mut self) -> Agreement {
        // If the process before has ended meanwhile, this one serves all the same.
        let _ = writeln!(self.stream, "{SERVING}");
        Agreement(self.stream)
    }

    /// Tells the process before why this one does not serve.
    pub fn failed(mut self, reason: &str) {
        let _ = writeln!(self.stream, "{}", reason.replace('\n', "; "));
    }
}

/// The connection by which the two processes agree on which one serves. Drop it only when this
/// process ends: the other one watches it.
#[derive(Debug)]
pub struct Agreement(UnixStream);

impl Agreement {
    /// Waits until the process before has decided, or ended. Returns whether this process is to
    /// serve; if so, it owes [`Agreement::settle`].
    pub fn is_ours(&mut self) -> bool {
        loop {
            match read_line(&mut self.0) {
                Ok(word) if word == WELL => drop(writeln!(self.0, "{WELL}")),
                Ok(word) => return word != STAY_AWAY,
                Err(error) if is_timeout(&error) => {}
                // The process before has ended, so no other process serves.
                Err(_) => return true,
            }
        }
    }

    /// Returns a second handle, to end the connection while [`Agreement::is_ours`] waits.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn connection(&self) -> io::Result<UnixStream> {
        self.0.try_clone()
    }

    /// Tells the process before that everything that named it names this process.
    pub fn settle(&mut self) {
        // The process before may have left already.
        let _ = writeln!(self.0, "{MINE}");
    }
}

fn receive_header(stream: &mut UnixStream) -> io::Result<Header> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "the process before sends more than a hand-over can be: is it lb?",
        ));
    }
    let mut header = vec![0; length as usize];
    stream.read_exact(&mut header)?;
    let other_version = || {
        let message = "the process before hands over in another version's way: restart it instead";
        io::Error::new(ErrorKind::InvalidData, message)
    };
    match serde_json::from_slice(&header).map_err(|_| other_version())? {
        Offer::Sockets(header) if header.version == VERSION => Ok(header),
        Offer::Sockets(_) => Err(other_version()),
        Offer::Nothing(reason) => Err(io::Error::new(ErrorKind::NotConnected, reason)),
    }
}

fn receive_socket(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let message = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    message.ok_or_else(|| {
        io::Error::new(
            ErrorKind::UnexpectedEof,
            "the process before sent fewer sockets than addresses",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;

    fn meeting_socket() -> (tempfile::TempDir, MeetingSocket) {
        let folder = tempfile::tempdir().unwrap();
        let socket = MeetingSocket::File(folder.path().join("socket"));
        (folder, socket)
    }

    fn named(port: u16) -> NamedSocket {
        (format!("127.0.0.1:{port}"), TcpListener::bind("127.0.0.1:0").unwrap().into())
    }

    /// What becomes of handing two sockets over to a process that does this with them.
    fn hand_over(next: impl FnOnce(Inherited) + Send + 'static) -> Result<u32, String> {
        let (_folder, socket) = meeting_socket();
        let listener = socket.listen().unwrap();
        let takes = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            next(Inherited::take(stream).unwrap().unwrap());
        });
        let result = give(&socket, &[named(1), named(2)], Value::from("known"), || true);
        takes.join().unwrap();
        result
    }

    #[test]
    fn sockets_and_state_arrive_and_the_sockets_go_on_accepting() {
        let result = hand_over(|mut given| {
            assert_eq!(given.memory, "known");
            let names: Vec<&str> = given.sockets.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["127.0.0.1:1", "127.0.0.1:2"]);
            for (_, socket) in std::mem::take(&mut given.sockets) {
                let socket = TcpListener::from(socket);
                let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
                socket.accept().unwrap();
            }
            let mut agreement = given.serving();
            assert!(agreement.is_ours());
            agreement.settle();
        });
        assert_eq!(result, Ok(std::process::id()));
    }

    #[test]
    fn until_it_serves_and_a_moment_longer_the_next_process_may_fail() {
        let refused = hand_over(|given| given.failed("no\nport")).unwrap_err();
        assert_eq!(refused, "the new process cannot serve: no; port");
        let why = "its last lines in the process log say why";
        let ended = hand_over(drop).unwrap_err();
        assert_eq!(ended, format!("the new process ended before it said that it serves: {why}"));
        let short = hand_over(|given| drop(given.serving())).unwrap_err();
        assert_eq!(short, format!("the new process ended as soon as it served: {why}"));
    }

    #[test]
    fn a_failed_step_is_told_without_the_systems_words() {
        let told = |kind: ErrorKind| {
            in_words(&kind.into(), "before it was done", "do it", Duration::from_secs(30))
        };
        let ended = "the new process ended before it was done: its last lines in the process log \
                     say why";
        assert_eq!(told(ErrorKind::UnexpectedEof), ended);
        assert_eq!(told(ErrorKind::BrokenPipe), ended);
        let late = "the new process did not do it within 30s: its last lines in the process log \
                    say why";
        assert_eq!(told(ErrorKind::WouldBlock), late);
    }

    #[test]
    fn both_agree_on_which_of_them_serves() {
        let (mut before, next) = UnixStream::pair().unwrap();
        writeln!(before, "{STAY_AWAY}").unwrap();
        drop(before);
        assert!(!Agreement(next).is_ours(), "although the other has gone since");
        let (before, next) = UnixStream::pair().unwrap();
        drop(before);
        assert!(Agreement(next).is_ours(), "no other process does");
    }

    #[test]
    fn without_a_process_that_waits_nothing_is_sent() {
        let (_folder, socket) = meeting_socket();
        let error = give(&socket, &[named(1)], Value::Null, || true).unwrap_err();
        assert!(error.starts_with("no process waits for the sockets at "), "{error}");
    }

    #[test]
    fn a_process_that_is_stopping_sends_nothing() {
        let (_folder, socket) = meeting_socket();
        let listener = socket.listen().unwrap();
        let error = give(&socket, &[named(1)], Value::Null, || false).unwrap_err();
        assert_eq!(error, "this process is stopping");
        let told = Inherited::take(listener.accept().unwrap().0).unwrap_err();
        assert_eq!(told.to_string(), error, "no process waits for it");
    }

    #[test]
    fn another_versions_language_is_refused() {
        let (mut before, next) = UnixStream::pair().unwrap();
        let header = Header { version: 2, addresses: vec![], memory: Value::Null };
        send(&mut before, &Offer::Sockets(header), &[]).unwrap();
        assert!(Inherited::take(next).unwrap_err().to_string().contains("another version"));
        assert!(read_line(&mut before).unwrap().contains("another version"));
    }
}
