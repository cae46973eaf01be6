//! The balancer itself: checks the configuration and runs it, here or in the background.

use std::{env, io, path::PathBuf, process::ExitCode, sync::Arc};

use super::{
    args::Arguments,
    output::{fail, say},
};
use crate::acme;
use crate::clock;
use crate::config::{self, Config, Loaded, Problems};
use crate::discovery::{self, ResolvedBackends};
use crate::process::background::{BackgroundProcess, Output, Report};
use crate::server::{self, Origin, Start, StartError, WatchedFile};
use crate::telemetry::log::{self as process_log, Destination};
use crate::tls::{self, TlsListeners};

/// Checks the configuration, and runs it unless only the check was requested.
pub(super) fn balance(arguments: &Arguments) -> ExitCode {
    let mut report = match arguments.report.then(Report::inherit).transpose() {
        Ok(report) => report,
        Err(error) => {
            return fail(&format!(
                "cannot report to the process that started this one: {error} (--report is for lb itself)"
            ));
        }
    };
    if arguments.detach
        && let Some(report) = report.take()
    {
        let passed = env::current_exe().map(|lb| report.pass_on(&lb, &arguments.again()));
        return if matches!(passed, Ok(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match check_and_serve(arguments, &mut report) {
        Ok(code) => code,
        Err(reason) => {
            if let Some(report) = report {
                report.failed(&reason);
            }
            ExitCode::FAILURE
        }
    }
}

/// The error is the reason why no request was served, for the process that started this one.
/// Standard error and the log have it already.
fn check_and_serve(arguments: &Arguments, report: &mut Option<Report>) -> Result<ExitCode, String> {
    let watched = arguments.conf.clone().map(WatchedFile::new);
    let (loaded, resolved, tls) = load(arguments).map_err(|problems| {
        say(io::stderr(), &problems.to_string());
        problems.to_string()
    })?;
    let is_daemon = loaded.config.process.daemon && report.is_none();
    if arguments.test || is_daemon {
        for warning in &loaded.warnings {
            say(io::stderr(), &format!("warning: {warning}"));
        }
    }
    if arguments.test {
        say(io::stdout(), &format!("ok: {}", summary(&loaded.config, &resolved)));
        return Ok(ExitCode::SUCCESS);
    }
    if is_daemon {
        let started = start_in_background(arguments);
        return Ok(started.map_or_else(|reason| fail(&reason), |()| ExitCode::SUCCESS));
    }
    if arguments.conf.is_none() {
        say_whom_to_trust(&loaded.config);
    }
    process_log::init(Destination::stderr(process_log::format(&loaded.config)));
    let origin = arguments.conf.clone().zip(watched);
    let start = Start {
        config: loaded.config,
        warnings: loaded.warnings,
        resolved,
        tls,
        origin: origin.map(|(file, watched)| origin_of(arguments, file, watched)),
        upgrade: arguments.upgrade,
    };
    serve(start, report)
}

/// Says how clients are told to trust the authority of this machine, if a host has a certificate of it.
fn say_whom_to_trust(config: &Config) {
    let Some(host) = config.tls_endpoints().find_map(|place| place.tls.local.first()) else {
        return;
    };
    let root = acme::root_file(&acme::StateFolder::of(config));
    let root = std::path::absolute(&root).unwrap_or(root);
    let root = root.display();
    say(
        io::stdout(),
        &format!(
            "{host} has a certificate of an authority of this machine's own. To trust it:\n  \
             curl                   curl --cacert {root} https://{host}/\n  \
             Debian, Ubuntu, Alpine cp {root} /usr/local/share/ca-certificates/lb.crt && update-ca-certificates\n  \
             Fedora, RHEL           cp {root} /etc/pki/ca-trust/source/anchors/lb.pem && update-ca-trust\n  \
             openSUSE               cp {root} /etc/pki/trust/anchors/lb.pem && update-ca-certificates\n  \
             Arch                   trust anchor --store {root}\n  \
             Firefox, Chromium      import it as an authority in the settings of certificates"
        ),
    );
}

/// Runs the balancer until a signal ends it.
pub(super) fn serve(start: Start, report: &mut Option<Report>) -> Result<ExitCode, String> {
    let is_logged_to_file = start.config.process.error_log.is_some();
    server::run(start, report).map_err(|error| {
        log::error!("{error}");
        // The person who starts it reads standard error.
        if is_logged_to_file && !matches!(error, StartError::ProcessLog(_)) {
            say(io::stderr(), &error.to_string());
        }
        error.to_string()
    })
}

fn origin_of(arguments: &Arguments, file: PathBuf, watched: WatchedFile) -> Origin {
    let again = arguments.successor();
    let arguments = arguments.clone();
    Origin { file, watched, load: Arc::new(move || load(&arguments)), again }
}

/// Starts a process in the background. Returns when it serves, or when it has failed.
fn start_in_background(arguments: &Arguments) -> Result<(), String> {
    let start = || BackgroundProcess::start(&env::current_exe()?, &arguments.again(), Output::Null);
    let started = start().map_err(|error| format!("cannot start in the background: {error}"));
    started?.outcome(None)
}

pub(super) fn load(
    arguments: &Arguments,
) -> Result<(Loaded, ResolvedBackends, TlsListeners), Problems> {
    let flags = arguments.flags();
    let mut loaded = match &arguments.conf {
        Some(path) => config::load(path, &flags)?,
        None => config::from_flags(&flags)?,
    };
    let resolved = discovery::resolve(&loaded.config)?;
    loaded.warnings.extend(acme::check(&loaded.config)?);
    let now = clock::wall();
    let (tls, warnings) = tls::load(&loaded.config, now)?;
    loaded.warnings.extend(warnings);
    acme::supply_all(&loaded.config, &tls, now);
    Ok((loaded, resolved, tls))
}

fn summary(config: &Config, resolved: &ResolvedBackends) -> String {
    let backends: usize = resolved.values().map(Vec::len).sum();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}, {}, {}, {}",
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.pools.len(), "pool"),
        count(backends, "backend"),
    )
}
