//! `docs/src/reference/command-line.md`, made from the arguments themselves, so that it names every flag
//! and has the help that the program prints. `UPDATE_GOLDEN=1 cargo test --lib command_line` rewrites it.

use std::{env, fmt::Write as _, fs, path::Path};

use clap::{Arg, Command, CommandFactory};

use super::args::Arguments;

const HEAD: &str = "\
# Command line

Generated from the program's own help. Without a command, `lb` is the balancer: `-c FILE` runs it from a
file, `--backends` without one.

Flags with one dash, as Go programs have them (`-port 8080`), are understood too.

With `-c` as well, a given flag overrides the file: `--port` and `--host` the address of its only listener,
the others its only pool.

Without a file and on a terminal, the access log is text; otherwise it is JSON, or what `access_log.format`
says. Text has colours on a terminal, unless the environment variable `NO_COLOR` is set.

## Exit codes

| code | meaning |
|---|---|
| 0 | done; for the balancer: stopped, and no request was cut off. `lb status` ends with 0 in any state; `lb health` is the check |
| 1 | a bad configuration, or it could not start, or requests were cut off; for a command: it failed or was refused, or no process runs, or the process is not ready |
| 2 | the command line itself was wrong |
| 3 | done, with reservations: `lb convert` has written a configuration and left something out, or `lb doctor` has found warnings and no problem |
";

/// The whole page.
fn page() -> String {
    let mut lb = Arguments::command();
    lb.build();
    let mut text = HEAD.to_owned();
    section(&mut text, &lb);
    for command in lb.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help") {
        section(&mut text, command);
    }
    text
}

/// The usage of one command and its arguments.
fn section(text: &mut String, command: &Command) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim);
    let usage = usage.collect::<Vec<_>>().join("\n");
    let _ = write!(text, "\n## `{name}`\n\n{about}.\n\n```text\n{usage}\n```\n");
    let mut rows = command.get_arguments().filter(|arg| is_shown(arg)).peekable();
    if rows.peek().is_none() {
        return;
    }
    text.push_str("\n| argument | meaning | default |\n|---|---|---|\n");
    for arg in rows {
        let (help, default) = help_and_default(arg);
        let _ = writeln!(text, "| {} | {} | {} |", invocation(arg), cell(&help), cell(&default));
    }
}

fn is_shown(arg: &Arg) -> bool {
    !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version"
}

/// The argument as it is typed.
fn invocation(arg: &Arg) -> String {
    let values = arg.get_value_names().into_iter().flatten().map(ToString::to_string);
    let values = values.collect::<Vec<_>>().join(" ");
    let takes_value = arg.get_action().takes_values();
    let value =
        if takes_value && !arg.is_positional() { format!(" {values}") } else { String::new() };
    let long = arg.get_long().map(|long| format!("`--{long}{value}`"));
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    match (short, long) {
        (Some(short), Some(long)) => format!("{short}, {long}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => cell(&format!("`{values}`")),
    }
}

/// The help, and the default that stands in brackets at its end or in the argument's settings.
fn help_and_default(arg: &Arg) -> (String, String) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let code = |value: &str| format!("`{value}`");
    if let Some((help, default)) = help.split_once(" [default without a file: ") {
        return (
            help.to_owned(),
            format!("{} without a file", code(default.trim_end_matches(']'))),
        );
    }
    if let Some((help, default)) = help.split_once(" [default: ") {
        return (help.to_owned(), default.trim_end_matches(']').to_owned());
    }
    let takes_value = arg.get_action().takes_values();
    let defaults = arg.get_default_values().iter().filter(|_| takes_value);
    let defaults: Vec<_> = defaults.map(|value| code(&value.to_string_lossy())).collect();
    (help, defaults.join(", "))
}

/// A `|` would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn the_page_of_the_command_line_is_that_of_the_arguments() {
    let actual = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/reference/command-line.md");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &actual).unwrap();
    }
    let told = fs::read_to_string(&path).unwrap_or_default();
    assert!(told == actual, "UPDATE_GOLDEN=1 writes {} anew:\n{actual}", path.display());
}
