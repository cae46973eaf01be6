//! From YAML text and flags to a configuration that cannot be wrong.
//!
//! Text becomes a tree that knows its lines (`tree`); the tree is read key by key (`cursor`, `file`,
//! `pools`, `backends`, `retry`, `access_log`, `process`, `admin`) with one parser for each type of value (`values`, `addresses`) and
//! one check of what must be in order (`order`); flags come last (`flags`). Nobody stops at a
//! problem: it is recorded, a stand-in takes the place of the value (`setting`), and reading goes
//! on, so that one run shows all that is wrong. A configuration leaves here only when nothing was
//! recorded, so no stand-in ever does.

mod access_log;
mod addresses;
mod admin;
mod backends;
mod cursor;
pub mod defaults;
mod file;
mod flags;
mod model;
mod order;
mod pools;
mod problem;
mod process;
mod rate;
mod retry;
mod setting;
mod syntax;
mod tree;
mod values;
mod wording;

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

pub use flags::Flags;
pub use model::{
    AccessLog, Admin, AdminAddress, Algorithm, BackendAddress, BackendSpec, Backoff, BodyLimits,
    ClientLimits, Config, EjectionRules, HealthCheck, Host, HostPattern, Listener, LogFilter,
    LogFormat, LogTarget, MinRate, Origin, PathPrefix, Percent, Pool, PoolName, Probe, Process,
    QueueLimits, ResponseTimeout, Retry, RetryMethods, RetryOn, Route, Shutdown, StatusRanges,
    Timeouts, Token, Traceparent, Weight,
};
pub use problem::{Problem, Problems};

use admin::Secret;
use cursor::{Cursor, Report};
use flags::Overrides;

use crate::files;

/// A configuration, and what is odd about it without being wrong.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Complete and valid.
    pub config: Config,
    /// To be shown to whoever wrote it; in file order.
    pub warnings: Vec<Problem>,
}

/// Reads a file, then lets the flags that were given replace what it says.
///
/// # Errors
/// Everything that is wrong with the file and the flags, or why the file cannot be read.
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

/// As [`load`], of a file that has been read; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with the text and the flags.
pub fn parse(file: &str, text: &str, flags: &Flags) -> Result<Loaded, Problems> {
    let report = Report::new(Arc::from(file));
    let overrides = Overrides::read(flags, &report);
    let config = tree::read(text, &report).map(|root| {
        let (mut config, admin) = file::read(&Cursor::root(&root, &report));
        config.admin = admin.map(|admin| admin.settle(&report, read_secret));
        overrides.apply(&mut config, &report);
        config
    });
    conclude(config, report)
}

/// What the flags say alone, without a file: one listener, one pool, one route.
///
/// # Errors
/// Everything that is wrong with the flags.
pub fn from_flags(flags: &Flags) -> Result<Loaded, Problems> {
    let report = Report::new(Arc::from(""));
    let overrides = Overrides::read(flags, &report);
    let mut config = flags::base();
    overrides.apply(&mut config, &report);
    flags::require_backends(flags, &report);
    conclude(Some(config), report)
}

fn conclude(config: Option<Config>, report: Report) -> Result<Loaded, Problems> {
    match (config, report.into_parts()) {
        (Some(config), (problems, warnings)) if problems.is_empty() => {
            Ok(Loaded { config, warnings })
        }
        (_, (problems, _)) => Err(Problems::new(problems)),
    }
}

/// What a file says that has a secret in it.
fn read_secret(path: &Path) -> Result<Secret, String> {
    let read = || {
        let data = fs::metadata(path)?;
        let text = files::read_text(path)?;
        Ok(Secret { text, is_open: data.permissions().mode() & 0o004 != 0 })
    };
    read().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => "is not text".to_owned(),
        _ => format!("cannot be read: {}", reason(&error)),
    })
}

/// Why the system refused, for people who do not know its error codes.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied (the user that runs lb may not read it)".to_owned()
        }
        io::ErrorKind::IsADirectory => "it is a directory, not a file".to_owned(),
        _ => error.to_string(),
    }
}

fn not_text(name: &str, error: &std::string::FromUtf8Error) -> Problem {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
    let message = "this line is not UTF-8 text (save the file as UTF-8)";
    Problem::new(Origin::file(name, line), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/reference.yaml"));

    /// The reader asks for every key that it knows; what is left out is what it did not find.
    fn left_out(text: &str) -> Vec<String> {
        let report = Report::new(Arc::from("reference.yaml"));
        let root = tree::read(text, &report).unwrap();
        // Its token is read later.
        let _ = file::read(&Cursor::root(&root, &report));
        let left_out = report.left_out.take().into_iter().collect();
        assert_eq!(report.into_parts().0, []);
        left_out
    }

    #[test]
    fn the_reference_has_every_key() {
        let enabled: String = REFERENCE
            .lines()
            .map(|line| {
                let text = line.trim_start();
                let is_key = text.starts_with('#') && !text.starts_with("# ");
                if is_key { line.replacen('#', "", 1) + "\n" } else { format!("{line}\n") }
            })
            .collect();
        assert_eq!(left_out(&enabled), Vec::<String>::new());
        let disabled = [
            "access_log.filter",
            "admin",
            "group",
            "pid_file",
            "pools.web.backends.max_connections",
            "pools.web.health_check.host",
            "pools.web.health_check.port",
            "routes.host",
            "upgrade_socket",
            "user",
        ];
        assert_eq!(left_out(REFERENCE), disabled);
    }
}
