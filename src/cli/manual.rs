//! Manual pages, and completions for shells, from the definition of the arguments.

use std::{fs, io, path::Path};

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::args::Arguments;

/// Writes the completions for a shell to standard output.
pub(super) fn complete(shell: Shell) {
    clap_complete::generate(shell, &mut Arguments::command(), "lb", &mut io::stdout());
}

/// Writes a manual page for the program and for each command into a folder, which is made.
///
/// # Errors
///
/// The system's error.
pub(super) fn write_manual(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // The long version would stand in the title of each page.
    let command = Arguments::command().long_version(None::<&'static str>);
    clap_mangen::generate_to(without_help(command), folder)
}

/// The command without `help`, which would have a page for each command once more.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_manual_page() {
        let folder = tempfile::tempdir().unwrap();
        write_manual(folder.path()).unwrap();
        for command in Arguments::command().get_subcommands().filter(|it| !it.is_hide_set()) {
            let page = folder.path().join(format!("lb-{}.1", command.get_name()));
            let text = fs::read_to_string(&page).unwrap();
            assert!(text.contains(".SH SYNOPSIS"), "{}", page.display());
        }
        assert!(folder.path().join("lb.1").exists());
    }

    #[test]
    fn completions_know_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "lb", &mut text);
            let text = String::from_utf8(text).unwrap();
            for word in ["convert", "upgrade", "conf"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }
}
