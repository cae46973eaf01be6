//! What was seen in a run: by the clients, by the backends, in the process log, and of the process when
//! all was over. Values only; every time is since the beginning.

use std::{collections::HashMap, time::Duration};

use super::plan::Fault;

/// Everything that a run is judged by.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub visits: Vec<Visit>,
    /// By the id of the request.
    pub arrivals: HashMap<u64, Vec<Arrival>>,
    /// Requests whose body was not the one that their client sent.
    pub changed_bodies: Vec<u64>,
    /// What the backends played.
    pub bad: Vec<Bad>,
    /// What the process log says of backends.
    pub notices: Vec<Notice>,
    /// Upgrades, from the command to its end.
    pub upgrades: Vec<Span>,
    /// When the machine let a thread of the test wait for long.
    pub stalls: Vec<Span>,
    /// Commands that failed, and lines of the process log that should not be there.
    pub complaints: Vec<String>,
    /// What is left when all clients have gone.
    pub remains: Remains,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub from: Duration,
    pub to: Duration,
}

impl Span {
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// A request as its client saw it.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub id: u64,
    /// Its method and path.
    pub what: String,
    pub is_repeatable: bool,
    pub span: Span,
    /// When its connection was opened.
    pub connected: Duration,
    /// Whether the connection had carried another request before.
    pub is_reused: bool,
    pub end: End,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The whole answer of a backend that was well, to this very request.
    Good,
    /// An answer that looks good, and is not the one to this request.
    Wrong,
    /// Another whole answer.
    Status(u16),
    /// An answer that broke off after its header, which came from this backend.
    Cut(Option<usize>),
    /// The connection ended, or never was, and no answer came.
    Unanswered(String),
    /// The client left by its own choice.
    Left,
    /// The client waits no longer.
    Late,
    /// It was pipelined behind the last answer of its connection.
    NotServed,
}

/// The header of a request has come to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub id: u64,
    pub backend: usize,
    /// What the backend plays at that moment.
    pub fault: Option<Fault>,
    pub at: Duration,
}

/// A fault that a backend has played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad {
    pub backend: usize,
    pub fault: Fault,
    pub from: Duration,
    pub to: Duration,
}

/// A line about a backend in the process log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub at: Duration,
    pub backend: usize,
    pub what: What,
    /// The line.
    pub text: String,
}

/// What such a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Ejected,
    Unhealthy,
}

/// What the process has when all clients have gone.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Remains {
    /// Gauges that are not 0, with their values.
    pub gauges: Vec<String>,
    /// Open files, connections apart, before and after.
    pub files: (usize, usize),
    /// What the open files are at the end.
    pub kinds: Vec<String>,
    /// Kilobytes in memory, before and after.
    pub memory: (u64, u64),
    /// Connections that are still open.
    pub connections: usize,
    /// Backends of the pool with brief ejections that do not come back.
    pub out: Vec<String>,
}
