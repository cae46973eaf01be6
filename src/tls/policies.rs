//! Which rule about the certificates of clients holds for a host.
//!
//! The name in a handshake and the host of a request are looked up in one table, and compared as routes
//! compare them: a host that a route takes for another must not get around the rule of that one.

use std::{collections::HashMap, sync::Arc};

use super::client_auth::ClientAuth;
use crate::config::HostPattern;
use crate::host;

/// A rule of a listener, by its place among them. Equal rules have one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy(pub(super) usize);

/// The rules of a listener as they are written.
#[derive(Debug, Default)]
pub(super) struct ClientAuths {
    /// For every host that has no other.
    pub(super) every: Option<ClientAuth>,
    pub(super) hosts: Vec<(HostPattern, Option<ClientAuth>)>,
}

/// The rules of a listener by host.
#[derive(Debug)]
pub(super) struct Policies {
    /// The first one is for every host that has no other.
    all: Vec<Option<Arc<ClientAuth>>>,
    exact: HashMap<Box<str>, Policy>,
    /// With the leading dot.
    suffixes: HashMap<Box<str>, Policy>,
    /// The length of the longest suffix, which limits the look-ups for a host of many dots.
    longest_suffix: usize,
}

impl Policies {
    pub(super) fn new(rules: ClientAuths) -> Self {
        let mut policies = Self {
            all: vec![rules.every.map(Arc::new)],
            exact: HashMap::new(),
            suffixes: HashMap::new(),
            longest_suffix: 0,
        };
        for (host, rule) in rules.hosts {
            let policy = policies.place(rule);
            match host {
                HostPattern::Exact(host) => drop(policies.exact.insert(host, policy)),
                HostPattern::Suffix(suffix) => {
                    policies.longest_suffix = policies.longest_suffix.max(suffix.len());
                    policies.suffixes.insert(suffix, policy);
                }
            }
        }
        policies
    }

    fn place(&mut self, rule: Option<ClientAuth>) -> Policy {
        let identity = |rule: Option<&ClientAuth>| rule.map(|rule| rule.identity.clone());
        let wanted = identity(rule.as_ref());
        let known = self.all.iter().position(|it| identity(it.as_deref()) == wanted);
        Policy(known.unwrap_or_else(|| {
            self.all.push(rule.map(Arc::new));
            self.all.len() - 1
        }))
    }

    /// The rule for a host as a client sent it; `None` for a client that named none.
    pub(super) fn of(&self, host: Option<&str>) -> Policy {
        let has_hosts = self.all.len() > 1;
        let Some(host) = host.filter(|_| has_hosts) else { return Policy(0) };
        let host = host::canonical(host);
        let suffixed = || {
            let mut suffixes = host::suffixes(&host, self.longest_suffix);
            suffixes.find_map(|suffix| self.suffixes.get(suffix))
        };
        self.exact.get(&*host).or_else(suffixed).copied().unwrap_or(Policy(0))
    }

    /// The rule itself; `None` if clients need not show anything.
    pub(super) fn rule(&self, policy: Policy) -> Option<&Arc<ClientAuth>> {
        self.all.get(policy.0)?.as_ref()
    }

    /// Every rule in its place.
    pub(super) fn all(&self) -> impl Iterator<Item = Option<&ClientAuth>> {
        self.all.iter().map(Option::as_deref)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::{super::client_auth::Authorities, *};
    use crate::config::{ClientAuthMode, ClientCertStyle};

    fn authority() -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn rule(authority: &str, mode: ClientAuthMode) -> Option<ClientAuth> {
        let authorities = Authorities::new(authority.as_bytes()).unwrap();
        ClientAuth::new(mode, ClientCertStyle::XClientCert, authorities, None).ok()
    }

    fn exact(host: &str) -> HostPattern {
        HostPattern::Exact(host.into())
    }

    #[test]
    fn the_most_specific_host_wins_and_equal_rules_are_one() {
        let (one, other) = (authority(), authority());
        let require = |authority| rule(authority, ClientAuthMode::Require);
        let policies = Policies::new(ClientAuths {
            every: require(&one),
            hosts: vec![
                (exact("open.example"), None),
                (exact("staff.example"), require(&other)),
                (exact("same.example"), require(&one)),
                (exact("lax.example"), rule(&one, ClientAuthMode::Optional)),
                (HostPattern::Suffix(".deep.example".into()), require(&other)),
                (HostPattern::Suffix(".open.deep.example".into()), None),
            ],
        });
        let cases = [
            (None, 0),
            (Some(""), 0),
            (Some("other.example"), 0),
            (Some("same.example"), 0),
            (Some("open.example"), 1),
            (Some("staff.example"), 2),
            (Some("STAFF.example.:443"), 2),
            (Some("a.staff.example"), 0),
            (Some("lax.example"), 3),
            (Some("a.b.deep.example"), 2),
            (Some("deep.example"), 0),
            (Some("a.open.deep.example"), 1),
        ];
        for (host, expected) in cases {
            assert_eq!(policies.of(host), Policy(expected), "{host:?}");
        }
        let rules: Vec<_> = policies.all().map(|rule| rule.is_some()).collect();
        assert_eq!(rules, [true, false, true, true]);
    }

    #[test]
    fn a_listener_with_one_rule_looks_nothing_up() {
        let hosts = vec![(exact("a.example"), None)];
        let policies = Policies::new(ClientAuths { every: None, hosts });
        assert_eq!(policies.of(Some("a.example")), policies.of(Some("b.example")));
    }
}
