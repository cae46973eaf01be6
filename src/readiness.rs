//! Whether this process should be sent requests.
//!
//! The admin listener, `lb health` and the service manager get the same answer. It depends on what the
//! process is doing and on what its pools can do, and it names the reason, because that is what a person
//! on call sees first.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::time;

use crate::clock;
use crate::config::PoolName;
use crate::generation::Current;

/// The interval at which it is tested whether every backend has been checked: far shorter than a
/// check, far longer than the test.
const CHECKED_POLL: Duration = Duration::from_millis(20);

/// What the process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It does not serve yet, or its backends have not been checked yet.
    Starting,
    /// It serves.
    Serving,
    /// It finishes what it has, and then ends.
    Draining,
}

/// Why this process should not be sent requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// See [`Phase::Starting`].
    Starting,
    /// See [`Phase::Draining`].
    Draining,
    /// In these pools no backend can take a request; sorted by name, never empty.
    Pools(Vec<PoolName>),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Draining => f.write_str("draining"),
            Self::Pools(pools) => {
                let names: Vec<_> = pools.iter().map(PoolName::as_str).collect();
                write!(f, "no eligible backend in pool {}", names.join(", "))
            }
        }
    }
}

/// Whether this process should be sent requests, as far as it knows.
#[derive(Debug)]
pub struct Readiness {
    phase: AtomicU8,
    /// The state has been sent to the successor, which has not taken over yet.
    is_handing_over: AtomicBool,
    current: Arc<Current>,
}

impl Readiness {
    /// The readiness of a process that is starting and will serve `current`.
    #[must_use]
    pub fn new(current: Arc<Current>) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Starting as u8),
            is_handing_over: AtomicBool::new(false),
            current,
        }
    }

    /// Sets what the process is doing.
    pub fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Sets whether the successor has been sent the state of this process.
    pub fn set_handing_over(&self, is_handing_over: bool) {
        self.is_handing_over.store(is_handing_over, Ordering::SeqCst);
    }

    /// Whether a change by an operator would last: not if the successor has been sent the state already.
    #[must_use]
    pub fn takes_orders(&self) -> bool {
        self.phase() == Phase::Serving && !self.is_handing_over.load(Ordering::SeqCst)
    }

    /// What the process is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phases = [Phase::Starting, Phase::Serving];
        let phase = self.phase.load(Ordering::Relaxed);
        phases.into_iter().find(|one| *one as u8 == phase).unwrap_or(Phase::Draining)
    }

    /// Waits until the first check of every backend has ended. Needs a Tokio runtime with a timer.
    pub async fn first_round(&self) {
        while !self.current.is_checked() {
            time::sleep(CHECKED_POLL).await;
        }
    }

    /// Goes from [`Phase::Starting`] to [`Phase::Serving`]; a process that drains by then keeps
    /// draining. To be called when the process accepts requests and its backends are checked.
    pub fn serve(&self) {
        let (starting, serving) = (Phase::Starting as u8, Phase::Serving as u8);
        // An error means that the process drains already.
        let _ =
            self.phase.compare_exchange(starting, serving, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether this process should be sent requests at this moment.
    ///
    /// # Errors
    ///
    /// The reason why it should not.
    pub fn check(&self) -> Result<(), Unready> {
        match self.phase() {
            Phase::Starting => Err(Unready::Starting),
            Phase::Draining => Err(Unready::Draining),
            Phase::Serving => {
                let pools = self.current.pin().pools_without_backend(clock::now());
                if pools.is_empty() { Ok(()) } else { Err(Unready::Pools(pools)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Flags};
    use crate::discovery;

    const SECOND: Duration = Duration::from_secs(1);
    /// Far longer than any step of a test takes, so that a broken test ends.
    const DEADLINE: Duration = Duration::from_secs(30);
    const CHECKS_OFF: &str = "routes: [ { pool: web } ]\npools:\n  web:\n    backends: [ { \
                              address: 127.0.0.1:9 } ]\n    health_check: off\n";

    async fn readiness(yaml: &str) -> Readiness {
        let yaml = format!("listeners: [ {{ address: 127.0.0.1:0 }} ]\n{yaml}");
        let config = config::parse("lb.yaml", &yaml, &Flags::default()).unwrap().config;
        let resolved = discovery::resolve(&config).unwrap();
        let current = Current::new(&config, &resolved, None, clock::now()).await.unwrap();
        Readiness::new(Arc::new(current))
    }

    #[tokio::test]
    async fn it_is_ready_once_the_first_checks_have_ended() {
        let unchecked = readiness(&CHECKS_OFF.replace("off", "{ path: / }")).await;
        let waiting = time::timeout(SECOND / 10, unchecked.first_round());
        waiting.await.expect_err("no checks run");
        assert_eq!(unchecked.check(), Err(Unready::Starting));

        let readiness = readiness(CHECKS_OFF).await;
        assert_eq!(readiness.check(), Err(Unready::Starting));
        time::timeout(DEADLINE, readiness.first_round()).await.expect("there are none");
        readiness.serve();
        assert_eq!(readiness.check(), Ok(()));
    }

    #[tokio::test]
    async fn a_process_that_drains_before_the_checks_have_ended_keeps_draining() {
        let readiness = readiness(CHECKS_OFF).await;
        readiness.set(Phase::Draining);
        readiness.serve();
        assert_eq!(
            (readiness.phase(), readiness.check()),
            (Phase::Draining, Err(Unready::Draining))
        );
    }

    #[tokio::test]
    async fn pools_without_an_eligible_backend_are_named_in_order_unless_no_route_leads_to_them() {
        let pools: String = ["web", "api", "spare", "fine"]
            .iter()
            .map(|name| {
                let drain = *name != "fine";
                format!(
                    "  {name}:\n    backends: [ {{ address: 127.0.0.1:9, drain: {drain} }} ]\n    \
                     health_check: off\n"
                )
            })
            .collect();
        let routes = "routes: [ { pool: web }, { path: /fine, pool: fine }, { path: /api, pool: api }, \
                      { path: /v1, pool: web } ]";
        let readiness = readiness(&format!("{routes}\npools:\n{pools}")).await;
        readiness.set(Phase::Serving);
        let names = ["api", "web"].map(PoolName::new);
        assert_eq!(readiness.check(), Err(Unready::Pools(names.to_vec())));
    }
}
