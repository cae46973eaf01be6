//! The command line: arguments to what runs, and the exit code.
//!
//! | code | meaning                                                             |
//! |------|---------------------------------------------------------------------|
//! | 0    | done; for the balancer: stopped, and no request was cut off          |
//! |      | `lb status` is done when it has shown what there is, ready or not     |
//! | 1    | a bad configuration, or it could not start, or requests were cut off; |
//! |      | for a command to a process: it could not, or is not ready, or is none,|
//! |      | or the answer is a no                                               |
//! | 2    | the command line itself was wrong                                   |

mod args;
mod demo;
mod operate;
mod top;

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;

use crate::config::{self, Config, Loaded, Problems};
use crate::discovery::{self, ResolvedBackends};
use crate::process::{
    background::{BackgroundProcess, Output, Report},
    control::{self, CommandError},
    meeting_socket::{MeetingSocket, Purpose},
};
use crate::server::{self, Origin, Start, StartError, WatchedFile};
use crate::telemetry::log::{self as process_log, Destination};
use args::{Arguments, Command};

/// Runs the program that the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let _log = process_log::CloseAtEnd;
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come this way too. If even this cannot be written, there
            // is nowhere left to say so.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match &arguments.command {
        Some(Command::Reload(of)) => command(&of.conf, &control::Command::Reload),
        Some(Command::Health(of)) => command(&of.conf, &control::Command::Health),
        Some(Command::Upgrade(of)) => upgrade(&of.conf),
        Some(Command::Operate(operation)) => operate::run(operation),
        Some(Command::Demo(demo)) => demo::run(demo),
        Some(Command::Backend(backend)) => demo::run_backend(backend),
        None => balance(&arguments),
    }
}

/// Checks the configuration, and runs it unless checking was all that was asked for.
fn balance(arguments: &Arguments) -> ExitCode {
    let mut report = match arguments.report.then(Report::inherit).transpose() {
        Ok(report) => report,
        Err(error) => return fail(&format!("nobody waits for a report: {error}")),
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

/// The reason for which nothing was served is returned for whoever started this process; everybody
/// else has been told.
fn check_and_serve(arguments: &Arguments, report: &mut Option<Report>) -> Result<ExitCode, String> {
    let watched = arguments.conf.clone().map(WatchedFile::new);
    let (loaded, resolved) = load(arguments).map_err(|problems| {
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
    process_log::init(Destination::stderr(process_log::format(&loaded.config)));
    let origin = arguments.conf.clone().zip(watched);
    let start = Start {
        config: loaded.config,
        warnings: loaded.warnings,
        resolved,
        origin: origin.map(|(file, watched)| origin_of(arguments, file, watched)),
        upgrade: arguments.upgrade,
    };
    serve(start, report)
}

/// Runs the balancer until a signal ends it.
fn serve(start: Start, report: &mut Option<Report>) -> Result<ExitCode, String> {
    let is_logged_to_file = start.config.process.error_log.is_some();
    server::run(start, report).map_err(|error| {
        log::error!("{error}");
        // Whoever started it looks here.
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

/// Ends when the process in the background serves, or cannot.
fn start_in_background(arguments: &Arguments) -> Result<(), String> {
    let start = || BackgroundProcess::start(&env::current_exe()?, &arguments.again(), Output::Null);
    let started = start().map_err(|error| format!("cannot start in the background: {error}"));
    started?.outcome(None)
}

/// Has the process that runs from this file do something, and says what came of it.
fn command(file: &Path, command: &control::Command) -> ExitCode {
    let asked = MeetingSocket::of(Purpose::Control, file)
        .map_err(CommandError::NotRunning)
        .and_then(|place| control::ask(&place, command));
    match asked {
        Ok(Ok(text)) => {
            say(io::stdout(), &text);
            ExitCode::SUCCESS
        }
        Ok(Err(text)) => fail(&text),
        Err(CommandError::NotRunning(_)) => {
            let file = file.display();
            fail(&format!("no lb runs from {file} (start it with: lb -c {file})"))
        }
        Err(error) => fail(&error.to_string()),
    }
}

/// Looks at the file before anybody is disturbed.
fn upgrade(file: &Path) -> ExitCode {
    if let Err(problems) = load(&Arguments::from_file(file.to_owned())) {
        return fail(&format!("{problems}\nnot upgraded, nothing has changed"));
    }
    match env::current_exe() {
        Ok(program) => command(file, &control::Command::Upgrade(program)),
        Err(error) => fail(&format!("this program cannot find itself: {error}")),
    }
}

fn fail(reason: &str) -> ExitCode {
    say(io::stderr(), reason);
    ExitCode::FAILURE
}

fn load(arguments: &Arguments) -> Result<(Loaded, ResolvedBackends), Problems> {
    let flags = arguments.flags();
    let loaded = match &arguments.conf {
        Some(path) => config::load(path, &flags)?,
        None => config::from_flags(&flags)?,
    };
    let resolved = discovery::resolve(&loaded.config)?;
    Ok((loaded, resolved))
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

/// A closed pipe is no error: whoever reads us has seen enough.
fn say(mut to: impl Write, text: &str) {
    let _ = writeln!(to, "{}", text.trim_end());
}
