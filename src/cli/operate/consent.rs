//! Whether `lb drain` goes on when the pool would lose its last backend: a person is asked, a script has to
//! say `--yes`.

use std::io::{self, IsTerminal, Write as _};

use crate::admin::view::Backend;
use crate::cli::figures;

/// What to do before the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consent {
    /// Nothing: another backend serves.
    NotNeeded,
    /// Say this, and go on.
    Warn(String),
    /// Ask this.
    Ask(String),
    /// Refuse with this reason.
    Refuse(String),
}

impl Consent {
    /// What a drain of this backend needs. Without a person, only a drain that makes requests fail is
    /// refused.
    pub(super) fn of(backend: &Backend, has_person: bool) -> Self {
        let Some(warning) = figures::loss(backend) else { return Self::NotNeeded };
        let Backend { pool, .. } = backend;
        let label = backend.label();
        match (has_person, backend.last_serving.as_deref()) {
            (true, _) => Self::Ask(format!(
                "{label}: {warning}.\nDrain {label} of pool {pool} all the same? [y/N] "
            )),
            (false, Some("primary")) => Self::Warn(format!("{label}: {warning}")),
            (false, _) => Self::Refuse(format!(
                "not drained: {warning} (to drain it all the same: lb drain --yes)"
            )),
        }
    }
}

/// Gets the consent to drain this backend.
///
/// # Errors
///
/// A reason not to drain it.
pub(super) fn to_drain(backend: &Backend) -> Result<(), String> {
    let has_person = io::stdin().is_terminal() && io::stderr().is_terminal();
    match Consent::of(backend, has_person) {
        Consent::NotNeeded => Ok(()),
        Consent::Warn(warning) => {
            print_note(&format!("warning: {warning}\n"));
            Ok(())
        }
        Consent::Ask(question) => {
            print_note(&question);
            let mut answer = String::new();
            let is_read = io::stdin().read_line(&mut answer).is_ok();
            let is_yes = ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str());
            if is_read && is_yes { Ok(()) } else { Err("not drained".to_owned()) }
        }
        Consent::Refuse(reason) => Err(reason),
    }
}

/// Writes for the person, apart from the output. An error has no place to go.
fn print_note(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::samples::backend;

    fn consent(last_serving: Option<&str>, has_person: bool) -> Consent {
        let value = backend(json!({ "last_serving": last_serving }));
        Consent::of(&serde_json::from_value(value).unwrap(), has_person)
    }

    #[test]
    fn only_the_loss_of_the_last_backend_needs_a_yes() {
        assert_eq!(consent(None, true), Consent::NotNeeded);
        assert_eq!(consent(None, false), Consent::NotNeeded);
        let lost = "it is the last eligible backend of web: without it, requests to this pool fail";
        assert_eq!(
            consent(Some("backend"), false),
            Consent::Refuse(format!(
                "not drained: {lost} (to drain it all the same: lb drain --yes)"
            ))
        );
        assert_eq!(
            consent(Some("backend"), true),
            Consent::Ask(format!(
                "10.0.0.1:9001: {lost}.\nDrain 10.0.0.1:9001 of pool web all the same? [y/N] "
            ))
        );
        let Consent::Warn(text) = consent(Some("primary"), false) else { panic!("no warning") };
        assert_eq!(
            text,
            "10.0.0.1:9001: it is the last eligible primary of web: backups take over"
        );
        assert!(matches!(consent(Some("primary"), true), Consent::Ask(_)));
    }
}
