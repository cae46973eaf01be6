//! How it stands with the certificates that `lb` gets by itself, for the page, the metrics and the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use parking_lot::Mutex;

use super::schedule::Failures;
use crate::acme::request::CertificateRequest;

/// How it stands with all certificates that `lb` gets by itself.
#[derive(Debug, Default)]
pub struct Progress(Mutex<BTreeMap<String, RequestProgress>>);

/// How it stands with one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestProgress {
    /// Its names.
    pub hosts: Vec<Box<str>>,
    /// The authority.
    pub by: String,
    /// When it is asked for next, or is to be asked for at once if that is in the past; `None` before
    /// that is known.
    pub next: Option<SystemTime>,
    /// Whether this process is asking for it.
    pub is_under_way: bool,
    /// The failures since the last certificate, of all instances.
    pub failures: Option<Failures>,
    /// The orders of this process that have ended with a certificate.
    pub issued: u64,
    /// The orders of this process that have failed.
    pub failed: u64,
}

/// The figures of the certificates that begin with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFigures {
    /// The name.
    pub name: Box<str>,
    /// The orders of this process that have ended with a certificate.
    pub issued: u64,
    /// The orders of this process that have failed.
    pub failed: u64,
    /// The failures since the last certificate, of all instances.
    pub failures: u32,
    /// When the authority is asked next.
    pub next: Option<SystemTime>,
}

impl Progress {
    /// Every certificate, by its name.
    #[must_use]
    pub fn all(&self) -> Vec<RequestProgress> {
        self.0.lock().values().cloned().collect()
    }

    /// For each first name, the sum of the certificates that begin with it.
    #[must_use]
    pub fn by_first_host(&self) -> Vec<OrderFigures> {
        let mut all: BTreeMap<Box<str>, OrderFigures> = BTreeMap::new();
        for order in self.0.lock().values() {
            let name = order.hosts.first().cloned().unwrap_or_default();
            let sum = all.entry(name.clone()).or_insert_with(|| OrderFigures {
                name,
                issued: 0,
                failed: 0,
                failures: 0,
                next: None,
            });
            sum.issued += order.issued;
            sum.failed += order.failed;
            sum.failures += order.failures.as_ref().map_or(0, |failures| failures.count);
            sum.next = [sum.next, order.next].into_iter().flatten().min();
        }
        all.into_values().collect()
    }

    /// Forgets all but these.
    pub(super) fn retain(&self, ids: &BTreeSet<String>) {
        self.0.lock().retain(|id, _| ids.contains(id));
    }

    /// Changes what is known of this one.
    pub(super) fn change(
        &self,
        request: &CertificateRequest,
        change: impl FnOnce(&mut RequestProgress),
    ) {
        let mut all = self.0.lock();
        let known = all.entry(request.id()).or_insert_with(|| RequestProgress {
            hosts: request.hosts.clone(),
            by: request.by().to_owned(),
            ..RequestProgress::default()
        });
        change(known);
    }
}
