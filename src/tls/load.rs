//! Reads the certificates that a configuration names.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    certificate::{Certificate, CertificateOrigin, date, has_key},
    listener::TlsListener,
};
use crate::config::{
    CertificateSource, Config, HostPattern, ListenAddress, Problem, Problems, Tls,
};
use crate::files;

/// A certificate that ends within this time is warned of.
const NEAR_END: Duration = Duration::from_secs(20 * 24 * 60 * 60);
/// What a file with a certificate in a directory ends in.
const CERTIFICATE_FILES: [&str; 3] = ["crt", "pem", "cer"];

/// The listeners with TLS, by their address in the configuration.
pub type TlsListeners = HashMap<ListenAddress, Arc<TlsListener>>;

/// Reads and checks all certificates of a configuration, as of this moment. Returns the listeners and
/// warnings. A configuration without TLS reads nothing. Those that are ordered are not read here:
/// [`TlsListener::install`] adds them.
///
/// # Errors
///
/// What is wrong with each file.
pub fn load(config: &Config, now: SystemTime) -> Result<(TlsListeners, Vec<Problem>), Problems> {
    let (mut listeners, mut problems, mut warnings) = (HashMap::new(), Vec::new(), Vec::new());
    for listener in &config.listeners {
        let Some(tls) = &listener.tls else { continue };
        let (mut certificates, before) = (Vec::new(), problems.len());
        for source in &tls.certificates {
            for pair in pairs(source) {
                match pair.and_then(|pair| pair.read(now).map(|certificate| (pair, certificate))) {
                    Ok((pair, certificate)) => {
                        let messages = oddities(config, &certificate, now).into_iter();
                        let file = pair.chain.display().to_string();
                        warnings.extend(messages.map(|message| {
                            Problem::new(source.origin.clone(), format!("{file} {message}"))
                        }));
                        certificates.push(certificate);
                    }
                    Err(message) => problems.push(Problem::new(source.origin.clone(), message)),
                }
            }
        }
        let has_others = tls.acme.is_some() || !tls.local.is_empty();
        if problems.len() > before || (certificates.is_empty() && !has_others) {
            continue;
        }
        let name = listener.address.to_string();
        match TlsListener::new(&name, tls, &listener.protocols, certificates) {
            Ok(ready) => drop(listeners.insert(listener.address.clone(), Arc::new(ready))),
            Err(error) => {
                let origin = tls.certificates.first().map(|source| source.origin.clone());
                problems
                    .extend(origin.map(|it| Problem::new(it, format!("cannot serve: {error}"))));
            }
        }
    }
    if problems.is_empty() { Ok((listeners, warnings)) } else { Err(Problems::new(problems)) }
}

/// Every file that the certificates of these settings are read from at this moment.
#[must_use]
pub fn files(tls: &Tls) -> Vec<PathBuf> {
    let of = |source: &CertificateSource| {
        let pair = source.pair.iter().flat_map(|(chain, key)| [Some(chain), key.as_ref()]);
        let pair = pair.flatten().cloned();
        let listed =
            source.directory.iter().flat_map(|directory| listed(directory).unwrap_or_default());
        pair.chain(listed).collect::<Vec<_>>()
    };
    tls.certificates.iter().flat_map(of).collect()
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
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied (the user that runs lb may not read it)".to_owned()
        }
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
fn oddities(config: &Config, certificate: &Certificate, now: SystemTime) -> Vec<String> {
    let facts = &certificate.facts;
    let mut found = Vec::new();
    if facts.until.duration_since(now).is_ok_and(|left| left < NEAR_END) {
        found.push(format!("expires on {}", date(facts.until)));
    }
    let hosts: Option<Vec<_>> = config.routes.iter().map(|route| route.host.as_ref()).collect();
    // A route without a host is for every name.
    if let Some(hosts) = hosts {
        let is_routed = |name: &str| hosts.iter().any(|host| overlaps(host, name));
        let unused = facts.names.iter().filter(|name| !is_routed(name));
        found.extend(unused.map(|name| format!("is for {name}, which no route has")));
    }
    found
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
