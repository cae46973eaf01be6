//! The command line: arguments to what runs, and the exit code.
//!
//! | code | meaning                                                             |
//! |------|---------------------------------------------------------------------|
//! | 0    | done; for the balancer: stopped, and no request was cut off          |
//! | 1    | a bad configuration, or it could not start, or requests were cut off |
//! | 2    | the command line itself was wrong                                   |

mod args;
mod demo;

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;

use crate::config::{self, Config, Loaded, LogFormat, Problems};
use crate::discovery::{self, Resolved};
use crate::server;
use crate::telemetry::log as process_log;
use args::{Arguments, Command};

/// Runs the program that the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
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
        Some(Command::Demo(demo)) => demo::run(demo),
        Some(Command::Backend(backend)) => demo::run_backend(backend),
        None => balance(&arguments),
    }
}

/// Checks the configuration, and runs it unless checking was all that was asked for.
fn balance(arguments: &Arguments) -> ExitCode {
    let (loaded, resolved) = match load(arguments) {
        Ok(loaded) => loaded,
        Err(problems) => {
            say(io::stderr(), &problems.to_string());
            return ExitCode::FAILURE;
        }
    };
    if arguments.test {
        for warning in &loaded.warnings {
            say(io::stderr(), &format!("warning: {warning}"));
        }
        say(io::stdout(), &format!("ok: {}", summary(&loaded.config, &resolved)));
        return ExitCode::SUCCESS;
    }
    process_log::init(log_format(&loaded.config));
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    let load = arguments.conf.is_some().then(|| {
        let arguments = arguments.clone();
        Arc::new(move || load(&arguments)) as server::Load
    });
    serve(loaded.config, resolved, load)
}

/// Runs the balancer until a signal ends it.
fn serve(config: Config, resolved: Resolved, load: Option<server::Load>) -> ExitCode {
    match server::run(config, resolved, load) {
        Ok(code) => code,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn load(arguments: &Arguments) -> Result<(Loaded, Resolved), Problems> {
    let flags = arguments.flags();
    let loaded = match &arguments.conf {
        Some(path) => config::load(path, &flags)?,
        None => config::from_flags(&flags)?,
    };
    let resolved = discovery::resolve(&loaded.config)?;
    Ok((loaded, resolved))
}

/// JSON when the access log is, so that a log collector meets one format.
fn log_format(config: &Config) -> LogFormat {
    config.access_log.as_ref().map_or(LogFormat::Text, |access_log| access_log.format)
}

fn summary(config: &Config, resolved: &Resolved) -> String {
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
