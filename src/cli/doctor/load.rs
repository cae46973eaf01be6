//! What a load of the configuration finds, step by step: a start would stop at the first step that fails.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::unistd::{AccessFlags, access};

use crate::acme;
use crate::clock;
use crate::config::{self, Config, Flags, LogTarget, Problem, Problems};
use crate::discovery::{self, ResolvedBackends};
use crate::doctor::{BackendFacts, ConfigurationFacts, PathFacts};
use crate::files::FileVersions;
use crate::process::privileges::Identity;
use crate::tls;

/// Clocks of two machines that share a file system differ by less.
const AHEAD: Duration = Duration::from_secs(60);

/// Loads the configuration of this file. Becomes the user of the configuration for good, if it may.
pub(super) fn configuration(file: &Path) -> ConfigurationFacts {
    let mut facts = ConfigurationFacts {
        changed_in_future: changed_in_future(file),
        ..ConfigurationFacts::unknown()
    };
    let mut sources = FileVersions::default();
    let loaded = config::load_noting(file, &Flags::default(), &mut sources);
    let Some(loaded) = noted(loaded, &mut facts.problems) else { return facts };
    facts.warnings = loaded.warnings;
    let config = loaded.config;
    let began = clock::now();
    let resolved = noted(discovery::resolve(&config), &mut facts.names).unwrap_or_default();
    facts.looking_up = clock::now().saturating_duration_since(began);
    facts.backends = backends(&resolved);
    let now = clock::wall();
    let orders = acme::check(&config, &mut sources);
    facts.certificate_warnings = noted(orders, &mut facts.certificates).unwrap_or_default();
    let read = tls::load(&config, now, &mut sources);
    let read = noted(read, &mut facts.certificates);
    facts.certificate_warnings.extend(read.map(|(_, warnings)| warnings).unwrap_or_default());
    facts.days_left = days_left(&config, now);
    facts.paths = paths(file, &config, &sources);
    facts.config = Some(config);
    facts
}

/// The result, or its problems added to the others.
fn noted<T>(result: Result<T, Problems>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|found| problems.extend(found.iter().cloned())).ok()
}

fn changed_in_future(file: &Path) -> Option<Duration> {
    let changed = fs::metadata(file).ok()?.modified().ok()?;
    changed.duration_since(clock::wall()).ok().filter(|ahead| *ahead > AHEAD)
}

fn backends(resolved: &ResolvedBackends) -> Vec<BackendFacts> {
    let of_pools = resolved.iter().flat_map(|(pool, endpoints)| {
        endpoints.iter().filter_map(|endpoint| {
            let (pool, name) = (pool.as_str().to_owned(), endpoint.name.to_string());
            Some(BackendFacts { pool, name, address: endpoint.address.tcp()? })
        })
    });
    of_pools.collect()
}

fn days_left(config: &Config, now: SystemTime) -> Option<i64> {
    let certificates = config.tls_endpoints().flat_map(|place| tls::shown(place.tls));
    let ends = certificates.filter_map(|it| Some(tls::lifetime(&it)?.1));
    ends.map(|until| tls::days_left(until, now)).min()
}

/// The files and folders that the process uses, as the user that it runs as finds them.
fn paths(file: &Path, config: &Config, sources: &FileVersions) -> Result<Vec<PathFacts>, String> {
    let process = &config.process;
    let user = process.user.as_deref();
    let identity = Identity::find(user, process.group.as_deref()).map_err(|it| it.to_string())?;
    if let Some(identity) = identity.filter(|identity| !identity.is_assumed()) {
        if !Identity::can_be_assumed() {
            let user = user.unwrap_or("another user");
            return Err(format!("lb runs as {user}: try again with sudo"));
        }
        identity.assume().map_err(|error| format!("cannot look as the user of lb: {error}"))?;
    }
    let read = sources.paths().map(|path| {
        let key = if path == file { "configuration" } else { "a file of the configuration" };
        usable(key, path, AccessFlags::R_OK)
    });
    let written = written(config).into_iter().map(|(key, path)| writable(key, &path));
    let state = acme::needed_folder(config).map(|folder| PathFacts {
        key: "state_dir",
        path: folder.path().to_owned(),
        error: folder.check().err(),
    });
    Ok(read.chain(written).chain(state).collect())
}

/// The files that the process writes, with their keys.
fn written(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let access_log = config.access_log.as_ref().map(|log| ("access_log.path", &log.path));
    let targets = [access_log, Some(("error_log", &config.process.error_log))];
    let file = |(key, target): (_, &LogTarget)| match target {
        LogTarget::File(path) => Some((key, path.clone())),
        _ => None,
    };
    targets.into_iter().flatten().filter_map(file).collect()
}

/// Whether a file can be written, or made if it is missing.
fn writable(key: &'static str, path: &Path) -> PathFacts {
    if path.exists() {
        return usable(key, path, AccessFlags::W_OK);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    usable(key, folder.unwrap_or(Path::new(".")), AccessFlags::W_OK | AccessFlags::X_OK)
}

fn usable(key: &'static str, path: &Path, how: AccessFlags) -> PathFacts {
    let error = access(path, how).err().map(|error| error.desc().to_lowercase());
    PathFacts { key, path: path.to_owned(), error }
}
