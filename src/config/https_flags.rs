//! The flags of the quick way to TLS: a listener with certificates that come by themselves, and one that
//! redirects to it.
//!
//! They describe a balancer without a file. With a file they are refused, because there are keys for all
//! that they say.

use std::path::PathBuf;

use super::{
    document::Report,
    keys::tls::LISTENER,
    model::{Acme, Config, Listener, RedirectToHttps, Tls},
    origin::Origin,
    values::{CERTIFIED_HOST, DIRECTORY_URL, EMAIL, FILE, FOLDER, Kind, is_public_name},
};

const HTTPS: &str = "--https";
const HTTPS_PORT: &str = "--https-port";
const EMAIL_FLAG: &str = "--email";
const ACME_DIRECTORY: &str = "--acme-directory";
const ACME_CA: &str = "--acme-ca";
const STATE_DIR: &str = "--state-dir";
/// The port of the listener that redirects, without `--port`.
const HTTP: u16 = 80;

/// The flags as they were given; `None` is a flag that was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpsFlags {
    /// `--https`: hosts, split at the commas.
    pub hosts: Option<Vec<String>>,
    /// `--https-port`: the port of the listener with TLS; 0 lets the system choose.
    pub port: Option<u16>,
    /// `--email`: where the authority writes to.
    pub email: Option<String>,
    /// `--acme-directory`: another authority.
    pub directory: Option<String>,
    /// `--acme-ca`: the certificate that signs the authority's own.
    pub ca: Option<String>,
    /// `--state-dir`: the folder of accounts and certificates.
    pub state_dir: Option<String>,
}

impl HttpsFlags {
    /// The port of the listener with TLS, if `--https` is given without `--https-port`.
    pub const DEFAULT_PORT: u16 = 443;

    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            (HTTPS, self.hosts.is_some()),
            (HTTPS_PORT, self.port.is_some()),
            (EMAIL_FLAG, self.email.is_some()),
            (ACME_DIRECTORY, self.directory.is_some()),
            (ACME_CA, self.ca.is_some()),
            (STATE_DIR, self.state_dir.is_some()),
        ]
        .into_iter()
        .filter_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Refuses them over a file.
    pub(super) fn refuse(&self, report: &Report) {
        for flag in self.given() {
            let message =
                "is for a balancer without a file (write tls: and state_dir: into the file)";
            report.add(Origin::flag(flag), message);
        }
    }
}

/// Adds what the flags say to a configuration with one listener, which has the port of `--port` if that
/// was given.
pub(super) fn apply(given: &HttpsFlags, port: Option<u16>, config: &mut Config, report: &Report) {
    config.process.state_dir = value(STATE_DIR, given.state_dir.as_deref(), &FOLDER, report);
    let Some(hosts) = &given.hosts else {
        for flag in given.given().filter(|flag| *flag != STATE_DIR) {
            report.add(Origin::flag(flag), "has no effect without --https");
        }
        return;
    };
    let Some(plain) = config.listeners.first_mut() else { return };
    let Some(mut address) = plain.address.tcp() else { return };
    if port.is_none() {
        address.set_port(HTTP);
        plain.address = address.into();
    }
    plain.redirect_to_https = RedirectToHttps::ToListener;
    address.set_port(given.port.unwrap_or(HttpsFlags::DEFAULT_PORT));
    let mut listener = Listener::new(address.into());
    listener.tls = Some(tls(hosts, given, report));
    config.listeners.insert(0, listener);
}

fn tls(texts: &[String], given: &HttpsFlags, report: &Report) -> Tls {
    let mut hosts: Vec<Box<str>> = Vec::new();
    for text in texts {
        match (CERTIFIED_HOST.parse)(text) {
            Ok(host) if hosts.contains(&host) => {}
            Ok(host) => hosts.push(host),
            Err(message) => report.add(Origin::flag(HTTPS), message),
        }
    }
    // An authority of one's own may sign for any name.
    let (ordered, local): (Vec<_>, Vec<_>) =
        hosts.into_iter().partition(|host| given.directory.is_some() || is_public_name(host));
    let email = value(EMAIL_FLAG, given.email.as_deref(), &EMAIL, report);
    if given.email.is_none() && !ordered.is_empty() {
        let message = "is missing: the authority cannot write before a certificate ends";
        report.warn(Origin::flag(EMAIL_FLAG), message);
    }
    let directory = value(ACME_DIRECTORY, given.directory.as_deref(), &DIRECTORY_URL, report);
    let directory_ca: Option<PathBuf> = value(ACME_CA, given.ca.as_deref(), &FILE, report);
    let acme = Acme {
        email,
        hosts: ordered,
        challenge: (LISTENER.acme.challenge.default)(),
        directory: directory.unwrap_or_else(LISTENER.acme.directory.default),
        directory_ca,
        external_account: None,
        origin: Origin::flag(HTTPS),
    };
    Tls { acme: Some(acme).filter(|acme| !acme.hosts.is_empty()), local, ..Tls::default() }
}

fn value<T>(flag: &'static str, text: Option<&str>, kind: &Kind<T>, report: &Report) -> Option<T> {
    let parsed = (kind.parse)(text?);
    parsed.map_err(|message| report.add(Origin::flag(flag), message)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, from_flags, parse};

    fn flags(hosts: &str, https: HttpsFlags) -> Flags {
        let hosts = hosts.split(',').map(str::to_owned).collect();
        Flags {
            backends: Some(vec!["http://a:1".to_owned()]),
            https: HttpsFlags { hosts: Some(hosts), ..https },
            ..Flags::default()
        }
    }

    #[test]
    fn a_host_gets_a_listener_with_tls_and_one_that_redirects() {
        let email = HttpsFlags { email: Some("a@b.example".to_owned()), ..HttpsFlags::default() };
        let loaded = from_flags(&flags("shop.example.com,shop.example.com", email)).unwrap();
        assert_eq!(loaded.warnings, []);
        let [tls, plain] = loaded.config.listeners.as_slice() else { panic!("two listeners") };
        let port = |listener: &Listener| listener.address.tcp().unwrap().port();
        assert_eq!((port(tls), port(plain)), (443, 80));
        assert_eq!(plain.redirect_to_https, RedirectToHttps::ToListener);
        assert_eq!(tls.redirect_to_https, RedirectToHttps::Off);
        assert!(plain.tls.is_none());
        let acme = tls.tls.as_ref().unwrap().acme.as_ref().unwrap();
        assert_eq!(acme.hosts, ["shop.example.com".into()]);
        assert!(acme.directory.contains("letsencrypt"));
    }

    #[test]
    fn a_name_that_no_public_authority_signs_is_local_unless_there_is_another_authority() {
        let tls = |flags: &Flags| {
            let config = from_flags(flags).unwrap().config;
            let tls = config.listeners[0].tls.clone().unwrap();
            (tls.acme.map(|acme| acme.hosts.len()), tls.local.len())
        };
        assert_eq!(tls(&flags("localhost,app.localhost", HttpsFlags::default())), (None, 2));
        assert_eq!(tls(&flags("localhost,a.example.com", HttpsFlags::default())), (Some(1), 1));
        let directory = Some("https://ca.internal/dir".to_owned());
        let own = HttpsFlags { directory, ..HttpsFlags::default() };
        assert_eq!(tls(&flags("nas.local", own)), (Some(1), 0));
    }

    #[test]
    fn what_has_no_effect_or_is_wrong_is_told() {
        let told = |flags: &Flags| from_flags(flags).unwrap_err().to_string();
        let wrong = HttpsFlags {
            email: Some("ops".to_owned()),
            directory: Some("http://a".to_owned()),
            ..HttpsFlags::default()
        };
        let text = told(&flags("*.example.com", wrong.clone()));
        for flag in [HTTPS, EMAIL_FLAG, ACME_DIRECTORY] {
            assert!(text.contains(&format!("{flag}: must ")), "{text}");
        }
        let alone = Flags {
            https: HttpsFlags { hosts: None, ..wrong },
            ..flags("a", HttpsFlags::default())
        };
        assert!(
            told(&alone).contains("--email: has no effect without --https"),
            "{}",
            told(&alone)
        );
        let file = "listeners: [ { address: 127.0.0.1:1 } ]\nroutes: [ { pool: web } ]\n\
                    pools: { web: { backends: [ { address: 127.0.0.1:9 } ] } }\n";
        let over = Flags { backends: None, ..flags("a.example.com", HttpsFlags::default()) };
        let text = parse("lb.yaml", file, &over).unwrap_err().to_string();
        assert!(text.starts_with("--https: is for a balancer without a file"), "{text}");
    }
}
