//! The output of commands, and the exit code of a failure.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Prints the reason on standard error. Returns the exit code of a failure.
pub(super) fn fail(reason: &str) -> ExitCode {
    say(io::stderr(), reason);
    ExitCode::FAILURE
}

/// Prints the text as whole lines. Errors are ignored: a closed pipe means that its reader has seen enough.
pub(super) fn say(mut to: impl Write, text: &str) {
    let _ = writeln!(to, "{}", text.trim_end());
}
