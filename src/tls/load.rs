//! Reads the certificates that a configuration names.

use std::{
    collections::HashMap,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::pki_types::CertificateDer;

use super::{
    certificate::{Certificate, CertificateOrigin, date, has_key},
    client_auth::{Authorities, ClientAuth, Revocations},
    expiry::ends_soon,
    listener::TlsListener,
    policies::ClientAuths,
};
use crate::config::{
    self, CertificateSource, Challenge, Config, Endpoint, HostPattern, Origin, Problem, Problems,
    Tls, TlsEndpoint,
};
use crate::files::{self, FileVersions};

/// What a file with a certificate in a directory ends in.
const CERTIFICATE_FILES: [&str; 3] = ["crt", "pem", "cer"];

/// What handshakes need, for each place of a configuration where clients speak TLS.
pub type TlsListeners = HashMap<Endpoint, Arc<TlsListener>>;

/// Reads and checks all certificates of a configuration, as of this moment. Returns the listeners and
/// warnings. A configuration without TLS reads nothing. Those that are ordered are not read here:
/// [`TlsListener::install`] adds them. Every file and folder that is read is added to `sources` with the
/// version that it had before, whatever the result is.
///
/// # Errors
///
/// What is wrong with each file.
pub fn load(
    config: &Config,
    now: SystemTime,
    sources: &mut FileVersions,
) -> Result<(TlsListeners, Vec<Problem>), Problems> {
    let mut listeners = HashMap::new();
    let mut report = Report::default();
    let challenged = challenged(config);
    for place in config.tls_endpoints() {
        let tls = place.tls;
        // First, so that a change while they are read is one that is still to be loaded.
        files(tls).iter().for_each(|file| sources.note(file));
        let before = report.problems.len();
        let certificates = certificates(config, &place, now, &mut report);
        let rules = client_auths(tls, now, &mut report);
        let has_others = tls.acme.is_some() || !tls.local.is_empty();
        if report.problems.len() > before || (certificates.is_empty() && !has_others) {
            continue;
        }
        match TlsListener::new(&place, challenged.clone(), certificates, rules) {
            Ok(ready) => drop(listeners.insert(place.endpoint, Arc::new(ready))),
            Err(error) => {
                let origin = tls.certificates.first().map(|source| source.origin.clone());
                let problem = |it| Problem::new(it, format!("cannot serve: {error}"));
                report.problems.extend(origin.map(problem));
            }
        }
    }
    match report.problems.is_empty() {
        true => Ok((listeners, report.warnings)),
        false => Err(Problems::new(report.problems)),
    }
}

/// What is found while files are read.
#[derive(Debug, Default)]
struct Report {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    fn warn(&mut self, origin: &Origin, file: &Path, messages: Vec<String>) {
        let warning =
            |message| Problem::new(origin.clone(), format!("{} {message}", file.display()));
        self.warnings.extend(messages.into_iter().map(warning));
    }

    /// Notes an error, which is a whole message, as a problem.
    fn noted<T>(&mut self, origin: &Origin, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.problems.push(Problem::new(origin.clone(), message))).ok()
    }
}

/// The hosts for which an authority may ask for a proof by a handshake, whichever port leads to which
/// listener.
fn challenged(config: &Config) -> Vec<Box<str>> {
    let orders = config.tls_endpoints().filter_map(|place| place.tls.acme.as_ref());
    let by_handshake = orders.filter(|acme| acme.challenge == Challenge::TlsAlpn01);
    by_handshake.flat_map(|acme| acme.hosts.iter().cloned()).collect()
}

fn certificates(
    config: &Config,
    place: &TlsEndpoint<'_>,
    now: SystemTime,
    report: &mut Report,
) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    for source in &place.tls.certificates {
        for pair in pairs(source) {
            let read = pair.and_then(|pair| pair.read(now).map(|certificate| (pair, certificate)));
            let Some((pair, certificate)) = report.noted(&source.origin, read) else { continue };
            report.warn(
                &source.origin,
                &pair.chain,
                oddities(config, (&place.endpoint, &certificate), now),
            );
            certificates.push(certificate);
        }
    }
    certificates
}

fn client_auths(tls: &Tls, now: SystemTime, report: &mut Report) -> ClientAuths {
    let mut rule = |settings: &Option<config::ClientAuth>| {
        let settings = settings.as_ref()?;
        let read = client_auth(settings, now, report);
        report.noted(&settings.origin, read)
    };
    ClientAuths {
        every: rule(&tls.client_auth),
        hosts: tls.hosts.iter().map(|it| (it.host.clone(), rule(&it.client_auth))).collect(),
    }
}

/// The error is a message that names the file.
fn client_auth(
    settings: &config::ClientAuth,
    now: SystemTime,
    report: &mut Report,
) -> Result<ClientAuth, String> {
    let names = |file: &Path| {
        let file = file.display().to_string();
        move |message: String| format!("{file} {message}")
    };
    let authorities = Authorities::new(&read(&settings.ca)?).map_err(names(&settings.ca))?;
    let revocations =
        settings.crl.as_ref().map(|file| Revocations::new(&read(file)?, now).map_err(names(file)));
    let revocations = revocations.transpose()?;
    let oddities = authorities.oddities(revocations.as_ref(), now);
    report.warn(&settings.origin, &settings.ca, oddities);
    let rule = ClientAuth::new(settings.mode, settings.fields, authorities, revocations);
    rule.map_err(names(settings.crl.as_ref().unwrap_or(&settings.ca)))
}

/// Every file and folder that these settings are read from at this moment.
fn files(tls: &Tls) -> Vec<PathBuf> {
    let of = |source: &CertificateSource| {
        let pair = source.pair.iter().flat_map(|(chain, key)| [Some(chain), key.as_ref()]);
        let pair = pair.flatten().cloned();
        // The folder before its files: one that comes in between is a change of the folder.
        let directory = source.directory.iter();
        let listed = directory.clone().flat_map(|directory| listed(directory).unwrap_or_default());
        pair.chain(directory.cloned()).chain(listed).collect::<Vec<_>>()
    };
    let of_clients = tls.client_auths().flat_map(|rule| [Some(&rule.ca), rule.crl.as_ref()]);
    tls.certificates.iter().flat_map(of).chain(of_clients.flatten().cloned()).collect()
}

/// The certificates that clients are shown from files, without their chains. Their keys are not read, so
/// that any user who may read the certificates can tell which they are. Files that cannot be read have
/// none.
#[must_use]
pub fn shown(tls: &Tls) -> Vec<CertificateDer<'static>> {
    let pairs = tls.certificates.iter().flat_map(pairs).flatten();
    let first = |pair: Pair| {
        Some(super::certificate::certificates(&read(&pair.chain).ok()?).ok()?.remove(0))
    };
    pairs.filter_map(first).collect()
}

/// The files of a certificate.
struct Pair {
    chain: PathBuf,
    /// `None` if the key is in the same file.
    key: Option<PathBuf>,
}

impl Pair {
    /// The error is a message that names the file.
    fn read(&self, now: SystemTime) -> Result<Certificate, String> {
        let chain = read(&self.chain)?;
        let key = self.key.as_deref().map(read).transpose()?;
        let source = CertificateOrigin::File(self.chain.clone());
        let certificate = Certificate::new(&chain, key.as_deref().unwrap_or(&chain), source, now);
        certificate.map_err(|message| {
            let beside = self.key.as_ref().map(|key| format!(" (with {})", key.display()));
            format!("{}{} {message}", self.chain.display(), beside.unwrap_or_default())
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    files::read(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => files::missing(file),
        io::ErrorKind::PermissionDenied => files::denied(),
        _ => error.to_string(),
    };
    format!("{} cannot be read: {why}", file.display())
}

fn pairs(source: &CertificateSource) -> Vec<Result<Pair, String>> {
    let named = source.pair.iter();
    let named = named.map(|(chain, key)| Ok(Pair { chain: chain.clone(), key: key.clone() }));
    named.chain(source.directory.iter().flat_map(|directory| in_directory(directory))).collect()
}

/// The pairs of a directory, by name. A certificate without a key is of an authority, as in the secrets
/// of Kubernetes.
fn in_directory(directory: &Path) -> Vec<Result<Pair, String>> {
    let files = match listed(directory) {
        Ok(files) => files,
        Err(error) => return vec![Err(unreadable(directory, &error))],
    };
    let is_certificate = |file: &&PathBuf| {
        file.extension().is_some_and(|end| CERTIFICATE_FILES.iter().any(|known| end == *known))
    };
    let mut pairs = Vec::new();
    for chain in files.iter().filter(is_certificate) {
        let key = chain.with_extension("key");
        if files.contains(&key) {
            pairs.push(Ok(Pair { chain: chain.clone(), key: Some(key) }));
            continue;
        }
        match read(chain) {
            Ok(text) if has_key(&text) => pairs.push(Ok(Pair { chain: chain.clone(), key: None })),
            Ok(_) => {}
            Err(message) => pairs.push(Err(message)),
        }
    }
    if pairs.is_empty() {
        pairs.push(Err(format!(
            "{} has no certificate with its key (NAME.crt or NAME.pem, and NAME.key)",
            directory.display()
        )));
    }
    pairs
}

/// The files of a directory in order, without hidden ones.
fn listed(directory: &Path) -> io::Result<Vec<PathBuf>> {
    files::answered(directory, list)
}

fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(directory)?.collect();
    let is_shown = |file: &PathBuf| {
        let is_hidden =
            file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !is_hidden && file.is_file()
    };
    let mut files: Vec<_> = entries?.into_iter().map(|it| it.path()).filter(is_shown).collect();
    files.sort();
    Ok(files)
}

/// What is odd about a certificate without being wrong.
fn oddities(
    config: &Config,
    (endpoint, certificate): (&Endpoint, &Certificate),
    now: SystemTime,
) -> Vec<String> {
    let facts = &certificate.facts;
    let mut found = Vec::new();
    if ends_soon(facts.until, now) {
        found.push(format!("expires on {}", date(facts.until)));
    }
    if certificate.has_old_names {
        let names = facts.names.join(", ");
        found.push(format!(
            "has no subjectAltName, so that clients refuse it: they look for the host there, and no longer in \
             the subject (CN={names}; order one with DNS:{names})"
        ));
    }
    let names = facts.names.iter().map(|name| &**name);
    found.extend(unused(config, endpoint, names));
    found
}

/// Why no request for some of these names, which a certificate is for, is served at this place.
pub fn unused<'a>(
    config: &Config,
    endpoint: &Endpoint,
    names: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let (hosts, problem): (Option<Vec<_>>, _) = match (endpoint, &config.admin) {
        (Endpoint::Admin, Some(admin)) => {
            let known = admin.hosts.iter().map(|host| &**host).chain(["localhost"]);
            let known = known.map(|host| HostPattern::Exact(host.into()));
            (Some(known.collect()), "which is not one of admin.hosts")
        }
        // A route without a host is for every name.
        _ => (config.routes.iter().map(|it| it.host.clone()).collect(), "which no route has"),
    };
    let Some(hosts) = hosts else { return Vec::new() };
    let is_known = |name: &str| hosts.iter().any(|host| overlaps(host, name));
    // Addresses are for clients that have no name for this machine.
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
    let unused = names.filter(|name| !is_known(name) && !is_address(name));
    unused.map(|name| format!("is for {name}, {problem}")).collect()
}

/// Whether a host of this pattern may be one of a certificate for this name.
fn overlaps(host: &HostPattern, name: &str) -> bool {
    let (name, is_wildcard) = name.strip_prefix("*.").map_or((name, false), |rest| (rest, true));
    match host {
        HostPattern::Exact(host) if is_wildcard => {
            host.split_once('.').is_some_and(|(_, rest)| rest == name)
        }
        HostPattern::Exact(host) => **host == *name,
        HostPattern::Suffix(suffix) => {
            name.ends_with(&**suffix) || (is_wildcard && suffix.ends_with(&format!(".{name}")))
        }
    }
}
