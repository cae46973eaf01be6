//! Arguments as people write them for the tools that `lb` replaces: flags with one dash, as Go programs
//! have them, and the file without `-c`.
//!
//! A flag with one dash would be taken for several short ones: `-health-interval` would print the help.

use std::{collections::BTreeMap, ffi::OsString};

use clap::Command;

/// Arguments in the form of this program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spelled {
    pub(super) arguments: Vec<OsString>,
    /// What to write in their place, if they had another form.
    pub(super) hint: Option<String>,
}

/// The flags of a program and of its subcommands, and whether each takes a value.
struct Flags {
    long: BTreeMap<String, bool>,
    short: BTreeMap<char, bool>,
}

impl Flags {
    fn of(command: &Command) -> Self {
        let mut flags = Self {
            long: [("help", false), ("version", false)]
                .map(|(name, is)| (name.to_owned(), is))
                .into(),
            short: [('h', false), ('V', false)].into(),
        };
        flags.add(command);
        flags
    }

    fn add(&mut self, command: &Command) {
        for argument in command.get_arguments() {
            let takes_value = argument.get_action().takes_values();
            self.long.extend(argument.get_long().map(|name| (name.to_owned(), takes_value)));
            self.short.extend(argument.get_short().map(|name| (name, takes_value)));
        }
        command.get_subcommands().for_each(|command| self.add(command));
    }

    /// Whether this is a flag with two dashes, and without its value, that no command has.
    fn is_unknown(&self, argument: &str) -> bool {
        let name = argument.strip_prefix("--");
        name.is_some_and(|name| !name.contains('=') && !self.long.contains_key(name))
    }

    /// Whether these are short flags behind one dash, the last perhaps with its value.
    fn are_short(&self, letters: &str) -> bool {
        for letter in letters.chars() {
            match self.short.get(&letter) {
                Some(true) => return true,
                Some(false) => {}
                None => return false,
            }
        }
        true
    }

    fn takes_value(&self, argument: &str) -> bool {
        match argument.strip_prefix("--") {
            Some(name) => self.long.get(name).copied().unwrap_or_default(),
            // Behind the first letter with a value, the rest is the value.
            None => argument.strip_prefix('-').is_some_and(|letters| {
                let with_value = letters.find(|it| self.short.get(&it) == Some(&true));
                with_value.is_some_and(|at| at + 1 == letters.len())
            }),
        }
    }
}

/// Puts a second dash before long flags that have one; the first argument is the program.
///
/// # Errors
///
/// What to write in place of a file without a flag, and of a flag with one dash that is not known.
pub(super) fn spelled(arguments: Vec<OsString>, command: &Command) -> Result<Spelled, String> {
    let flags = Flags::of(command);
    let mut single: Vec<String> = Vec::new();
    let mut result = Vec::with_capacity(arguments.len());
    let mut arguments = arguments.into_iter();
    result.extend(arguments.next());
    let (mut is_test, mut is_value, mut is_below) = (false, false, false);
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        if std::mem::take(&mut is_value) {
            result.push(argument);
            continue;
        }
        if text == "--" {
            result.push(argument);
            break;
        }
        is_test |= matches!(text, "-t" | "--test" | "-test");
        if let Some(name) = single_dash(text) {
            let flag = name.split('=').next().unwrap_or(name);
            if flag == "conf" {
                let file = name.strip_prefix("conf=").map(Into::into).or_else(|| arguments.next());
                return Err(write_c("-conf has one dash too few", is_test, file));
            }
            if flags.long.contains_key(flag) {
                single.push(flag.to_owned());
                is_value = flags.takes_value(&format!("--{name}"));
                result.push(format!("--{name}").into());
                continue;
            }
            if !flags.are_short(name) {
                return Err(format!(
                    "-{flag} is not a flag; flags have two dashes, as in --port ({} lists them)",
                    "lb --help"
                ));
            }
        }
        // What follows a flag that is not known is taken for its value: the parser's own
        // message about the flag is of more use than one about a file.
        is_value = flags.takes_value(text) || flags.is_unknown(text);
        let is_command = || command.find_subcommand(text).is_some() || text == "help";
        if !is_below && !is_value && !text.starts_with('-') {
            if !is_command() && text.contains(['.', '/']) {
                let file = Some(argument);
                return Err(write_c("a file is named by a flag", is_test, file));
            }
            is_below = true;
        }
        result.push(argument);
    }
    result.extend(arguments);
    Ok(Spelled { arguments: result, hint: hint(&single) })
}

/// The name behind the only dash of an argument that is more than one letter.
fn single_dash(argument: &str) -> Option<&str> {
    let name = argument.strip_prefix('-')?;
    let is_name = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
    is_name.then_some(name)
}

fn write_c(what: &str, is_test: bool, file: Option<OsString>) -> String {
    let test = if is_test { "-t " } else { "" };
    let file = file.unwrap_or_else(|| "FILE".into());
    format!("{what} (write: lb {test}-c {})", file.to_string_lossy())
}

fn hint(single: &[String]) -> Option<String> {
    let flags: Vec<String> = single.iter().map(|name| format!("--{name}")).collect();
    let first = single.first()?;
    Some(format!(
        "hint: flags have two dashes here: {} (-{first} is understood as well)",
        flags.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Arguments;

    fn spell(text: &str) -> Result<(String, Option<String>), String> {
        let arguments = text.split(' ').map(Into::into).collect();
        let spelled = spelled(arguments, &Arguments::command())?;
        let words: Vec<&str> = spelled.arguments.iter().map(|it| it.to_str().unwrap()).collect();
        Ok((words.join(" "), spelled.hint))
    }

    #[test]
    fn one_dash_becomes_two_and_is_mentioned_once() {
        let go = "lb -port 8080 -backends http://a:1,http://b:2 -algorithm leastconn \
                  -health-interval 5s -health-timeout=2s -max-retries 3";
        let (arguments, hint) = spell(go).unwrap();
        assert_eq!(arguments, go.replace(" -", " --"));
        assert_eq!(
            hint.unwrap(),
            "hint: flags have two dashes here: --port, --backends, --algorithm, --health-interval, \
             --health-timeout, --max-retries (-port is understood as well)"
        );
        let (arguments, hint) = spell("lb backend -port 9001 -delay 1s").unwrap();
        assert_eq!(arguments, "lb backend --port 9001 --delay 1s");
        assert!(hint.is_some());
    }

    #[test]
    fn what_is_right_stays() {
        for right in [
            "lb",
            "lb -c lb.yaml -t",
            "lb -tc lb.yaml",
            "lb -c/etc/lb.yaml -d",
            "lb --conf lb.yaml --port 1",
            "lb --conf=lb.yaml",
            "lb explain shop.example.com/x -c lb.yaml",
            "lb weight web 127.0.0.1:9001 -1",
            "lb backend --name -port --port 9001",
            "lb help status",
            "lb nonsense",
            "lb -c -port",
            "lb -- -port lb.yaml",
        ] {
            assert_eq!(spell(right), Ok((right.to_owned(), None)));
        }
    }

    #[test]
    fn a_file_without_a_flag_is_told_of_it() {
        for (text, expected) in [
            ("lb lb.yaml", "(write: lb -c lb.yaml)"),
            ("lb /etc/lb/conf", "(write: lb -c /etc/lb/conf)"),
            ("lb -t lb.yaml", "(write: lb -t -c lb.yaml)"),
            ("lb --port 80 ./lb.yaml", "(write: lb -c ./lb.yaml)"),
            ("lb -conf lb.yaml", "(write: lb -c lb.yaml)"),
            ("lb -t -conf=lb.yaml", "(write: lb -t -c lb.yaml)"),
            ("lb -conf", "(write: lb -c FILE)"),
        ] {
            let message = spell(text).unwrap_err();
            assert!(message.ends_with(expected), "{text}: {message}");
        }
    }

    #[test]
    fn an_unknown_flag_with_one_dash_is_not_the_help() {
        for text in ["lb -healthinterval 5s", "lb -help-me", "lb -prot 8080"] {
            assert!(spell(text).unwrap_err().contains("is not a flag"), "{text}");
        }
    }
}
