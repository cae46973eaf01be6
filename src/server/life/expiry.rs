//! Warns of certificates that end soon, once a day. A load of a configuration warns, too, but a process
//! may run for months without one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time;

use crate::clock;
use crate::config::Endpoint;
use crate::generation::Current;
use crate::telemetry;
use crate::tls::{CertificateFacts, days_left, ends_soon};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Warns of the certificates that are in use then, for ever.
pub(super) async fn warn_daily(current: Arc<Current>) {
    loop {
        time::sleep(DAY).await;
        let now = clock::wall();
        for (listener, facts) in due(current.pin().certificates(), now) {
            log::warn!(
                listener:%,
                certificate = facts.names.first().map_or("", |name| name),
                source:% = facts.source,
                until = telemetry::timestamp(facts.until),
                days_left = days_left(facts.until, now);
                "certificate ends soon"
            );
        }
    }
}

/// The certificates to be warned of.
fn due(
    certificates: impl Iterator<Item = (Endpoint, CertificateFacts)>,
    now: SystemTime,
) -> impl Iterator<Item = (Endpoint, CertificateFacts)> {
    certificates.filter(move |(_, facts)| ends_soon(facts.until, now))
}
