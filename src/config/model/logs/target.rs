//! Where the lines of a log go, and how they get there.

use std::{
    fmt,
    net::SocketAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use crate::config::word::Word;

/// The destination of log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of this file.
    File(PathBuf),
    /// The systemd journal, at this socket.
    Journald(PathBuf),
    /// A syslog daemon.
    Syslog(SyslogSocket),
}

/// Where a syslog daemon takes messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogSocket {
    /// A Unix socket for datagrams.
    Unix(PathBuf),
    /// A port of UDP.
    Udp(SocketAddr),
}

/// How lines of both logs get to files and daemons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDelivery {
    /// When files are put aside; `None` if something else does that.
    pub rotation: Option<LogRotation>,
    /// How `lb` introduces itself to syslog and the journal.
    pub syslog: Syslog,
}

/// When the file of a log is put aside, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRotation {
    /// The bytes that a file has at most, unless a single line is longer.
    pub size: NonZeroU64,
    /// The number of files beside the one that is written.
    pub keep: u16,
}

/// How `lb` introduces itself to syslog and the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// The kind of program.
    pub facility: Facility,
    /// The name of the program.
    pub app_name: Box<str>,
}

/// The kind of program that a message comes from (RFC 5424 section 6.2.1). Those that only parts of an
/// operating system use are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as syslog names it")]
pub enum Facility {
    User = 1,
    Daemon = 3,
    Local0 = 16,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

impl LogTarget {
    /// The socket at which the journal takes messages, unless the file names another one.
    pub const JOURNAL: &str = "/run/systemd/journal/socket";
    /// The socket at which the syslog daemon of a machine takes messages.
    pub const DEV_LOG: &str = "/dev/log";

    /// Whether it is a stream of the process, which ends with its terminal.
    #[must_use]
    pub fn is_standard_stream(&self) -> bool {
        matches!(self, Self::Stdout | Self::Stderr)
    }
}

impl fmt::Display for LogTarget {
    /// Writes the target as the configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => path.display().fmt(f),
            Self::Journald(path) if path == Path::new(Self::JOURNAL) => f.write_str("journald"),
            Self::Journald(path) => write!(f, "journald:unix:{}", path.display()),
            Self::Syslog(SyslogSocket::Unix(path)) if path == Path::new(Self::DEV_LOG) => {
                f.write_str("syslog")
            }
            Self::Syslog(SyslogSocket::Unix(path)) => write!(f, "syslog:unix:{}", path.display()),
            Self::Syslog(SyslogSocket::Udp(address)) => write!(f, "syslog:udp:{address}"),
        }
    }
}

impl Word for Facility {
    const ALL: &'static [Self] = &[
        Self::Daemon,
        Self::User,
        Self::Local0,
        Self::Local1,
        Self::Local2,
        Self::Local3,
        Self::Local4,
        Self::Local5,
        Self::Local6,
        Self::Local7,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Daemon => "daemon",
            Self::Local0 => "local0",
            Self::Local1 => "local1",
            Self::Local2 => "local2",
            Self::Local3 => "local3",
            Self::Local4 => "local4",
            Self::Local5 => "local5",
            Self::Local6 => "local6",
            Self::Local7 => "local7",
        }
    }
}
