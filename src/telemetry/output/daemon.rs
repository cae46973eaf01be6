//! A daemon that takes each line as a datagram.
//!
//! A daemon is restarted, hangs, or is not there at the start, and none of that is a reason to end or to wait
//! for long. A line that it does not take waits for a moment, in which a daemon that is restarted comes back,
//! while further lines wait in the queue; after that lines are lost, and the log counts them. Each line tries
//! again.
//!
//! Nothing tells a sender over UDP that a datagram is lost, so such lines are lost without a count.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;

use super::super::text::timestamp;
use super::{
    framed::{Framed, LogName},
    journal::JournalFrame,
    syslog::SyslogFrame,
};
use crate::clock;
use crate::config::LogFormat;

/// How long lines wait for a daemon that is gone or takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// The wait before it is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long one call may wait for a daemon whose queue is full.
const SEND_LIMIT: Duration = Duration::from_millis(100);
/// The bytes of a value that are sent where all of it is too much for a datagram: what syslog daemons take
/// at least, and enough to see what it was.
const SHORT: usize = 2048;

/// Where a daemon takes datagrams.
#[derive(Debug)]
pub(super) enum Peer {
    Unix(PathBuf),
    Udp(SocketAddr),
}

/// What a datagram looks like.
#[derive(Debug)]
pub(super) enum Frame {
    Syslog(SyslogFrame),
    Journal(JournalFrame),
}

/// A daemon, which need not be there.
#[derive(Debug)]
pub(super) struct Daemon {
    peer: Peer,
    frame: Frame,
    lines: (LogName, LogFormat),
    socket: Option<Socket>,
    packet: Vec<u8>,
    /// Since when it has taken nothing.
    gone: Option<Instant>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Daemon {
    /// A daemon that takes the lines of a log, which have this format.
    pub(super) fn new(peer: Peer, frame: Frame, lines: (LogName, LogFormat)) -> Self {
        Self { peer, frame, lines, socket: None, packet: Vec::new(), gone: None }
    }

    /// Puts the datagram of a line together, with at most this many bytes of each value.
    fn pack(&mut self, line: &[u8], most: usize) {
        let line = String::from_utf8_lossy(line);
        let line = Framed::of(&line, self.lines);
        self.packet.clear();
        match &self.frame {
            Frame::Syslog(frame) => {
                let now =
                    if line.time.is_none() { timestamp(clock::wall()) } else { String::new() };
                frame.write(line, most, &now, &mut self.packet);
            }
            Frame::Journal(frame) => frame.write(line, most, &mut self.packet),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(Socket::open(&self.peer)?),
        };
        let sent = match (&*socket, &self.peer) {
            (Socket::Udp(socket), Peer::Udp(address)) => socket.send_to(&self.packet, address),
            (Socket::Udp(socket), Peer::Unix(_)) => socket.send(&self.packet),
            (Socket::Unix(socket), _) => socket.send(&self.packet),
        };
        match sent {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the daemon takes nothing"))
            }
            Err(error) if is_too_large(&error) => Err(error),
            Err(error) => {
                // The daemon that it led to is gone.
                self.socket = None;
                Err(error)
            }
        }
    }

    /// Sends a line; waits for a moment while that is not possible.
    fn deliver(&mut self, line: &[u8]) -> io::Result<()> {
        self.pack(line, usize::MAX);
        let mut is_short = false;
        loop {
            let Err(error) = self.send() else {
                self.gone = None;
                return Ok(());
            };
            if is_too_large(&error) && !is_short {
                is_short = true;
                self.pack(line, SHORT);
                continue;
            }
            let now = clock::now();
            let since = *self.gone.get_or_insert(now);
            if is_too_large(&error) || now.saturating_duration_since(since) >= PATIENCE {
                return Err(error);
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Socket {
    fn open(peer: &Peer) -> io::Result<Self> {
        match peer {
            Peer::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(SEND_LIMIT))?;
                Ok(Self::Unix(socket))
            }
            // Without a connection, so that a daemon that was not there for a while is none that refuses.
            Peer::Udp(address) => {
                let any = match address {
                    SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                    SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
                };
                let socket = UdpSocket::bind(any)?;
                socket.set_write_timeout(Some(SEND_LIMIT))?;
                Ok(Self::Udp(socket))
            }
        }
    }
}

fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EMSGSIZE as i32)
}

impl Write for Daemon {
    /// Sends the first line.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let end = lines.iter().position(|byte| *byte == b'\n').unwrap_or(lines.len());
        if end > 0 {
            self.deliver(&lines[..end])?;
        }
        Ok(lines.len().min(end + 1))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::config::{Facility, Syslog};

    /// Far longer than any step of a test takes, so that a broken test ends.
    const DEADLINE: Duration = Duration::from_secs(10);

    fn daemon(peer: Peer, is_journal: bool) -> Daemon {
        let syslog = Syslog { facility: Facility::Daemon, app_name: "lb".into() };
        let frame = match is_journal {
            true => Frame::Journal(JournalFrame::new(LogName::Process, &syslog)),
            false => Frame::Syslog(SyslogFrame::new(LogName::Process, &syslog)),
        };
        Daemon::new(peer, frame, (LogName::Process, LogFormat::Text))
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        (folder, path)
    }

    fn bind(path: &PathBuf) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut packet = vec![0; 1 << 20];
        let length = socket.recv(&mut packet).unwrap();
        String::from_utf8(packet[..length].to_vec()).unwrap()
    }

    const TWO: &[u8] = b"T INFO one\nT WARN two\n";

    #[test]
    fn each_line_is_a_datagram() {
        let (_folder, path) = folder();
        let socket = bind(&path);
        daemon(Peer::Unix(path), false).write_all(TWO).unwrap();
        let (one, two) = (received(&socket), received(&socket));
        assert!(one.starts_with("<30>1 T ") && one.ends_with(" process - one"), "{one}");
        assert!(two.starts_with("<28>1 T ") && two.ends_with(" process - two"), "{two}");

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        daemon(Peer::Udp(socket.local_addr().unwrap()), false).write_all(TWO).unwrap();
        let mut packet = [0; 1024];
        for end in [" - one", " - two"] {
            let length = socket.recv(&mut packet).unwrap();
            assert!(packet[..length].ends_with(end.as_bytes()), "{}", packet.escape_ascii());
        }
    }

    #[test]
    fn an_empty_line_is_no_datagram_and_a_line_without_a_time_has_that_of_its_datagram() {
        let (_folder, path) = folder();
        let socket = bind(&path);
        let syslog = Syslog { facility: Facility::Daemon, app_name: "lb".into() };
        let frame = Frame::Syslog(SyslogFrame::new(LogName::Access, &syslog));
        let lines = (LogName::Access, LogFormat::Combined);
        let before = timestamp(clock::wall());
        Daemon::new(Peer::Unix(path), frame, lines).write_all(b"\none\n").unwrap();
        let message = received(&socket);
        assert!(message.ends_with(" access - one"), "{message}");
        // Times of this form have the order of their texts.
        let time = message.split(' ').nth(1).unwrap();
        assert!(*before <= *time && *time <= *timestamp(clock::wall()), "{message}");
    }

    #[test]
    fn a_line_waits_for_a_daemon_that_is_restarted() {
        let (folder, path) = folder();
        let socket = bind(&path);
        let mut daemon = daemon(Peer::Unix(path.clone()), true);
        daemon.write_all(b"T INFO one\n").unwrap();
        assert!(received(&socket).contains("MESSAGE=one\n"));
        drop(socket);
        std::fs::remove_file(&path).unwrap();
        let (failed, has_failed) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                failed.send(daemon.send().is_err()).unwrap();
                daemon.write_all(b"T INFO two\n").unwrap();
            });
            assert!(has_failed.recv_timeout(DEADLINE).unwrap(), "it is gone");
            // Bound elsewhere first, because it would take datagrams before it has a deadline.
            let other = folder.path().join("other");
            let socket = bind(&other);
            std::fs::rename(&other, &path).unwrap();
            assert!(received(&socket).contains("MESSAGE=two\n"));
        });
    }

    #[test]
    fn a_daemon_that_stays_away_costs_lines_and_not_the_log() {
        let (_folder, path) = folder();
        let mut daemon = daemon(Peer::Unix(path.clone()), false);
        assert_eq!(daemon.write(TWO).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(daemon.write(TWO).unwrap_err().kind(), io::ErrorKind::NotFound);
        let socket = bind(&path);
        daemon.write_all(TWO).unwrap();
        assert!(received(&socket).ends_with(" - one"));
    }

    #[test]
    fn a_daemon_that_takes_nothing_costs_lines_and_not_the_log() {
        let (_folder, path) = folder();
        let socket = bind(&path);
        let mut daemon = daemon(Peer::Unix(path), false);
        let error = loop {
            if let Err(error) = daemon.write(b"T INFO full\n") {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(received(&socket).ends_with(" - full"));
        daemon.write_all(b"T INFO one\n").unwrap();
        while !received(&socket).ends_with(" - one") {}
    }

    #[test]
    fn a_line_that_is_too_large_is_cut() {
        let (_folder, path) = folder();
        let socket = bind(&path);
        let line = format!("T INFO {}\nT INFO after\n", "x".repeat(1 << 20));
        for is_journal in [false, true] {
            let mut daemon = daemon(Peer::Unix(path.clone()), is_journal);
            daemon.write_all(line.as_bytes()).unwrap();
            let packet = received(&socket);
            assert_eq!(packet.matches('x').count(), SHORT, "{}", packet.len());
            assert!(received(&socket).contains("after"));
        }
    }
}
