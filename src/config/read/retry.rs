//! Reads which failures of a pool are retried, how often, and after which wait.

use std::time::Duration;

use crate::config::{
    document::{Firsts, Order, Section, Side, from_nothing},
    keys::retry::{
        BACKOFF, BASE, MAX, ON, RETRY, RETRY_ATTEMPTS, RETRY_BUDGET, RETRY_BUDGET_MIN,
        RETRY_METHODS,
    },
    model::{Backoff, Retry, RetryOn},
    values::{Failure, ON_IS_DEFAULT, is_off, is_on},
};

const BACKOFF_ORDER: Order = Order {
    judged: Side { key: &MAX, rule: "must not be below the base" },
    other: Side { key: &BASE, rule: "must not be above the max" },
    holds: |max, base| max >= base,
    why: "no wait is longer than the max",
};

pub(super) fn read(keys: &mut Section<'_>) -> Retry {
    let Some(cursor) = keys.optional(&RETRY) else { return from_nothing(retry) };
    let hint = match cursor.text() {
        Some(text) if is_off(text) => "write { attempts: 1 } for no retries",
        Some(text) if is_on(text) => ON_IS_DEFAULT,
        _ => {
            let read = cursor.section(RETRY.expected, retry);
            return read.unwrap_or_else(|| from_nothing(retry));
        }
    };
    cursor.problem(format!("must be {}, {} ({hint})", RETRY.expected, cursor.found()));
    from_nothing(retry)
}

pub(super) fn retry(keys: &mut Section<'_>) -> Retry {
    Retry {
        attempts: keys.get(&RETRY_ATTEMPTS),
        on: on(keys),
        methods: keys.get(&RETRY_METHODS),
        budget: keys.get(&RETRY_BUDGET),
        budget_min: keys.get(&RETRY_BUDGET_MIN),
        backoff: backoff(keys),
    }
}

fn on(keys: &mut Section<'_>) -> RetryOn {
    let Some(cursor) = keys.optional(&ON) else { return retry_on(&(ON.default)()) };
    if cursor.text().is_some_and(is_off) {
        return retry_on(&[]);
    }
    let items = match cursor.text() {
        Some(_) => vec![cursor],
        None => cursor.list(ON.expected).unwrap_or_default(),
    };
    let mut firsts = Firsts::default();
    let mut failures = Vec::new();
    for item in items {
        let Some(failure) = item.value(&ON.kind) else { continue };
        let parts = failure.parts();
        let first = parts.iter().find_map(|part| {
            let first = firsts.earlier(part.clone(), &item)?;
            Some((part.word(), first))
        });
        match first {
            Some((word, first)) => {
                item.problem(format!("{word} is already given by {first} (remove one)"));
            }
            None => failures.extend(parts),
        }
    }
    retry_on(&failures)
}

fn retry_on(failures: &[Failure]) -> RetryOn {
    let statuses = |failure: &Failure| match failure {
        Failure::Statuses(ranges) => ranges.0.clone(),
        _ => Vec::new(),
    };
    RetryOn {
        connect_failure: failures.contains(&Failure::Connect),
        reset: failures.contains(&Failure::Reset),
        timeout: failures.contains(&Failure::Timeout),
        statuses: failures.iter().flat_map(statuses).flat_map(|(low, high)| low..=high).collect(),
    }
}

fn backoff(keys: &mut Section<'_>) -> Backoff {
    let read = |keys: &mut Section<'_>| {
        let (max, base) = BACKOFF_ORDER.read(keys);
        Backoff { base, max }
    };
    let none = Backoff { base: Duration::ZERO, max: Duration::ZERO };
    keys.switch(&BACKOFF, read).unwrap_or(none)
}
