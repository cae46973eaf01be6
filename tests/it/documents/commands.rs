//! Commands that are not run have the form that the program takes: they are parsed, with `--help` at
//! the end, so that nothing happens.

use std::process::{Command, Stdio};

use crate::support::process::lb;

use super::page::{Block, for_users};

/// The reasons for which a block is not run.
const REASONS: [&str; 7] =
    ["cluster", "docker", "internet", "network", "root", "terminal", "toolchain"];

/// What `lb` says against these arguments; `None` if it takes them.
fn objection(command: &str) -> Option<String> {
    let words = command.split(" #").next().unwrap_or_default();
    let words =
        words.trim_end_matches(['&', ';', ' ', ')', '\\']).replace(['[', ']', '"', '\''], "");
    let is_next = |word: &&str| !matches!(*word, "&&" | "||" | "|" | ">" | ">>" | "<");
    let mut words: Vec<&str> = words.split_whitespace().skip(1).take_while(is_next).collect();
    words.push("--help");
    let output = lb(&words).stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code() != Some(0)).then_some(said)
}

/// The commands of `lb` in a script.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    let program = |line: &str| {
        let line = line.trim_start().trim_start_matches("$ ");
        line.strip_prefix("/usr/local/bin/").unwrap_or(line).starts_with("lb ")
    };
    script.lines().flat_map(|line| line.split("&& ")).filter(move |line| program(line))
}

fn assert_is_shell(place: &str, block: &Block) {
    let output = Command::new("bash").args(["-n", "-c", &block.text]).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}: {said}");
}

#[test]
fn every_command_in_prose_is_one_that_the_program_takes() {
    let pages = for_users();
    let mut found = 0;
    let mut faults = Vec::new();
    for page in &pages {
        for (command, line) in page.inline_commands() {
            found += 1;
            let fault = objection(&command);
            faults.extend(fault.map(|said| format!("{}: {command}\n{said}", page.at(line))));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(found > 30, "{found}");
}

#[test]
fn every_command_that_cannot_be_run_has_the_form_that_the_program_takes() {
    for page in for_users() {
        for block in page.blocks() {
            let Some(reason) = block.value("needs") else { continue };
            let place = page.at(block.line);
            assert!(REASONS.contains(&reason), "{place}: {reason} is no reason");
            if block.language == "sh" {
                assert_is_shell(&place, &block);
            }
            for command in commands(&block.text) {
                let said = objection(command.trim_start().trim_start_matches("$ "));
                assert_eq!(said, None, "{place}: {command}");
            }
        }
    }
}
