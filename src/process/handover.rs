//! The listening sockets and what is known, from the process that serves to the next one.
//!
//! Pingora hands sockets over as well, but sends and hopes: it stops serving whether somebody took
//! them or not. Here the next process says whether it serves, and until it has said so the one
//! before goes on as if nothing had happened. Both accept for a moment, from the same queue, so no
//! connection is ever refused or lost.
//!
//! On the wire: the length of a JSON header and the header, then one byte for each address in it
//! with that address's socket alongside; back comes "serving" or the reason why not; then, after a
//! moment, "well?", which is answered with the same, and "yours" or "stay away", so that both agree
//! on who serves whatever is late; and "mine". When the process before ends instead, the next one
//! serves.

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

/// Of what is on the wire.
const VERSION: u32 = 1;
const SERVING: &str = "serving";
const WELL: &str = "well?";
const YOURS: &str = "yours";
const STAY_AWAY: &str = "stay away";
const MINE: &str = "mine";
/// Each step of the other process takes less.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who serves and does not answer a word in this time hangs.
const HUNG: Duration = Duration::from_secs(5);
/// How long the next process is watched once it serves.
const WATCH: Duration = Duration::from_secs(1);
/// Of a header: what is known of a hundred thousand backends.
const LONGEST: u32 = 64 << 20;

/// A listening socket, and the address by which the configuration calls it, in its words.
pub type NamedSocket = (String, OwnedFd);

#[derive(Debug, Serialize, Deserialize)]
enum Offer {
    Sockets(Header),
    /// There is nothing to be had, for this reason.
    Nothing(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    addresses: Vec<String>,
    /// As the sender's version writes it.
    memory: Value,
}

/// Gives the sockets to whoever waits for them, and returns its process number once it has served
/// for a moment. `may_go_on` is asked last before they are sent.
///
/// # Errors
///
/// Why the next process does not serve. This one must go on.
pub fn give(
    place: &MeetingSocket,
    sockets: &[NamedSocket],
    memory: Value,
    may_go_on: impl Fn() -> bool,
) -> Result<u32, String> {
    let mut stream = place
        .connect()
        .map_err(|error| format!("no process waits for the sockets at {place} ({error})"))?;
    let other = PeerCredentials::of(&stream).map_err(|error| error.to_string())?;
    if !other.is_trusted() {
        return Err(format!(
            "the process that waits at {place} is of another user ({})",
            other.uid
        ));
    }
    if !may_go_on() {
        let reason = "this process is stopping".to_owned();
        // It would wait for somebody else.
        let _ = send(&mut stream, &Offer::Nothing(reason.clone()), &[]);
        return Err(reason);
    }
    let addresses = sockets.iter().map(|(address, _)| address.clone()).collect();
    let offer = Offer::Sockets(Header { version: VERSION, addresses, memory });
    send(&mut stream, &offer, sockets)
        .map_err(|error| format!("the new process did not take the sockets: {error}"))?;
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
        log::warn!(error:% = error; "the new process is late to say that it serves alone");
    }
    Ok(other.pid)
}

fn see_it_serve(stream: &mut UnixStream) -> Result<(), String> {
    let answer = read_line(stream)
        .map_err(|error| format!("the new process did not say that it serves: {error}"))?;
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
    ask().map(|_| ()).map_err(|error| format!("the new process does nothing: {error}"))
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

/// The connection lasts as long as the process.
fn watch(stream: &mut UnixStream) -> Result<(), String> {
    let ended = || "the new process ended as soon as it served".to_owned();
    stream.set_read_timeout(Some(WATCH)).map_err(|_| ended())?;
    loop {
        match stream.read(&mut [0]).map_err(|error| error.kind()) {
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            Err(ErrorKind::Interrupted) => {}
            _ => return Err(ended()),
        }
    }
}

/// What the process before has given.
#[derive(Debug)]
pub struct Inherited {
    /// All that it listens on.
    pub sockets: Vec<NamedSocket>,
    /// What it knows, as its version writes it.
    pub memory: Value,
    stream: UnixStream,
}

impl Inherited {
    /// Takes what the process at the other end sends; `None` where that is none that may.
    ///
    /// # Errors
    ///
    /// The system's; or it speaks another version's language, and has been told so; or it has
    /// nothing to give.
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
        // If it has ended meanwhile, all the more do we serve.
        let _ = writeln!(self.stream, "{SERVING}");
        Agreement(self.stream)
    }

    /// Tells the process before why this one does not serve.
    pub fn failed(mut self, reason: &str) {
        let _ = writeln!(self.stream, "{}", reason.replace('\n', "; "));
    }
}

/// What the two processes are to agree on. Dropped only when this one ends: the other one watches.
#[derive(Debug)]
pub struct Agreement(UnixStream);

impl Agreement {
    /// Waits until the process before has decided, or ended. Whether this one is to serve; then it
    /// owes [`Agreement::settle`].
    pub fn is_ours(&mut self) -> bool {
        loop {
            match read_line(&mut self.0) {
                Ok(word) if word == WELL => drop(writeln!(self.0, "{WELL}")),
                Ok(word) => return word != STAY_AWAY,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // Nobody else serves.
                Err(_) => return true,
            }
        }
    }

    /// The same connection, for whoever has to end it while [`Agreement::is_ours`] waits.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn connection(&self) -> io::Result<UnixStream> {
        self.0.try_clone()
    }

    /// Everything that the process before put its name to has ours.
    pub fn settle(&mut self) {
        // It is gone, or it is going.
        let _ = writeln!(self.0, "{MINE}");
    }
}

fn receive_header(stream: &mut UnixStream) -> io::Result<Header> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::Error::new(ErrorKind::InvalidData, "too long a header"));
    }
    let mut header = vec![0; length as usize];
    stream.read_exact(&mut header)?;
    let header = match serde_json::from_slice(&header)? {
        Offer::Sockets(header) => header,
        Offer::Nothing(reason) => return Err(io::Error::new(ErrorKind::NotConnected, reason)),
    };
    if header.version != VERSION {
        let message = "it hands sockets over in another version's way: restart instead";
        return Err(io::Error::new(ErrorKind::InvalidData, message));
    }
    Ok(header)
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
    message.ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "a socket is missing"))
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;

    fn place() -> (tempfile::TempDir, MeetingSocket) {
        let folder = tempfile::tempdir().unwrap();
        let place = MeetingSocket::File(folder.path().join("socket"));
        (folder, place)
    }

    fn named(port: u16) -> NamedSocket {
        (format!("127.0.0.1:{port}"), TcpListener::bind("127.0.0.1:0").unwrap().into())
    }

    /// What becomes of handing two sockets over to a process that does this with them.
    fn hand_over(next: impl FnOnce(Inherited) + Send + 'static) -> Result<u32, String> {
        let (_folder, place) = place();
        let listener = place.listen().unwrap();
        let takes = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            next(Inherited::take(stream).unwrap().unwrap());
        });
        let result = give(&place, &[named(1), named(2)], Value::from("known"), || true);
        takes.join().unwrap();
        result
    }

    #[test]
    fn sockets_and_what_is_known_arrive_and_go_on_accepting() {
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
        let ended = hand_over(drop).unwrap_err();
        assert!(ended.starts_with("the new process did not say that it serves"), "{ended}");
        let short = hand_over(|given| drop(given.serving())).unwrap_err();
        assert_eq!(short, "the new process ended as soon as it served");
    }

    #[test]
    fn both_agree_on_who_serves() {
        let (mut before, next) = UnixStream::pair().unwrap();
        writeln!(before, "{STAY_AWAY}").unwrap();
        drop(before);
        assert!(!Agreement(next).is_ours(), "although the other has gone since");
        let (before, next) = UnixStream::pair().unwrap();
        drop(before);
        assert!(Agreement(next).is_ours(), "nobody else does");
    }

    #[test]
    fn without_anybody_there_nothing_is_sent() {
        let (_folder, place) = place();
        let error = give(&place, &[named(1)], Value::Null, || true).unwrap_err();
        assert!(error.starts_with("no process waits for the sockets at "), "{error}");
    }

    #[test]
    fn a_process_that_is_stopping_sends_nothing() {
        let (_folder, place) = place();
        let listener = place.listen().unwrap();
        let error = give(&place, &[named(1)], Value::Null, || false).unwrap_err();
        assert_eq!(error, "this process is stopping");
        let told = Inherited::take(listener.accept().unwrap().0).unwrap_err();
        assert_eq!(told.to_string(), error, "nobody waits for it");
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
