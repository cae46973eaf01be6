//! Commands to the process that runs from a file: reload, upgrade, stop, health.

use std::{env, io, path::Path, process::ExitCode, thread, time::Duration};

use super::{
    args::Arguments,
    balance::load,
    output::{fail, say},
};
use crate::process::{
    control::{self, CommandError},
    meeting_socket::{MeetingSocket, PeerCredentials, Purpose},
};
use crate::server::Sources;

/// The time between two looks whether a process has ended.
const LOOK: Duration = Duration::from_millis(20);

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

/// Ends the process that runs from this file, and waits until it has ended: then its ports are free.
pub(super) fn stop(file: &Path) -> ExitCode {
    let Some((socket, pid)) = control::running(file) else {
        return command(file, &control::Command::Stop);
    };
    let code = command(file, &control::Command::Stop);
    if code != ExitCode::SUCCESS {
        return code;
    }
    // A service manager may start the next one at once.
    let is_there =
        || socket.connect().and_then(|it| PeerCredentials::of(&it)).is_ok_and(|it| it.pid == pid);
    while is_there() {
        thread::sleep(LOOK);
    }
    say(io::stdout(), &format!("process {pid} has ended"));
    ExitCode::SUCCESS
}

/// Upgrades the process that runs from this file, if the file has no problems.
pub(super) fn upgrade(file: &Path) -> ExitCode {
    if let Err(problems) = load(&Arguments::from_file(file.to_owned()), &mut Sources::default()) {
        return fail(&format!("{problems}\nnot upgraded, nothing has changed"));
    }
    match env::current_exe() {
        Ok(program) => command(file, &control::Command::Upgrade(program)),
        Err(error) => fail(&format!(
            "cannot find the file of this program: {error} (start lb by its full path)"
        )),
    }
}
