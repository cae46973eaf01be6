//! Which failures of a pool are retried, how often, and after what wait.

use std::time::Duration;

use super::{
    cursor::{Firsts, Section},
    defaults,
    model::{Backoff, Retry, RetryOn},
    order::{Order, Side},
    values::{ATTEMPTS, BUDGET, BUDGET_MIN, Kind, METHODS, ON_IS_DEFAULT, is_off, is_on},
    wording::{is_same_word, quoted, with_nearest},
};

const BACKOFF_ORDER: Order = Order {
    judged: Side { key: "max", default: defaults::BACKOFF.max, rule: "must not be below the base" },
    other: Side { key: "base", default: defaults::BACKOFF.base, rule: "must not be above the max" },
    holds: |max, base| max >= base,
    why: "no wait is longer than the max",
};

/// One entry of `on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Failure {
    Connect,
    Reset,
    Timeout,
    Status(u16),
}

const FAILURE: Kind<Failure> =
    Kind { expected: "connect_failure, reset, timeout or a status such as 503", parse: failure };

const FAILURE_WORDS: [(&str, Failure); 3] = [
    ("connect_failure", Failure::Connect),
    ("reset", Failure::Reset),
    ("timeout", Failure::Timeout),
];

/// What failures are called elsewhere, not least in our own access log, and what to do instead.
const OTHER_WORDS: [(&str, &str); 7] = [
    ("refused", "write connect_failure"),
    ("connect_timeout", "write connect_failure"),
    ("connect_failed", "write connect_failure"),
    ("no_socket", "write connect_failure"),
    ("late", "write timeout"),
    ("learned_timeout", "write timeout"),
    ("gateway_error", "list 502, 503, 504"),
];

pub(super) fn retry(keys: &mut Section<'_>) -> Retry {
    let read = |keys: &mut Section<'_>| Retry {
        attempts: keys.setting("attempts", &ATTEMPTS).or(defaults::RETRY_ATTEMPTS),
        on: on(keys),
        methods: keys.setting("methods", &METHODS).or(defaults::RETRY_METHODS),
        budget: keys.setting("budget", &BUDGET).or(defaults::RETRY_BUDGET),
        budget_min: keys.setting("budget_min", &BUDGET_MIN).or(defaults::RETRY_BUDGET_MIN),
        backoff: backoff(keys),
    };
    let Some(cursor) = keys.optional("retry") else { return Retry::default() };
    let expected = "a mapping such as { attempts: 3 }";
    let hint = match cursor.text() {
        Some(text) if is_off(text) => "write { attempts: 1 } for no retries",
        Some(text) if is_on(text) => ON_IS_DEFAULT,
        _ => return cursor.section(expected, read).unwrap_or_default(),
    };
    cursor.problem(format!("must be {expected}, {} ({hint})", cursor.found()));
    Retry::default()
}

fn on(keys: &mut Section<'_>) -> RetryOn {
    let Some(cursor) = keys.optional("on") else { return Retry::default().on };
    if cursor.text().is_some_and(is_off) {
        return retry_on(&[]);
    }
    let items = cursor.list("off, or a list such as [connect_failure, reset, timeout, 503]");
    let mut firsts = Firsts::default();
    let mut failures = Vec::new();
    for item in items.into_iter().flatten() {
        let Some(failure) = item.value(&FAILURE) else { continue };
        match firsts.earlier(failure, &item) {
            Some(first) => item.problem(format!(
                "{} is already given by {first} (remove one)",
                item.text().unwrap_or_default()
            )),
            None => failures.push(failure),
        }
    }
    retry_on(&failures)
}

fn retry_on(failures: &[Failure]) -> RetryOn {
    let status = |failure: &Failure| match failure {
        Failure::Status(status) => Some(*status),
        _ => None,
    };
    RetryOn {
        connect_failure: failures.contains(&Failure::Connect),
        reset: failures.contains(&Failure::Reset),
        timeout: failures.contains(&Failure::Timeout),
        statuses: failures.iter().filter_map(status).collect(),
    }
}

fn failure(text: &str) -> Result<Failure, String> {
    if let Some((_, failure)) = FAILURE_WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(*failure);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return status(text).map(Failure::Status);
    }
    let message = format!("must be {}, found {}", FAILURE.expected, quoted(text));
    if let Some((_, hint)) = OTHER_WORDS.iter().find(|(other, _)| is_same_word(other, text)) {
        return Err(format!("{message} ({hint})"));
    }
    Err(with_nearest(message, text, FAILURE_WORDS.iter().map(|(word, _)| *word)))
}

fn status(text: &str) -> Result<u16, String> {
    let found = quoted(text);
    if !text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!(
            "must be one status, found {found} (list each one, as in 502, 503, 504)"
        ));
    }
    match text.parse() {
        Ok(429) => Err("cannot be 429 (it tells the client to slow down, so it is passed on: \
                        remove it)"
            .to_owned()),
        Ok(status @ 400..=599) if text.len() == 3 => Ok(status),
        _ => Err(format!("must be a status between 400 and 599, found {found}")),
    }
}

fn backoff(keys: &mut Section<'_>) -> Backoff {
    let read = |keys: &mut Section<'_>| {
        let (max, base) = BACKOFF_ORDER.read(keys);
        Backoff { base, max }
    };
    let expected = "off, or a mapping such as { base: 25ms, max: 250ms }";
    let none = Backoff { base: Duration::ZERO, max: Duration::ZERO };
    keys.switch("backoff", defaults::BACKOFF, expected, read).unwrap_or(none)
}
