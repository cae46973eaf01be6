//! The balancer itself: checks the configuration and runs it, here or in the background.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use super::{
    args::Arguments,
    output::{fail, say},
};
use crate::acme;
use crate::clock;
use crate::config::{self, Config, HTTPS_PORT, Loaded, Origin, Problem, Problems};
use crate::discovery::{self, ResolvedBackends};
use crate::files::FileVersions;
use crate::process::{
    background::{BackgroundProcess, Output, Report},
    control,
    privileges::Identity,
};
use crate::server::{self, Complete, LoadedSources, Sources, Start, StartError};
use crate::telemetry::log::{self as process_log, Destination};
use crate::tls;
use crate::tracing;

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
        Err(Failure { reason, code }) => {
            if let Some(report) = report {
                report.failed(&reason);
            }
            code
        }
    }
}

/// The reason why no request was served, for the process that started this one, and the exit code.
/// Standard error and the log have the reason already.
struct Failure {
    reason: String,
    code: ExitCode,
}

impl Failure {
    /// Prints the problems. Those that are in flags alone are a wrong command line; a name in a flag
    /// that cannot be looked up is not, because that may change.
    fn of(problems: &Problems, arguments: &Arguments) -> Self {
        let reason = problems.to_string();
        say(io::stderr(), &reason);
        let is_usage = problems.are_of_the_command_line()
            && read(arguments, &mut FileVersions::default()).is_err();
        Self { reason, code: if is_usage { ExitCode::from(2) } else { ExitCode::FAILURE } }
    }
}

fn check_and_serve(
    arguments: &Arguments,
    report: &mut Option<Report>,
) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let (mut loaded, resolved, tls) =
        load(arguments, &mut sources).map_err(|problems| Failure::of(&problems, arguments))?;
    if arguments.test {
        let warning = check_as_its_user(arguments, &loaded.config);
        loaded.warnings.extend(warning.map_err(|problems| Failure::of(&problems, arguments))?);
    }
    let is_daemon = loaded.config.process.daemon && report.is_none();
    if arguments.test || is_daemon {
        for warning in &loaded.warnings {
            say(io::stderr(), &format!("warning: {warning}"));
        }
    }
    if arguments.test {
        let summary = match arguments.offline {
            true => {
                let backends = loaded.config.pools.iter().map(|pool| pool.backends.len()).sum();
                format!("{}; no name was looked up", summary(&loaded.config, backends))
            }
            false => summary(&loaded.config, resolved.values().map(Vec::len).sum()),
        };
        say(io::stdout(), &format!("ok: {summary}"));
        return Ok(ExitCode::SUCCESS);
    }
    if is_daemon {
        let started = start_in_background(arguments);
        return Ok(started.map_or_else(|reason| fail(&reason), |()| ExitCode::SUCCESS));
    }
    if arguments.conf.is_none()
        && let Some(text) = whom_to_trust(&loaded.config)
    {
        say(io::stdout(), &text);
    }
    process_log::init(Destination::stderr(process_log::format(&loaded.config)));
    let start = Start {
        config: loaded.config,
        warnings: loaded.warnings,
        resolved,
        tls,
        origin: arguments.conf.clone().map(|file| origin_of(arguments, file, sources)),
        upgrade: arguments.upgrade,
    };
    serve(start, report).map_err(|reason| Failure { reason, code: ExitCode::FAILURE })
}

/// Loads everything once more as the user of the configuration, for which this process becomes that user
/// for good. A file that only root may read would make every later reload fail. Returns a warning if
/// there is no such user here.
fn check_as_its_user(arguments: &Arguments, config: &Config) -> Result<Option<Problem>, Problems> {
    let (user, group) = (config.process.user.as_deref(), config.process.group.as_deref());
    let file = arguments.conf.as_deref().map(|path| path.display().to_string());
    let place = |key: &str| Origin { key: key.into(), ..Origin::file(file.unwrap_or_default(), 0) };
    let identity = match Identity::find(user, group) {
        Ok(Some(identity)) if Identity::can_be_assumed() => identity,
        Ok(_) => return Ok(None),
        Err(error) => {
            let message = format!("{error}, so lb would not start on this machine");
            return Ok(Some(Problem::new(place("user, group"), message)));
        }
    };
    identity.assume().map_err(|error| {
        Problem::new(place("user, group"), format!("cannot check as this user: {error}"))
    })?;
    load(arguments, &mut Sources::default()).map(|_| None)
}

/// How clients are told to trust the authority of this machine, if a host has a certificate of it.
fn whom_to_trust(config: &Config) -> Option<String> {
    let mut hosts = config
        .tls_endpoints()
        .filter_map(|place| Some((place.tls.local.first()?, place.address.tcp())));
    let (host, address) = hosts.next()?;
    let port = address.map(|it| it.port()).filter(|port| *port != HTTPS_PORT);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let root = acme::root_file(&acme::StateFolder::of(config));
    let root = std::path::absolute(&root).unwrap_or(root);
    let root = root.display();
    Some(format!(
        "{host} has a certificate of an authority of this machine's own. To trust it:\n  \
         curl                   curl --cacert {root} https://{host}{port}/\n  \
         Debian, Ubuntu, Alpine cp {root} /usr/local/share/ca-certificates/lb.crt && update-ca-certificates\n  \
         Fedora, RHEL           cp {root} /etc/pki/ca-trust/source/anchors/lb.pem && update-ca-trust\n  \
         openSUSE               cp {root} /etc/pki/trust/anchors/lb.pem && update-ca-certificates\n  \
         Arch                   trust anchor --store {root}\n  \
         Firefox, Chromium      import it as an authority in the settings of certificates"
    ))
}

/// Runs the balancer until a signal ends it.
pub(super) fn serve(start: Start, report: &mut Option<Report>) -> Result<ExitCode, String> {
    let file = start.origin.as_ref().map(|origin| origin.file.clone());
    server::run(start, report).map_err(|error| {
        let other = match error {
            StartError::Listen { .. } => file.as_deref().and_then(other_process),
            _ => None,
        };
        let reason = format!("{error}{}", other.unwrap_or_default());
        log::error!("{reason}");
        // The person who starts it reads standard error, where the log is if it has no file yet.
        if process_log::is_elsewhere() {
            say(io::stderr(), &reason);
        }
        reason
    })
}

/// The end of the message about an address that is taken, if another process runs from this file.
fn other_process(file: &Path) -> Option<String> {
    let (_, pid) = control::running(file).filter(|(_, pid)| *pid != std::process::id())?;
    let file = file.display();
    Some(format!(
        "; process {pid} runs from {file} already (lb reload -c {file} applies a change, lb upgrade -c \
         {file} another program)"
    ))
}

fn origin_of(arguments: &Arguments, file: PathBuf, sources: Sources) -> server::Origin {
    let again = arguments.successor();
    let arguments = arguments.clone();
    let sources = Arc::new(LoadedSources::new(file.clone(), sources));
    server::Origin { file, sources, load: Arc::new(move |it| load(&arguments, it)), again }
}

/// Starts a process in the background. Returns when it serves, or when it has failed.
fn start_in_background(arguments: &Arguments) -> Result<(), String> {
    let start = || BackgroundProcess::start(&env::current_exe()?, &arguments.again(), Output::Null);
    let started = start().map_err(|error| format!("cannot start in the background: {error}"));
    started?.outcome(None)
}

/// The configuration of the file and the flags, before anything else is asked.
fn read(arguments: &Arguments, sources: &mut FileVersions) -> Result<Loaded, Problems> {
    let flags = arguments.flags();
    match &arguments.conf {
        Some(path) => config::load_noting(path, &flags, sources),
        None => config::from_flags(&flags),
    }
}

/// The configuration, with its names looked up and its certificates read. The files that it was read from
/// are added to `sources`.
pub(super) fn load(arguments: &Arguments, sources: &mut Sources) -> Result<Complete, Problems> {
    let mut loaded = read(arguments, &mut sources.configuration)?;
    let resolved = match arguments.offline {
        true => ResolvedBackends::new(),
        false => discovery::resolve(&loaded.config)?,
    };
    loaded.warnings.extend(acme::check(&loaded.config, &mut sources.certificates)?);
    tracing::check(&loaded.config, &mut sources.certificates)?;
    let now = clock::wall();
    let (tls, warnings) = tls::load(&loaded.config, now, &mut sources.certificates)?;
    loaded.warnings.extend(warnings);
    acme::supply_all(&loaded.config, &tls, now);
    Ok((loaded, resolved, tls))
}

fn summary(config: &Config, backends: usize) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}, {}, {}, {}",
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.pools.len(), "pool"),
        count(backends, "backend"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_trust_a_certificate_of_this_machine_has_the_port() {
        for (port, seen) in [("443", "https://localhost/\n"), ("8443", "https://localhost:8443/\n")]
        {
            let text = format!(
                "listeners: [ {{ address: 127.0.0.1:{port}, tls: {{ local: [ localhost ] }} }} ]
routes: [ {{ pool: web }} ]
pools: {{ web: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}
"
            );
            let loaded = config::parse("lb.yaml", &text, &config::Flags::default()).unwrap();
            let told = whom_to_trust(&loaded.config).unwrap();
            assert!(told.contains(seen), "{told}");
        }
    }
}
