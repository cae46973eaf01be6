//! Commands to the process that runs from a file: reload, upgrade, health.

use std::{env, io, path::Path, process::ExitCode};

use super::{
    args::Arguments,
    balance::load,
    output::{fail, say},
};
use crate::process::{
    control::{self, CommandError},
    meeting_socket::{MeetingSocket, Purpose},
};

/// Sends a command to the process that runs from this file, and prints its answer.
pub(super) fn command(file: &Path, command: &control::Command) -> ExitCode {
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

/// Upgrades the process that runs from this file, if the file has no problems.
pub(super) fn upgrade(file: &Path) -> ExitCode {
    if let Err(problems) = load(&Arguments::from_file(file.to_owned())) {
        return fail(&format!("{problems}\nnot upgraded, nothing has changed"));
    }
    match env::current_exe() {
        Ok(program) => command(file, &control::Command::Upgrade(program)),
        Err(error) => fail(&format!(
            "cannot find the file of this program: {error} (start lb by its full path)"
        )),
    }
}
