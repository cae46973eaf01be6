//! The life of a process that serves: its reactions to signals, commands and changes of its file,
//! and its end.

pub(super) mod commands;
pub(super) mod draining;
mod expiry;
pub(super) mod supervision;
pub(super) mod watch;
