//! A backend that can be killed and stopped as only a process can, and that still tells what it
//! has executed: a balancer of its own in front of a scripted backend, which nobody kills.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use tokio::net::TcpSocket;

use super::{
    PATIENCE,
    backend::{ScriptedBackend, claim},
    process::LbProcess,
};

/// A process on a port of its own. Killed when dropped, also while it is stopped.
pub(crate) struct ProcessBackend {
    address: SocketAddr,
    yaml: String,
    /// `None` while it is dead.
    process: Option<LbProcess>,
    _claim: Option<TcpSocket>,
}

impl ProcessBackend {
    /// Answers as the scripted backend does, and repeats nothing.
    pub(crate) fn before(backend: &ScriptedBackend) -> Self {
        let (address, claim) = claim().expect("a free port");
        let yaml = format!(
            "listeners: [ {{ address: {address} }} ]\nroutes: [ {{ pool: behind }} ]\npools:\n  \
             behind:\n    backends: [ {{ address: {} }} ]\n    health_check: off\n    \
             retry: {{ attempts: 1 }}\naccess_log: off\n",
            backend.address()
        );
        let mut process = Self { address, yaml, process: None, _claim: claim };
        process.start();
        process
    }

    /// Where it listens, also while it is dead.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// SIGKILL; returns when it is dead.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGKILL);
            process.wait_for_exit(PATIENCE);
        }
    }

    /// Comes back on the same port; returns when it listens.
    pub(crate) fn start(&mut self) {
        self.process.get_or_insert_with(|| {
            let mut process = LbProcess::with_config(&self.yaml, &[]);
            process.address();
            process
        });
    }

    /// SIGSTOP: the system goes on to accept its connections and what comes on them.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("it is alive").signal(signal);
    }
}
