//! The shared state of the listener's connections, and limits that several of its parts use.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pingora_core::{Error, ErrorType, Result};
use tokio::{sync::Semaphore, time};

use super::{access::Exposure, idle::Idle};
use crate::admin::Api;
use crate::clock;
use crate::config::{Endpoint, ListenAddress};
use crate::count::ListenerCounts;
use crate::tls::TlsListener;

/// The time that a client has for its first header, for a body, and for taking a piece of the response.
pub(super) const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of a response that a client has to take within [`CLIENT_TIMEOUT`], in bytes.
pub(super) const PIECE: usize = 64 << 10;
/// The time that a client has for taking a whole response, however long; events have no end.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// The most responses at once that are as long as the pools are large. A slow client holds one of them in
/// memory, so further clients wait, and are refused after [`CLIENT_TIMEOUT`].
pub(super) const MAX_LONG_RESPONSES: usize = 8;
/// The most clients that follow the events at once.
pub(super) const MAX_EVENT_STREAMS: usize = 32;
/// The time between two warnings, so that guessing tokens does not fill the log.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// Limits a write to [`CLIENT_TIMEOUT`]. Pingora could limit it as well, by a clock of its own.
///
/// # Errors
///
/// Those of the write, or `WriteTimedout`.
pub(super) async fn in_time<T>(write: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::e_explain(ErrorType::WriteTimedout, "the client takes nothing");
    time::timeout(CLIENT_TIMEOUT, write).await.unwrap_or_else(late)
}

/// The shared state of all connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: ListenAddress,
    pub(super) exposure: Exposure,
    pub(super) api: Api,
    pub(super) idle: Idle,
    /// Handshakes are counted here for the log alone.
    pub(super) counts: ListenerCounts,
    /// What handshakes needed at the start.
    first_tls: Option<Arc<TlsListener>>,
    /// Permits for clients that follow the events.
    pub(super) streams: Arc<Semaphore>,
    /// Permits for responses that may be long.
    pub(super) long_responses: Arc<Semaphore>,
    /// When the log last told of a wrong token.
    warned: Mutex<Option<Instant>>,
}

impl Shared {
    pub(super) fn new(address: &ListenAddress, api: Api) -> Self {
        let first_tls = api.current.pin().tls(&Endpoint::Admin).cloned();
        Self {
            counts: ListenerCounts::new(Endpoint::Admin.to_string(), clock::now()),
            first_tls,
            address: address.clone(),
            exposure: Exposure::of(address),
            api,
            idle: Idle::default(),
            streams: Arc::new(Semaphore::new(MAX_EVENT_STREAMS)),
            long_responses: Arc::new(Semaphore::new(MAX_LONG_RESPONSES)),
            warned: Mutex::default(),
        }
    }

    /// What handshakes need; `None` without TLS. If a reload has removed the listener from the
    /// configuration, or has given it another address, this one goes on as it began.
    pub(super) fn tls(&self) -> Option<Arc<TlsListener>> {
        let generation = self.api.current.pin();
        match &generation.config.admin {
            Some(admin) if admin.address == self.address => {
                generation.tls(&Endpoint::Admin).cloned()
            }
            _ => self.first_tls.clone(),
        }
    }

    /// Whether the log may tell of another wrong token now.
    pub(super) fn may_warn(&self) -> bool {
        let now = clock::now();
        let mut last = self.warned.lock();
        let may_warn =
            last.is_none_or(|last| now.saturating_duration_since(last) >= WARNING_INTERVAL);
        if may_warn {
            *last = Some(now);
        }
        may_warn
    }
}
