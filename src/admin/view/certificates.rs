//! The certificates of all listeners, each once, with the listeners that use it.

use std::time::SystemTime;

use crate::admin::view;
use crate::generation::Generation;
use crate::telemetry;
use crate::tls::{CertificateFacts, days_left};

/// The certificates, in the order of the configuration.
pub(in crate::admin) fn certificates(
    generation: &Generation,
    now: SystemTime,
) -> view::Certificates {
    let mut found: Vec<(CertificateFacts, Vec<String>)> = Vec::new();
    for (listener, facts) in generation.certificates() {
        match found.iter_mut().find(|(known, _)| *known == facts) {
            Some((_, listeners)) => listeners.push(listener.to_string()),
            None => found.push((facts, vec![listener.to_string()])),
        }
    }
    let certificates = found.into_iter().map(|(facts, listeners)| view::Certificate {
        names: facts.names.iter().map(ToString::to_string).collect(),
        issuer: facts.issuer.to_string(),
        from: telemetry::timestamp(facts.from),
        until: telemetry::timestamp(facts.until),
        days_left: days_left(facts.until, now),
        source: facts.source.to_string(),
        listeners,
    });
    view::Certificates { certificates: certificates.collect() }
}

/// The days that are left of the certificate of a listener that ends first; `None` without TLS.
pub(super) fn least_days_left(
    generation: &Generation,
    listener: &str,
    now: SystemTime,
) -> Option<i64> {
    let certificates = generation.certificates().filter(|(of, _)| of.to_string() == listener);
    certificates.map(|(_, facts)| days_left(facts.until, now)).min()
}
