//! Active checks: Pingora's, with our jitter, our deadline, and our bookkeeping.
//!
//! One pass of Pingora's loop starts all checks at once and waits for the slowest. So that 200
//! backends are not hit in the same millisecond every time, each check first waits a random part
//! of `interval - timeout`: whatever it then takes, the pass still ends within the interval. Only
//! the first check of a backend starts at once, since until then nothing is known of it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::{Error, ErrorType, Result};
use pingora_load_balancing::{
    Backend as Target,
    health_check::{HealthCheck, HttpHealthCheck, TcpHealthCheck},
};

use crate::backend::{Address, Backend, CheckResult, Event, Policy, Roster};
use crate::clock;
use crate::config::{self, Probe};
use crate::state_log::{self, ChangeCause};

/// What backends see in their logs.
const USER_AGENT: &str = concat!("lb/", env!("CARGO_PKG_VERSION"), " (health check)");
/// The error that an unexpected status makes.
const UNEXPECTED: &str = "unexpected status";

/// The active check of one pool.
pub struct ActiveCheck {
    config: config::HealthCheck,
    roster: Arc<Roster>,
    policy: Policy,
    /// One for each address, because the Host header that Pingora sends is fixed in the check.
    probes: Mutex<HashMap<Address, Arc<dyn HealthCheck + Send + Sync>>>,
}

impl ActiveCheck {
    /// Records its results in this roster.
    #[must_use]
    pub fn new(config: config::HealthCheck, policy: Policy, roster: Arc<Roster>) -> Self {
        Self { config, roster, policy, probes: Mutex::default() }
    }

    fn probe(&self, address: &Address) -> Arc<dyn HealthCheck + Send + Sync> {
        let mut probes = self.probes.lock();
        Arc::clone(
            probes.entry(address.clone()).or_insert_with(|| build_probe(&self.config, address)),
        )
    }

    fn jitter(&self) -> Duration {
        self.config.interval.saturating_sub(self.config.timeout).mul_f64(fastrand::f64())
    }

    /// One check, with its deadline.
    async fn ask(&self, target: &Target, address: &Address) -> Result<()> {
        let probe = self.probe(address);
        match tokio::time::timeout(self.config.timeout, probe.check(target)).await {
            Ok(result) => result,
            Err(_) => Error::e_explain(ErrorType::ReadTimedout, "health check"),
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
}

#[async_trait]
impl HealthCheck for ActiveCheck {
    async fn check(&self, target: &Target) -> Result<()> {
        let Some(address) = target.addr.as_inet().map(|address| Address::Tcp(*address)) else {
            return Error::e_explain(ErrorType::InternalError, "only TCP backends are checked");
        };
        // A backend that has left the pool since this round of checks began is not checked any more.
        let Some(backend) = self.roster.known(&address) else { return Ok(()) };
        if backend.is_checked() {
            tokio::time::sleep(self.jitter()).await;
        }
        let mut target = target.clone();
        if let Some(port) = self.config.port {
            target.addr.set_port(port.get());
        }
        let began = clock::now();
        let result = self.ask(&target, &address).await;
        self.record(&backend, &result, began, clock::now());
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

fn build_probe(
    config: &config::HealthCheck,
    address: &Address,
) -> Arc<dyn HealthCheck + Send + Sync> {
    match &config.probe {
        Probe::Tcp => {
            let mut check = TcpHealthCheck::new();
            check.peer_template.options.connection_timeout = Some(config.timeout);
            Arc::new(*check)
        }
        Probe::Http { path, host, expect } => {
            let host = host.as_deref().map_or_else(|| address.to_string(), str::to_owned);
            let mut check = HttpHealthCheck::new(&host, false);
            check.peer_template.options.connection_timeout = Some(config.timeout);
            check.peer_template.options.read_timeout = Some(config.timeout);
            // Both are valid by construction; an error would only mean that a default is sent.
            let _ = check.req.set_raw_path(path.as_bytes());
            let _ = check.req.insert_header(http::header::USER_AGENT, USER_AGENT);
            let expect = expect.clone();
            check.validator = Some(Box::new(move |response| {
                let status = response.status.as_u16();
                if expect.contains(status) {
                    Ok(())
                } else {
                    Error::e_explain(ErrorType::CustomCode(UNEXPECTED, status), "health check")
                }
            }));
            Arc::new(check)
        }
    }
}

/// A failed check in a few plain words.
fn reason(error: &Error) -> String {
    match error.root_etype() {
        ErrorType::ConnectRefused => "connection refused".to_owned(),
        ErrorType::ConnectTimedout => "connection timed out".to_owned(),
        ErrorType::ConnectNoRoute => "no route to host".to_owned(),
        ErrorType::ReadTimedout => "no answer in time".to_owned(),
        ErrorType::ConnectionClosed => "connection closed before an answer".to_owned(),
        ErrorType::CustomCode(UNEXPECTED, status) => format!("status {status}"),
        ErrorType::InvalidHTTPHeader => "the answer is not HTTP".to_owned(),
        _ => error.root_cause().to_string(),
    }
}
