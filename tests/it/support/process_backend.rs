//! A backend that can be killed and stopped like a process, and whose executed requests are still
//! known: a balancer of its own in front of a scripted backend, which is not killed.

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
    /// The process; `None` while it is dead.
    process: Option<LbProcess>,
    _claim: Option<TcpSocket>,
}

impl ProcessBackend {
    /// A backend that answers as the scripted one does, and repeats no request.
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

    /// Its address, also while it is dead.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it with SIGKILL; returns when it is dead.
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

    /// Stops it with SIGSTOP: the system still accepts its connections and their bytes.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Continues it with SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("it is alive").signal(signal);
    }
}
