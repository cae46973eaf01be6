//! `lb convert`: the configuration of another balancer as one of `lb`, and what became of each line.

mod include;

use std::{
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

use super::{
    WITH_RESERVATIONS,
    args::ConvertArguments,
    output::{fail, say},
};
use crate::config::{self, Flags};
use crate::convert::{self, Conversion, Format, Report, Source};
use crate::files;

/// Prints the configuration on standard output and the report on standard error; with `check` the
/// report alone, on standard output.
pub(super) fn run(arguments: &ConvertArguments) -> ExitCode {
    match converted(arguments) {
        Ok(conversion) => print(&conversion, arguments.check),
        Err(reason) => fail(&reason),
    }
}

fn converted(arguments: &ConvertArguments) -> Result<Conversion, String> {
    let path = arguments.file.as_path();
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    let text = if is_stdin { read_stdin() } else { files::read_text(path) };
    let text = text.map_err(|error| format!("{name}: {}", include::reason(&error)))?;
    let format = match arguments.from {
        Some(format) => format.into(),
        None => recognised(&name, &text)?,
    };
    let folder = path.parent().filter(|_| !is_stdin).unwrap_or(Path::new(""));
    let source = Source { name: &name, text: &text };
    let include = |pattern: &str| include::files(folder, pattern);
    let conversion = convert::convert(format, &source, &include);
    let conversion = conversion.map_err(|error| error.to_string())?;
    check(&name, &conversion)?;
    Ok(conversion)
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn recognised(name: &str, text: &str) -> Result<Format, String> {
    convert::recognise(text).ok_or_else(|| {
        format!(
            "{name}: looks neither like nginx nor like HAProxy (if it is, write --from nginx or --from \
             haproxy)"
        )
    })
}

/// A document that `lb` would refuse helps no one, so it is not printed.
fn check(name: &str, conversion: &Conversion) -> Result<(), String> {
    let Some(document) = &conversion.document else { return Ok(()) };
    match config::parse("the converted configuration", document, &Flags::default()) {
        Ok(_) => Ok(()),
        Err(problems) => Err(format!(
            "{name}: lb convert made a configuration that lb refuses, which is a mistake in lb \
             (please report it):\n{problems}"
        )),
    }
}

fn print(conversion: &Conversion, is_check: bool) -> ExitCode {
    let report = conversion.report.to_string();
    match (is_check, &conversion.document) {
        (true, _) => say(io::stdout(), &report),
        (false, document) => {
            if let Some(document) = document {
                say(io::stdout(), document);
            }
            say(io::stderr(), &report);
        }
    }
    code(conversion.document.is_some(), &conversion.report)
}

fn code(has_document: bool, report: &Report) -> ExitCode {
    match report.summary().left_out {
        _ if !has_document => ExitCode::FAILURE,
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(WITH_RESERVATIONS),
    }
}
