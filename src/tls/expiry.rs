//! How long certificates are still valid, and which hosts have none that clients can trust.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use super::certificate::{CertificateFacts, CertificateOrigin};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A certificate that ends within this time is warned of: one that renews itself has been renewed long
/// before.
const NEAR_END: Duration = Duration::from_secs(20 * 24 * 60 * 60);

/// The whole days until this end; negative once a day has passed since.
#[must_use]
pub fn days_left(until: SystemTime, now: SystemTime) -> i64 {
    let days = |span: Duration| i64::try_from(span.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
    match until.duration_since(now) {
        Ok(left) => days(left),
        Err(passed) => -days(passed.duration()),
    }
}

/// Whether a certificate with this end is to be warned of.
#[must_use]
pub fn ends_soon(until: SystemTime, now: SystemTime) -> bool {
    until.duration_since(now).is_ok_and(|left| left < NEAR_END) || until < now
}

/// The hosts whose certificate comes by itself, and which have none that clients trust; in order, each
/// once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UntrustedHosts {
    /// Those with a certificate of `lb` alone, because the order for them is not done.
    pub self_signed: Vec<Box<str>>,
    /// Those with a certificate that has expired, because there is no better one.
    pub expired: Vec<Box<str>>,
}

/// The hosts of these certificates that have none that clients trust at this moment.
#[must_use]
pub fn untrusted_hosts(certificates: &[CertificateFacts], now: SystemTime) -> UntrustedHosts {
    let names = |is_meant: &dyn Fn(&CertificateFacts) -> bool| {
        let meant = certificates.iter().filter(|facts| is_meant(facts));
        meant.flat_map(|facts| facts.names.iter().cloned()).collect::<BTreeSet<_>>()
    };
    let is_self_signed = |facts: &CertificateFacts| facts.source == CertificateOrigin::SelfSigned;
    let trusted = names(&|facts| facts.until >= now && !is_self_signed(facts));
    let expired = names(&|facts| {
        facts.until < now
            && matches!(facts.source, CertificateOrigin::Acme | CertificateOrigin::LocalAuthority)
    });
    UntrustedHosts {
        self_signed: names(&is_self_signed).into_iter().collect(),
        expired: expired.difference(&trusted).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_untrusted_while_it_has_only_a_stand_in_or_an_expired_certificate() {
        let now = SystemTime::UNIX_EPOCH + DAY * 1000;
        let facts = |names: &[&str], source: CertificateOrigin, days: i64| CertificateFacts {
            names: names.iter().map(|name| (*name).into()).collect(),
            issuer: "CN=a".into(),
            from: SystemTime::UNIX_EPOCH,
            until: if days < 0 { now - DAY } else { now + DAY },
            source,
        };
        let found = untrusted_hosts(
            &[
                facts(&["good.example"], CertificateOrigin::Acme, 1),
                facts(&["old.example", "good.example"], CertificateOrigin::Acme, -1),
                facts(&["local.example"], CertificateOrigin::LocalAuthority, -1),
                facts(&["b.example", "a.example"], CertificateOrigin::SelfSigned, 1),
                facts(&["file.example"], CertificateOrigin::File("a.pem".into()), -1),
            ],
            now,
        );
        let names = |names: &[&str]| names.iter().map(|it| (*it).into()).collect::<Vec<Box<str>>>();
        assert_eq!(found.self_signed, names(&["a.example", "b.example"]));
        assert_eq!(found.expired, names(&["local.example", "old.example"]));
    }

    #[test]
    fn days_are_whole_and_a_warning_begins_twenty_days_before_the_end() {
        let end = SystemTime::UNIX_EPOCH + DAY * 1000;
        let second = Duration::from_secs(1);
        for (now, days, is_soon) in [
            (end - DAY * 21, 21, false),
            (end - DAY * 20, 20, false),
            (end - DAY * 20 + second, 19, true),
            (end - DAY, 1, true),
            (end - second, 0, true),
            (end, 0, true),
            (end + second, 0, true),
            (end + DAY * 2, -2, true),
        ] {
            assert_eq!(days_left(end, now), days, "{now:?}");
            assert_eq!(ends_soon(end, now), is_soon, "{now:?}");
        }
    }
}
