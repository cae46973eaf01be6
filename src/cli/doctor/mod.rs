//! `lb doctor`: reads the facts, has them checked, and prints what was found.
//!
//! The findings are a function of the facts (`crate::doctor`); only here the machine, the running process
//! and the configuration are asked.

mod load;
mod print;

use std::{
    env, fs, io,
    path::{self, Path, PathBuf},
    process::ExitCode,
    thread,
};

use super::{WITH_RESERVATIONS, args::DoctorArguments, output::say};
use crate::doctor::{ConfigurationFacts, Facts, Finding, Level, Machine, RunningFacts, examine};
use crate::process::control::{self, Command};

/// Makes every check for this file and prints the findings.
pub(super) fn run(file: &Path, arguments: &DoctorArguments) -> ExitCode {
    let running = running(file);
    let pid = running.as_ref().ok().map(|(pid, _)| *pid);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // Before the user of the process is assumed, who may see less.
    let machine = Machine::read(&arguments.root, pid, cores);
    let configuration = load_where_it_runs(file, pid);
    let findings = examine(&Facts { file: file.to_owned(), machine, running, configuration });
    match arguments.json {
        true => say(io::stdout(), &print::json(file, pid, &findings)),
        false => say(anstream::stdout(), &print::text(&findings)),
    }
    exit_code(&findings)
}

/// Loads the configuration in the folder of the process, where its relative paths begin. Without a process,
/// or if its folder may not be known, they begin in the folder of this command, as those of `lb -c` would.
fn load_where_it_runs(file: &Path, pid: Option<u32>) -> ConfigurationFacts {
    let folder = pid.and_then(|pid| fs::read_link(format!("/proc/{pid}/cwd")).ok());
    let is_other = |folder: &PathBuf| env::current_dir().is_ok_and(|own| own != *folder);
    let place =
        folder.filter(is_other).and_then(|folder| Some((folder, path::absolute(file).ok()?)));
    match place {
        Some((folder, file)) if env::set_current_dir(&folder).is_ok() => load::configuration(&file),
        _ => load::configuration(file),
    }
}

/// What the process that runs from this file says, and its number; otherwise the reason why nothing is said.
fn running(file: &Path) -> Result<(u32, RunningFacts), String> {
    let Some((socket, pid)) = control::running(file) else {
        return Err(format!("no lb runs from {}", file.display()));
    };
    let answer = control::ask(&socket, &Command::Facts).map_err(|error| error.to_string());
    let facts = answer.and_then(|answer| answer).and_then(|text| {
        serde_json::from_str(&text)
            .map_err(|_| "the running process is of another version".to_owned())
    });
    Ok((pid, facts.map_err(|reason| format!("process {pid} does not say: {reason}"))?))
}

fn exit_code(findings: &[Finding]) -> ExitCode {
    match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Problem) => ExitCode::FAILURE,
        Some(Level::Warning) => ExitCode::from(WITH_RESERVATIONS),
        _ => ExitCode::SUCCESS,
    }
}
