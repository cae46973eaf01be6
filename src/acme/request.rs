//! Which certificates `lb` has to get, and in which order which hosts are.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::{Acme, Tls};
use crate::tls::CertificateOrigin;

/// A certificate that `lb` gets by itself, for all of its hosts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The names in order, so that the same hosts are the same request wherever they are written.
    pub hosts: Vec<Box<str>>,
    /// Where it comes from.
    pub issuer: Issuer,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// From an authority, by an order.
    Acme(Acme),
    /// From the authority of this machine.
    Local,
}

impl CertificateRequest {
    /// The requests of a listener.
    #[must_use]
    pub fn of(tls: &Tls) -> Vec<Self> {
        let sorted = |hosts: &[Box<str>]| hosts.iter().cloned().collect::<BTreeSet<_>>();
        let of = |hosts, issuer| Self { hosts: sorted(hosts).into_iter().collect(), issuer };
        let ordered = tls.acme.iter().map(|acme| of(&acme.hosts, Issuer::Acme(acme.clone())));
        let local = Some(&tls.local).filter(|hosts| !hosts.is_empty());
        ordered.chain(local.map(|hosts| of(hosts, Issuer::Local))).collect()
    }

    /// A name for its files, which is the same in every process with this request.
    #[must_use]
    pub fn id(&self) -> String {
        let first = self.hosts.first().map_or("", |host| host);
        format!("{first}-{}", short_hash(&self.hosts.join(" ")))
    }

    /// A name for the files of the authority: each account there has files of its own.
    #[must_use]
    pub fn authority(&self) -> String {
        let Issuer::Acme(acme) = &self.issuer else { return "local".to_owned() };
        let url = acme.directory.strip_prefix("https://").unwrap_or(&acme.directory);
        let host = url.split(['/', ':', '?', '#']).next().unwrap_or_default();
        let account = acme.external_account.as_ref().map_or("", |account| &account.key_id);
        format!("{host}-{}", short_hash(&format!("{} {account}", acme.directory)))
    }

    /// What its certificate says of where it comes from.
    #[must_use]
    pub fn origin(&self) -> CertificateOrigin {
        match self.issuer {
            Issuer::Acme(_) => CertificateOrigin::Acme,
            Issuer::Local => CertificateOrigin::LocalAuthority,
        }
    }

    /// The authority in words.
    #[must_use]
    pub fn by(&self) -> &str {
        match &self.issuer {
            Issuer::Acme(acme) => &acme.directory,
            Issuer::Local => "local authority",
        }
    }
}

/// Enough of a hash to tell a few texts apart.
fn short_hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, parse};

    fn requests(tls: &str) -> Vec<CertificateRequest> {
        let text = format!(
            "listeners: [ {{ address: 127.0.0.1:1, tls: {{ {tls} }} }} ]\nroutes: [ {{ pool: web }} ]\n\
             pools: {{ web: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}\n"
        );
        let config = parse("lb.yaml", &text, &Flags::default()).unwrap().config;
        CertificateRequest::of(config.listeners[0].tls.as_ref().unwrap())
    }

    #[test]
    fn the_same_hosts_are_the_same_request_and_others_are_another() {
        let id = |hosts: &str| requests(&format!("acme: {{ hosts: [ {hosts} ] }}"))[0].id();
        let both = id("b.example.com, a.example.com");
        assert_eq!(both, id("a.example.com, b.example.com, A.example.com"));
        assert!(both.starts_with("a.example.com-"), "{both}");
        assert_ne!(both, id("a.example.com"));
    }

    #[test]
    fn each_authority_and_each_account_there_has_files_of_its_own() {
        let of = |rest: &str| {
            let text = format!("acme: {{ hosts: [a.example.com], {rest} }}");
            requests(&text)[0].authority()
        };
        let plain = of("directory: \"https://ca.example:14000/dir\"");
        assert!(plain.starts_with("ca.example-"), "{plain}");
        let account = "external_account: { key_id: a, hmac_key: aaaa }";
        let bound = of(&format!("directory: \"https://ca.example:14000/dir\", {account}"));
        assert_ne!(plain, bound);
        assert_ne!(plain, of("directory: \"https://ca.example:14000/other\""));
        assert_eq!(requests("local: [localhost]")[0].authority(), "local");
    }

    #[test]
    fn an_order_and_the_local_authority_are_two_requests() {
        let both = requests("acme: { hosts: [a.example.com] }, local: [localhost]");
        let origins: Vec<_> = both.iter().map(CertificateRequest::origin).collect();
        assert_eq!(origins, [CertificateOrigin::Acme, CertificateOrigin::LocalAuthority]);
    }
}
