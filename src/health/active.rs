//! Active checks: Pingora's loop, with our jitter, our deadline, and our bookkeeping.
//!
//! One pass of Pingora's loop starts all checks at once and waits for the slowest. So that 200
//! backends are not hit in the same millisecond every time, each check first waits a random part of
//! `interval - timeout`, so that the pass still ends within the interval. Only the first check of a
//! backend does not wait, because until then its health is unknown.
//!
//! Of a large pool only [`AT_ONCE`] checks run at a time. More checks would wait for this machine
//! rather than for their backends, and would be counted as failures; the time for which a check
//! waits for its turn is not part of its deadline.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingora_core::{Error, ErrorType, Result};
use pingora_load_balancing::{Backend as Target, health_check::HealthCheck};
use tokio::sync::Semaphore;

use super::{
    probe::Question,
    verdict::{local_lack, reason},
};
use crate::backend::{Address, Backend, CheckResult, Event, Policy, Roster};
use crate::clock;
use crate::config;
use crate::state_log::{self, ChangeCause};

/// The most checks of one pool that run at a time.
const AT_ONCE: usize = 256;

/// The active check of one pool.
pub struct ActiveCheck {
    config: config::HealthCheck,
    roster: Arc<Roster>,
    policy: Policy,
    question: Question,
    turns: Semaphore,
    /// Whether the last check could not be made, because this machine lacked something.
    is_starved: AtomicBool,
}

impl ActiveCheck {
    /// A check that records its results in this roster.
    #[must_use]
    pub fn new(config: config::HealthCheck, policy: Policy, roster: Arc<Roster>) -> Self {
        Self {
            question: Question::new(&config),
            config,
            roster,
            policy,
            turns: Semaphore::new(AT_ONCE),
            is_starved: AtomicBool::new(false),
        }
    }

    fn jitter(&self) -> Duration {
        self.config.interval.saturating_sub(self.config.timeout).mul_f64(fastrand::f64())
    }

    /// One check, with its deadline.
    async fn ask(&self, address: &Address, to: SocketAddr) -> Result<()> {
        let asked = self.question.ask(address, to, &self.config);
        match tokio::time::timeout(self.config.timeout, asked).await {
            Ok(result) => result,
            Err(_) => Error::e_explain(ErrorType::ReadTimedout, "health check"),
        }
    }

    /// Takes the result of a check. One that could not be made says nothing about the backend.
    fn conclude(&self, backend: &Arc<Backend>, result: &Result<()>, began: Instant, now: Instant) {
        let lack = result.as_ref().err().and_then(|error| local_lack(error));
        self.note_lack(lack.as_deref());
        if lack.is_none() {
            self.record(backend, result, began, now);
        }
    }

    fn record(&self, backend: &Arc<Backend>, result: &Result<()>, began: Instant, now: Instant) {
        let failure = result.as_ref().err().map(|error| reason(error));
        let event = match result {
            Ok(()) => Event::CheckPassed,
            Err(error) => {
                Event::CheckFailed { refused: error.root_etype() == &ErrorType::ConnectRefused }
            }
        };
        let changes = self.roster.apply(backend, event, &self.policy, now);
        let cause = failure.as_deref().map_or(ChangeCause::Implied, ChangeCause::FailedCheck);
        state_log::record(&self.roster, &changes, cause, now);
        let took = now.saturating_duration_since(began);
        backend.counts().checked(CheckResult { failure, took, at: now });
    }

    /// Notes whether this machine had what a check needs; logs when that changes.
    fn note_lack(&self, lack: Option<&str>) {
        if self.is_starved.swap(lack.is_some(), Ordering::Relaxed) == lack.is_some() {
            return;
        }
        let pool = self.roster.pool();
        match lack {
            Some(reason) => log::error!(
                pool:% = pool, reason;
                "health checks cannot be made on this machine, backends keep their state"
            ),
            None => log::info!(pool:% = pool; "health checks can be made again"),
        }
    }
}

#[async_trait]
impl HealthCheck for ActiveCheck {
    async fn check(&self, target: &Target) -> Result<()> {
        let Some(mut to) = target.addr.as_inet().copied() else {
            return Error::e_explain(ErrorType::InternalError, "only TCP backends are checked");
        };
        let address = Address::Tcp(to);
        // A backend that has left the pool since this round of checks began is not checked any more.
        let Some(backend) = self.roster.known(&address) else { return Ok(()) };
        if backend.is_checked() {
            tokio::time::sleep(self.jitter()).await;
        }
        // The semaphore is never closed, so there always is a turn.
        let _turn = self.turns.acquire().await;
        if let Some(port) = self.config.port {
            to.set_port(port.get());
        }
        let began = clock::now();
        let result = self.ask(&address, to).await;
        self.conclude(&backend, &result, began, clock::now());
        result
    }

    /// Pingora's own verdict is not used; it follows each result.
    fn health_threshold(&self, _success: bool) -> usize {
        1
    }

    fn backend_summary(&self, target: &Target) -> String {
        format!("pool {} backend {}", self.roster.pool(), target.addr)
    }
}

impl std::fmt::Debug for ActiveCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActiveCheck").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::atomic::AtomicUsize};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::JoinSet,
    };

    use super::*;
    use crate::config::{Flags, PoolName};

    const POLICY: Policy =
        Policy { rise: 1, fall: 1, checked: true, ejection: None, panic_threshold: None };

    fn check(roster: &Arc<Roster>) -> Arc<ActiveCheck> {
        let text = "routes: [ { pool: web } ]
listeners: [ { address: 127.0.0.1:0 } ]
pools: { web: { backends: [ { address: 127.0.0.1:1 } ],
                health_check: { path: /, interval: 60s, timeout: 50s } } }";
        let config = config::parse("lb.yaml", text, &Flags::default()).unwrap().config;
        let config = config.pools[0].health_check.clone().unwrap();
        Arc::new(ActiveCheck::new(config, POLICY, Arc::clone(roster)))
    }

    fn roster() -> Arc<Roster> {
        Arc::new(Roster::new(PoolName::new("web"), Arc::default(), clock::now()))
    }

    fn target(address: SocketAddr) -> Target {
        Target { addr: address.into(), weight: 1, ext: http::Extensions::new() }
    }

    #[tokio::test]
    async fn a_check_of_a_removed_backend_does_not_begin() {
        let roster = roster();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(check(&roster).check(&target(address)).await.is_ok());
        assert!(roster.known(&address.into()).is_none());
    }

    #[tokio::test]
    async fn a_check_that_ends_late_does_not_bring_a_removed_backend_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n"] {
            let roster = roster();
            let removed = roster.backend(&address.into());
            let check = check(&roster);
            let under_way = tokio::spawn(async move { check.check(&target(address)).await });
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            roster.enlist(&HashMap::new(), &POLICY, clock::now());
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = under_way.await.unwrap();
            assert!(roster.known(&address.into()).is_none(), "{answer}");
            assert!(roster.remember(clock::now()).is_empty());
            assert!(!removed.is_checked(), "nothing befalls it");
        }
    }

    #[test]
    fn a_check_that_could_not_be_made_says_nothing_about_its_backend() {
        let (roster, now) = (roster(), clock::now());
        let backend = roster.backend(&SocketAddr::from(([127, 0, 0, 1], 1)).into());
        let check = check(&roster);
        let no_file = std::io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32);
        let lack = Error::e_because(ErrorType::ConnectError, "connecting", no_file);
        check.conclude(&backend, &lack, now, now);
        assert!(!backend.is_checked() && backend.is_eligible());
        assert!(backend.counts().last_check().is_none());
        check.conclude(&backend, &Error::e_explain(ErrorType::ReadTimedout, "late"), now, now);
        assert!(backend.is_checked() && !backend.is_eligible());
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_waits_for_its_turn_is_no_failure() {
        let roster = roster();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let backend = roster.backend(&address.into());
        let check = check(&roster);
        // As many as may run at a time.
        let turns = check.turns.acquire_many(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
        let target = target(address);
        let mut waits = Box::pin(check.check(&target));
        let long = 10 * check.config.timeout;
        assert!(tokio::time::timeout(long, &mut waits).await.is_err(), "it has no turn");
        assert!(!backend.is_checked());
        drop(turns);
        assert!(waits.await.is_err(), "no backend listens there");
        assert!(backend.is_checked());
    }

    #[tokio::test]
    async fn a_large_pool_is_checked_in_parts_and_found_healthy() {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let server = tokio::spawn({
            let (open, most) = (Arc::clone(&open), Arc::clone(&most));
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let open = Arc::clone(&open);
                    tokio::spawn(async move {
                        let _ = stream.read(&mut [0; 1024]).await;
                        open.fetch_sub(1, Ordering::SeqCst);
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    });
                }
            }
        });
        let roster = roster();
        let check = check(&roster);
        let mut checks = JoinSet::new();
        for number in 0..u16::try_from(2 * AT_ONCE).unwrap() {
            let [high, low] = number.to_be_bytes();
            let address = SocketAddr::from(([127, 1, high, low], port));
            let _ = roster.backend(&address.into());
            let check = Arc::clone(&check);
            checks.spawn(async move { check.check(&target(address)).await.map(|()| address) });
        }
        for result in checks.join_all().await {
            let backend = roster.known(&result.unwrap().into()).unwrap();
            assert!(backend.is_checked() && backend.is_eligible());
        }
        assert!(most.load(Ordering::SeqCst) <= AT_ONCE, "{most:?}");
        server.abort();
    }
}
