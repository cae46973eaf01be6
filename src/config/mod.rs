//! From YAML text and flags to a configuration that cannot be wrong.
//!
//! Text becomes a tree that knows its lines (`document`), with references replaced (`expand`) and included
//! files added (`parts`). The tree is read key by key (`read`), by
//! the definition of each key (`keys`), with one parser for each kind of value (`values`), into the
//! `model`. Flags come last (`flags`). Reading never stops at a problem: the problem is recorded, a
//! stand-in takes the place of the value, and reading goes on, so that one run shows every problem.
//! A configuration is returned only if no problem was recorded, so a stand-in never gets out.
//!
//! The table of keys is also the source of all texts about a configuration: the effective
//! configuration and the difference of two configurations (`settings`, `changes`), and the
//! reference, its page and the JSON Schema (`reference`).

mod advice;
mod changes;
mod document;
mod expand;
mod flags;
mod foreign;
mod https_flags;
mod keys;
mod model;
mod origin;
mod outside;
mod parts;
mod problem;
mod read;
pub mod reference;
mod settings;
mod values;
mod word;
mod wording;

use std::path::Path;

pub use flags::Flags;
pub use https_flags::HttpsFlags;
pub use keys::check_value;
pub use model::{
    AccessLog, AccountKey, Acme, Admin, Algorithm, AltSvc, BackendAddress, BackendSpec, Backoff,
    CertificateSource, Challenge, ClientAuth, ClientAuthMode, ClientCertStyle, ClientLimits,
    Config, EjectionRules, Endpoint, ExternalAccount, HTTPS_PORT, HealthCheck, HmacKey, Host,
    HostClientAuth, HostPattern, ListenAddress, Listener, ListenerProtocol, LogFilter, LogFormat,
    LogTarget, MinRate, PaceLimits, PathPrefix, PeerBlock, Percent, Pool, PoolName, Probe, Process,
    QueueLimits, RedirectToHttps, ResponseTimeout, Retry, RetryMethods, RetryOn, Route, Shutdown,
    SocketFile, StatusRanges, Timeouts, Tls, TlsEndpoint, TlsVersion, Token, Traceparent,
    UnknownSni, Weight,
};
pub use origin::Origin;
pub use problem::{Problem, Problems};
pub use word::Word;

pub use changes::{Changes, PoolChange};
pub use settings::effective;

use document::{Cursor, Report, read_tree};
use flags::Overrides;
use outside::{Outside, read_secret, reason};

use crate::files;

/// A configuration and its warnings.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration, complete and valid.
    pub config: Config,
    /// Warnings for the author of the file, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// Reads a file, then replaces values by the flags that were given.
///
/// # Errors
/// All problems of the file and the flags, or the reason why the file cannot be read.
pub fn load(path: &Path, flags: &Flags) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    match files::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(&name, &text, flags),
            Err(error) => Err(Problems::from(not_text(&name, &error))),
        },
        Err(error) => {
            let message = format!("cannot be read: {}", reason(&error));
            Err(Problems::from(Problem::new(Origin::file(name, 0), message)))
        }
    }
}

/// Like [`load`], for a file that has been read; `file` is its name in messages.
///
/// # Errors
/// All problems of the text and the flags.
pub fn parse(file: &str, text: &str, flags: &Flags) -> Result<Loaded, Problems> {
    let report = Report::default();
    let outside = Outside::of(Path::new(file));
    let mut root = read_tree(file, text, &outside, &report);
    if !root.as_ref().is_some_and(|root| Cursor::root(root, &report).has_known_key())
        && let Some(message) = foreign::recognised(file, text)
    {
        let origin = Origin::file(file, 0);
        return Err(Problems::from(Problem::new(origin, message)));
    }
    if root.is_none() && !report.has_problems() {
        let message = "is empty (it must have at least listeners, routes and pools)";
        report.add(Origin::file(file, 0), message);
    }
    let overrides = Overrides::read(flags, &report);
    flags.https.refuse(&report);
    if let Some(root) = &mut root {
        parts::assemble(root, Path::new(file), &outside, &report);
    }
    let config = root.map(|root| {
        let (mut config, admin) = read::read(&Cursor::root(&root, &report));
        config.admin = admin.map(|admin| admin.settle(&report, read_secret));
        overrides.apply(&mut config, &report);
        config.sources = outside.into_sources();
        config
    });
    conclude(config, report, file)
}

/// The configuration of flags without a file: one listener, one pool, one route.
///
/// # Errors
/// All problems of the flags.
pub fn from_flags(flags: &Flags) -> Result<Loaded, Problems> {
    let report = Report::default();
    let overrides = Overrides::read(flags, &report);
    let mut config = flags::base();
    if let Some(access_log) = config.access_log.as_mut().filter(|_| flags.is_watched) {
        access_log.format = LogFormat::Text;
    }
    overrides.apply(&mut config, &report);
    https_flags::apply(&flags.https, flags.port, &mut config, &report);
    flags::require_backends(flags, &report);
    conclude(Some(config), report, "")
}

/// The result; the problems of `first`, the file that includes the others, come before theirs.
fn conclude(config: Option<Config>, report: Report, first: &str) -> Result<Loaded, Problems> {
    let (mut problems, mut warnings) = report.into_parts();
    for found in [&mut problems, &mut warnings] {
        found.sort_by_key(|problem| problem.origin.file.as_deref() != Some(first));
        problem::sort(found);
    }
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, warnings }),
        _ => Err(Problems::new(problems)),
    }
}

fn not_text(name: &str, error: &std::string::FromUtf8Error) -> Problem {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
    let message = "this line is not UTF-8 text (save the file as UTF-8)";
    Problem::new(Origin::file(name, line), message)
}
