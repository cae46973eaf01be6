//! Where the lines of both logs end up: a stream of the process, a file, or a daemon.
//!
//! Everything here runs on the thread of a log, behind its queue, and may wait. An output takes whole lines
//! in their order; an error means that the line at hand, and what else the caller gives up with it, is lost.

mod daemon;
mod framed;
mod journal;
pub(super) mod painted;
mod rotating;
mod syslog;

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
};

use self::{
    daemon::{Daemon, Frame, Peer},
    journal::JournalFrame,
    syslog::SyslogFrame,
};
use crate::config::{LogDelivery, LogFormat, LogTarget, SyslogSocket};
use crate::files::append_to;

pub(super) use framed::{Framed, LogName};

/// An output; each call of `write` takes a part of what it is given, at the end of which a line may be unfinished.
pub(super) type Output = Box<dyn Write + Send>;

/// Opens the output of a log whose lines have this format. A daemon need not be there yet.
///
/// # Errors
///
/// When a file cannot be opened, with its name.
pub(super) fn open(
    log: LogName,
    target: &LogTarget,
    format: LogFormat,
    delivery: &LogDelivery,
) -> io::Result<Output> {
    let daemon = |peer, frame| -> Output { Box::new(Daemon::new(peer, frame, (log, format))) };
    Ok(match target {
        // The standard library's handle would buffer everything behind the last line end.
        LogTarget::Stdout => {
            painted::for_terminal(File::from(io::stdout().as_fd().try_clone_to_owned()?))
        }
        // Written through the standard library's lock, so that lines of the two logs do not mix.
        LogTarget::Stderr => painted::for_terminal(io::stderr()),
        LogTarget::File(path) => match delivery.rotation {
            Some(rotation) => rotating::open(log, path, rotation)?,
            None => Box::new(append_to(path)?),
        },
        LogTarget::Journald(path) => {
            let frame = JournalFrame::new(log, &delivery.syslog);
            daemon(Peer::Unix(path.clone()), Frame::Journal(frame))
        }
        LogTarget::Syslog(socket) => {
            let peer = match socket {
                SyslogSocket::Unix(path) => Peer::Unix(path.clone()),
                SyslogSocket::Udp(address) => Peer::Udp(*address),
            };
            daemon(peer, Frame::Syslog(SyslogFrame::new(log, &delivery.syslog)))
        }
    })
}
