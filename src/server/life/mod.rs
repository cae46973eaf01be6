//! The life of a process that serves: what it does when a signal, a command or a change of its
//! file asks for something, and how it ends.

pub(super) mod commands;
pub(super) mod draining;
pub(super) mod stop_accepting;
pub(super) mod supervision;
pub(super) mod watch;
