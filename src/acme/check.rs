//! What is wrong with the settings of orders that a look at files and at the rest of the configuration
//! shows.

use super::{order, request::CertificateRequest, state::StateFolder};
use crate::config::{
    Acme, Challenge, Config, HostPattern, ListenAddress, Origin, Problem, Problems, Tls,
};

/// The port that an authority asks at by the challenge http-01.
const HTTP: u16 = 80;
/// The port that an authority asks at by the challenge tls-alpn-01.
const HTTPS: u16 = 443;

/// Looks at the files that orders need. Returns warnings. A configuration without orders looks at
/// nothing.
///
/// # Errors
///
/// Why an order would fail, for each of them.
pub fn check(config: &Config) -> Result<Vec<Problem>, Problems> {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let folder = StateFolder::of(config);
    let tls = config.listeners.iter().filter_map(|it| Some((&it.address, it.tls.as_ref()?)));
    for (address, tls) in tls.filter(|(_, tls)| !CertificateRequest::of(tls).is_empty()) {
        let origin = tls.acme.as_ref().map_or_else(|| at_state_folder(tls), |it| it.origin.clone());
        if let Err(reason) = folder.check() {
            let message = format!("needs a state_dir that lb can write into, and lb {reason}");
            problems.push(Problem::new(origin, message));
        }
        let Some(acme) = &tls.acme else { continue };
        let told = |message: String| Problem::new(acme.origin.clone(), message);
        problems.extend(unusable_files(acme).into_iter().map(told));
        warnings.extend(oddities(config, address, acme).into_iter().map(told));
    }
    // One folder is enough of a reason for all listeners.
    problems.dedup_by(|a, b| a == b);
    if problems.is_empty() { Ok(warnings) } else { Err(Problems::new(problems)) }
}

/// The folder of a process with this configuration, if it needs one.
#[must_use]
pub fn needed_folder(config: &Config) -> Option<StateFolder> {
    let mut tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    tls.any(|tls| !CertificateRequest::of(tls).is_empty()).then(|| StateFolder::of(config))
}

/// Where a problem of the folder is told if no order is written down.
fn at_state_folder(tls: &Tls) -> Origin {
    let first = tls.certificates.first().map(|source| source.origin.clone());
    first.unwrap_or_else(|| Origin::flag("state_dir"))
}

fn unusable_files(acme: &Acme) -> Vec<String> {
    let ca = acme.directory_ca.as_ref().and_then(|file| order::roots(file).err());
    let ca = ca.map(|reason| format!("directory_ca: {reason}"));
    let key = acme.external_account.as_ref().and_then(|account| order::external_key(account).err());
    ca.into_iter().chain(key.map(|reason| format!("external_account: {reason}"))).collect()
}

fn oddities(config: &Config, address: &ListenAddress, acme: &Acme) -> Vec<String> {
    let mut found = Vec::new();
    let hosts: Option<Vec<_>> = config.routes.iter().map(|route| route.host.as_ref()).collect();
    // A route without a host is for every name.
    if let Some(hosts) = hosts {
        let is_routed = |host: &str| hosts.iter().any(|pattern| is_of(pattern, host));
        let unused = acme.hosts.iter().filter(|host| !is_routed(host));
        found.extend(unused.map(|host| format!("is for {host}, which no route has")));
    }
    // The port may be another one on this side of a firewall or of a container.
    match acme.challenge {
        Challenge::Http01 if !has_plain_listener(config) => found.push(format!(
            "the challenge http-01 needs a listener without TLS that gets what is sent to port {HTTP}"
        )),
        Challenge::TlsAlpn01 if address.tcp().is_none_or(|it| it.port() != HTTPS) => {
            found.push(format!(
                "the challenge tls-alpn-01 comes to port {HTTPS}, which must lead to {address}"
            ));
        }
        _ => {}
    }
    found
}

fn has_plain_listener(config: &Config) -> bool {
    config.listeners.iter().any(|listener| listener.tls.is_none())
}

fn is_of(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(exact) => **exact == *host,
        HostPattern::Suffix(suffix) => host.ends_with(&**suffix),
    }
}
