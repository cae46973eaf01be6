//! An incident of a backend, or of the proxy, in the middle of a turn.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{backend::Backend, proxies::Running};

/// Something that happens once in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incident {
    /// The first backend is gone, with its socket.
    Kill,
    /// The first backend accepts, and says nothing: the system does the accepting.
    Stop,
    /// The proxy loads its configuration anew.
    Reload,
}

impl Incident {
    pub(crate) fn happen(self, backends: &[Backend], proxy: &mut Running) {
        match self {
            Self::Kill => send(backends[0].pid(), Signal::SIGKILL),
            Self::Stop => send(backends[0].pid(), Signal::SIGSTOP),
            Self::Reload => proxy.reload(),
        }
    }
}

/// The process is the bench's own, and has not been waited for.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("a process id"));
    kill(pid, signal).expect("a process of ours");
}
