//! What is wrong with the settings of orders that a look at files and at the rest of the configuration
//! shows.

use super::{order, request::CertificateRequest, state::StateFolder};
use crate::config::{
    Acme, Challenge, Config, ExternalAccount, HTTPS_PORT, Origin, Problem, Problems, Tls,
    TlsEndpoint,
};
use crate::files::FileVersions;
use crate::http_client;
use crate::tls;

/// The port that an authority asks at by the challenge http-01.
const HTTP: u16 = 80;

/// Looks at the files that orders need, and adds them to `sources`. Returns warnings. A configuration
/// without orders looks at nothing.
///
/// The state folder is added only if it cannot be used: otherwise `lb` itself changes it.
///
/// # Errors
///
/// Why an order would fail, for each of them.
pub fn check(config: &Config, sources: &mut FileVersions) -> Result<Vec<Problem>, Problems> {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let folder = StateFolder::of(config);
    for place in config.tls_endpoints() {
        let tls = place.tls;
        if CertificateRequest::of(tls).is_empty() {
            continue;
        }
        let origin = tls.acme.as_ref().map_or_else(|| at_state_folder(tls), |it| it.origin.clone());
        if let Err(reason) = folder.check() {
            sources.note(folder.path());
            let message = format!("needs a state_dir that lb can write into, and lb {reason}");
            problems.push(Problem::new(origin, message));
        }
        let Some(acme) = &tls.acme else { continue };
        let key = acme.external_account.as_ref().and_then(ExternalAccount::file);
        acme.directory_ca.iter().map(|ca| &**ca).chain(key).for_each(|file| sources.note(file));
        let told = |message: String| Problem::new(acme.origin.clone(), message);
        problems.extend(unusable_files(acme).into_iter().map(told));
        warnings.extend(oddities(config, &place, acme).into_iter().map(told));
    }
    // One folder is enough of a reason for all listeners.
    problems.dedup_by(|a, b| a == b);
    if problems.is_empty() { Ok(warnings) } else { Err(Problems::new(problems)) }
}

/// The folder of a process with this configuration, if it needs one.
#[must_use]
pub fn needed_folder(config: &Config) -> Option<StateFolder> {
    let mut places = config.tls_endpoints();
    let is_needed = places.any(|place| !CertificateRequest::of(place.tls).is_empty());
    is_needed.then(|| StateFolder::of(config))
}

/// Where a problem of the folder is told if no order is written down.
fn at_state_folder(tls: &Tls) -> Origin {
    let first = tls.certificates.first().map(|source| source.origin.clone());
    first.unwrap_or_else(|| Origin::flag("state_dir"))
}

fn unusable_files(acme: &Acme) -> Vec<String> {
    let ca = acme.directory_ca.as_ref().and_then(|file| http_client::roots(file).err());
    let ca = ca.map(|reason| format!("directory_ca: {reason}"));
    let key = acme.external_account.as_ref().and_then(|account| order::external_key(account).err());
    ca.into_iter().chain(key.map(|reason| format!("external_account: {reason}"))).collect()
}

fn oddities(config: &Config, place: &TlsEndpoint<'_>, acme: &Acme) -> Vec<String> {
    let hosts = acme.hosts.iter().map(|host| &**host);
    let mut found = tls::unused(config, &place.endpoint, hosts);
    // The port may be another one on this side of a firewall or of a container.
    match acme.challenge {
        Challenge::Http01 if !has_plain_listener(config) => found.push(format!(
            "the challenge http-01 needs a listener without TLS that gets what is sent to port {HTTP}"
        )),
        Challenge::TlsAlpn01 if !has_tls_listener_on(config, HTTPS_PORT) => found.push(format!(
            "the challenge tls-alpn-01 comes to port {HTTPS_PORT}, which must lead to {}",
            place.address
        )),
        _ => {}
    }
    found
}

fn has_plain_listener(config: &Config) -> bool {
    config.listeners.iter().any(|listener| listener.tls.is_none())
}

/// Whether handshakes at this port can show a proof: any place with TLS can, for every order.
fn has_tls_listener_on(config: &Config, port: u16) -> bool {
    config.tls_endpoints().any(|place| place.address.tcp().is_some_and(|it| it.port() == port))
}
