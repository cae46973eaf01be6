//! The command line: arguments to what runs, and the exit code.
//!
//! | code | meaning                                                             |
//! |------|---------------------------------------------------------------------|
//! | 0    | done; for the balancer: stopped, and no request was cut off          |
//! |      | `lb status` is done when it has shown what there is, ready or not     |
//! | 1    | a bad configuration, or it could not start, or requests were cut off; |
//! |      | for a command: it failed or was refused, or no process runs, or the   |
//! |      | process is not ready                                                |
//! | 2    | the command line itself was wrong: a flag, its value, or one is missing |
//! | 3    | done, with reservations: `lb convert` has left something out,       |
//! |      | `lb doctor` has found warnings and no problem                       |

mod args;
mod balance;
mod client;
#[cfg(test)]
mod command_line_page;
mod convert;
mod demo;
mod doctor;
mod figures;
mod manual;
mod operate;
mod output;
mod process_command;
#[cfg(test)]
mod samples;
mod spelling;
mod top;
mod version;

use std::{path::Path, process::ExitCode};

use clap::{CommandFactory, Parser};

use crate::config::reference;
use crate::process::control;
use crate::telemetry::log::CloseAtEnd;
use args::{Arguments, Command, FileArgument};
use spelling::{Spelled, spelled};

/// The exit code for a command line that is wrong itself.
const BAD_COMMAND_LINE: u8 = 2;
/// The exit code of a command that was done with reservations: a configuration was written, and something
/// of the source is not in it; or there are warnings, and no problem.
const WITH_RESERVATIONS: u8 = 3;

/// Runs the program that the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let _log = CloseAtEnd;
    let arguments = match spelled(std::env::args_os().collect(), &Arguments::command()) {
        Ok(Spelled { arguments, hint }) => {
            hint.iter().for_each(|hint| output::say(std::io::stderr(), hint));
            arguments
        }
        Err(reason) => {
            output::say(std::io::stderr(), &format!("error: {reason}"));
            return ExitCode::from(BAD_COMMAND_LINE);
        }
    };
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come this way too. If even this cannot be written, there
            // is nowhere left to say so.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_COMMAND_LINE));
        }
    };
    match &arguments.command {
        Some(Command::Reload(it)) => {
            let command =
                if it.dry_run { control::Command::DryRun } else { control::Command::Reload };
            for_file(&it.of, |file| process_command::command(file, &command))
        }
        Some(Command::Health(of)) => {
            for_file(of, |file| process_command::command(file, &control::Command::Health))
        }
        Some(Command::Stop(of)) => for_file(of, process_command::stop),
        Some(Command::Upgrade(of)) => for_file(of, process_command::upgrade),
        Some(Command::Operate(operation)) => operate::run(operation),
        Some(Command::Doctor(arguments)) => {
            for_file(&arguments.of, |file| doctor::run(file, arguments))
        }
        Some(Command::Convert(arguments)) => convert::run(arguments),
        Some(Command::Schema) => {
            output::say(std::io::stdout(), &format!("{:#}", reference::schema()));
            ExitCode::SUCCESS
        }
        Some(Command::Completions { shell }) => {
            manual::complete(*shell);
            ExitCode::SUCCESS
        }
        Some(Command::Manual { folder }) => match manual::write_manual(folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => output::fail(&format!("{}: {error}", folder.display())),
        },
        Some(Command::Demo(demo)) => demo::run(demo),
        Some(Command::Backend(backend)) => demo::run_backend(backend),
        None => balance::balance(&arguments.with_default_file()),
    }
}

/// Runs a command for the file that it names, or for the default file.
fn for_file(of: &FileArgument, run: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    match client::default_file::or(of.conf.as_deref()) {
        Ok(file) => run(&file),
        Err(reason) => {
            output::say(std::io::stderr(), &reason);
            ExitCode::from(BAD_COMMAND_LINE)
        }
    }
}
