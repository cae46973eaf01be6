//! The reloads of this process: how many there were, and whether the last one failed, so that the file is
//! not what is in force.
//!
//! A process that starts, also in an upgrade, has loaded its file. So there is nothing to hand over.

use std::{sync::Arc, time::SystemTime};

use parking_lot::Mutex;

use crate::count::Counter;

/// The most changes or problems that an event names; the others are counted.
const NAMED: usize = 3;

/// The words at the end of every answer to a reload that has failed.
pub const NOT_RELOADED: &str = "not reloaded, still serving as before";

/// The reloads of this process.
#[derive(Debug)]
pub struct Reloads {
    succeeded: Counter,
    failed: Counter,
    last: Mutex<LastReload>,
}

/// The state of the configuration after the last reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// When the configuration in force was loaded: at the start, or by the last reload that succeeded.
    pub loaded: SystemTime,
    /// The last reload, if it failed.
    pub failure: Option<FailedReload>,
}

/// A reload that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedReload {
    /// When it failed.
    pub time: SystemTime,
    /// The reloads that have failed since the last one that succeeded.
    pub failures: u64,
    /// Why it failed, as it was said to the operator.
    pub reason: Arc<str>,
}

impl FailedReload {
    /// The problems of the configuration, or the one reason why the reload failed.
    #[must_use]
    pub fn problems(&self) -> Vec<&str> {
        problems(&self.reason)
    }
}

impl Reloads {
    /// No reload yet, and a configuration that was loaded at this time.
    #[must_use]
    pub fn new(loaded: SystemTime) -> Self {
        let last = Mutex::new(LastReload { loaded, failure: None });
        Self { succeeded: Counter::default(), failed: Counter::default(), last }
    }

    /// Notes that a reload has ended, with the reason if it failed.
    pub(super) fn ended(&self, result: Result<(), &str>, now: SystemTime) {
        if result.is_ok() {
            self.succeeded.one()
        } else {
            self.failed.one()
        }
        self.last.lock().note(result, now);
    }

    /// Returns the number of reloads that succeeded, with or without changes.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.succeeded.get()
    }

    /// Returns the number of reloads that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// Returns the state after the last reload.
    #[must_use]
    pub fn last(&self) -> LastReload {
        self.last.lock().clone()
    }
}

impl LastReload {
    fn note(&mut self, result: Result<(), &str>, now: SystemTime) {
        match result {
            Ok(()) => *self = Self { loaded: now, failure: None },
            Err(reason) => {
                let failures = self.failure.as_ref().map_or(0, |failure| failure.failures) + 1;
                self.failure = Some(FailedReload { time: now, failures, reason: reason.into() });
            }
        }
    }
}

/// A reload as a person would say it.
pub(super) fn in_words(result: Result<&str, &str>) -> String {
    match result {
        Ok(answer) => {
            let changes: Vec<_> = answer.lines().filter(|line| *line != "reloaded").collect();
            match changes.is_empty() {
                true => "configuration reloaded: nothing has changed".to_owned(),
                false => format!("configuration reloaded: {}", shortened(&changes)),
            }
        }
        Err(reason) => format!("reload failed: {}", shortened(&problems(reason))),
    }
}

/// The lines without those that say only how the reload ended and how many problems there are.
fn problems(reason: &str) -> Vec<&str> {
    let is_count = |text: &str| {
        let number = text.strip_suffix(" problems").or(text.strip_suffix(" problem"));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_end = |line: &str| {
        line == NOT_RELOADED || line.rsplit_once(": ").is_some_and(|(_, text)| is_count(text))
    };
    let problems: Vec<_> = reason.lines().filter(|line| !is_end(line)).collect();
    if problems.is_empty() { vec![reason] } else { problems }
}

/// The first lines, and the number of the others.
fn shortened(lines: &[&str]) -> String {
    let more = lines.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more"));
    let named = lines.iter().take(NAMED).map(|line| (*line).to_owned());
    named.chain(more).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failure_stays_until_a_reload_succeeds() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let reloads = Reloads::new(at(1));
        assert_eq!(reloads.last(), LastReload { loaded: at(1), failure: None });
        reloads.ended(Err("a"), at(2));
        reloads.ended(Err("b"), at(3));
        let failure = FailedReload { time: at(3), failures: 2, reason: "b".into() };
        assert_eq!(reloads.last(), LastReload { loaded: at(1), failure: Some(failure) });
        reloads.ended(Ok(()), at(4));
        assert_eq!(reloads.last(), LastReload { loaded: at(4), failure: None });
        reloads.ended(Err("c"), at(5));
        assert_eq!(reloads.last().failure.map(|failure| failure.failures), Some(1));
        assert_eq!((reloads.succeeded(), reloads.failed()), (1, 3));
    }

    #[test]
    fn a_reload_is_said_with_its_first_changes_or_problems() {
        for (result, text) in [
            (Ok("reloaded"), "configuration reloaded: nothing has changed"),
            (Ok("a is new\nb is gone\nreloaded"), "configuration reloaded: a is new; b is gone"),
            (
                Err("1\n2\n3\n4\n5\nlb.yaml: 5 problems\nnot reloaded, still serving as before"),
                "reload failed: 1; 2; 3; 2 more",
            ),
            (
                Err("not reloaded, still serving as before: the log cannot be opened"),
                "reload failed: not reloaded, still serving as before: the log cannot be opened",
            ),
        ] {
            assert_eq!(in_words(result), text);
        }
    }
}
