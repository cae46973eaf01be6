//! Whole numbers in a range.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};

use serde_json::json;

use super::{
    kind::{Form, Kind, Shape},
    words::{is_off, or_word},
};
use crate::config::{
    model::{RedirectToHttps, Weight},
    wording::quoted,
};

/// The most checks in a row: a greater number is a typing mistake.
const CHECKS_MAX: u64 = 100;
/// The most tries: each is on another backend, and adds to the time for which a client waits.
pub(in crate::config) const ATTEMPTS_MAX: u32 = 16;
/// The most retries a second: a greater number would not limit anything.
const BUDGET_MIN_MAX: u64 = 100_000;
/// The most failures in a row: with a greater number a backend would never be ejected.
const FAILURES_MAX: u64 = 1000;
/// The greatest limit on a backend's requests: many times the number of ports of one address.
const MAX_CONNECTIONS_MAX: u64 = 1_000_000;
/// The longest queue: in a longer one every request would be late.
const QUEUE_MAX: u64 = 100_000;
/// The most threads: more would make nothing faster.
const THREADS_MAX: u64 = 1024;

/// The hint for a zero that was meant to take a backend out.
const STOP_TRAFFIC: &str = "(to stop traffic to a backend, write drain: true)";

pub(in crate::config) const WEIGHT: Kind<Weight> = Kind {
    expected: "a number between 1 and 1000",
    parse: |text| {
        number(text, 1, u64::from(Weight::MAX))
            .map_err(|message| match text {
                "0" => format!("{message} {STOP_TRAFFIC}"),
                _ => message,
            })
            .map(|number| u16::try_from(number).ok().and_then(Weight::new).unwrap_or(Weight::MIN))
    },
    show: |weight| json!(weight.get()),
    shape: range(1, Weight::MAX as u64),
};

/// The most files of a log that are kept: each is renamed whenever one is put aside.
const KEEP_MAX: u64 = 1000;

pub(in crate::config) const KEEP: Kind<u16> = Kind {
    expected: "a number between 1 and 1000",
    parse: |text| {
        let number = number(text, 1, KEEP_MAX)?;
        Ok(u16::try_from(number).unwrap_or(u16::MAX))
    },
    show: |number| json!(number),
    shape: range(1, KEEP_MAX),
};

pub(in crate::config) const MAX_CONNECTIONS: Kind<NonZeroU32> = Kind {
    expected: "a number between 1 and 1000000",
    parse: |text| {
        number(text, 1, MAX_CONNECTIONS_MAX)
            .map_err(|message| match text {
                "0" => format!("{message} {STOP_TRAFFIC}"),
                _ if is_off(text) => format!("{message} (left out, it is any number)"),
                _ => message,
            })
            .map(non_zero)
    },
    show: |limit| json!(limit),
    shape: range(1, MAX_CONNECTIONS_MAX),
};

pub(in crate::config) const CHECKS: Kind<NonZeroU32> = Kind {
    expected: "a number of checks between 1 and 100",
    parse: |text| number(text, 1, CHECKS_MAX).map(non_zero),
    show: |count| json!(count),
    shape: range(1, CHECKS_MAX),
};

pub(in crate::config) const ATTEMPTS: Kind<NonZeroU32> = Kind {
    expected: "a number of tries between 1 and 16",
    parse: |text| {
        number(text, 1, u64::from(ATTEMPTS_MAX))
            .map_err(|message| match text {
                "0" => format!("{message} (1 means that nothing is retried)"),
                _ => message,
            })
            .map(non_zero)
    },
    show: |count| json!(count),
    shape: range(1, ATTEMPTS_MAX as u64),
};

pub(in crate::config) const BUDGET_MIN: Kind<u32> = Kind {
    expected: "a number of retries a second between 0 and 100000",
    parse: |text| {
        number(text, 0, BUDGET_MIN_MAX).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    },
    show: |count| json!(count),
    shape: range(0, BUDGET_MIN_MAX),
};

pub(in crate::config) const FAILURES: Kind<NonZeroU32> = Kind {
    expected: "a number of failures between 1 and 1000",
    parse: |text| number(text, 1, FAILURES_MAX).map(non_zero),
    show: |count| json!(count),
    shape: range(1, FAILURES_MAX),
};

pub(in crate::config) const QUEUE_SIZE: Kind<usize> = Kind {
    expected: "a number of requests between 0 and 100000",
    parse: |text| {
        number(text, 0, QUEUE_MAX).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    },
    show: |count| json!(count),
    shape: range(0, QUEUE_MAX),
};

pub(in crate::config) const THREADS: Kind<Option<NonZeroUsize>> = Kind {
    expected: "auto or a number of threads between 1 and 1024",
    parse: |text| match text {
        "auto" => Ok(None),
        _ => or_word("auto", number(text, 1, THREADS_MAX))
            .map(|number| usize::try_from(number).ok().and_then(NonZeroUsize::new)),
    },
    show: |threads| threads.map_or(json!("auto"), |threads| json!(threads)),
    shape: Form::Number(1, THREADS_MAX).or(&["auto"]),
};

pub(in crate::config) const PORT: Kind<NonZeroU16> = Kind {
    expected: "a port such as 8080",
    parse: port,
    show: |port| json!(port),
    shape: range(1, u16::MAX as u64),
};

pub(in crate::config) const REDIRECT_TO_HTTPS: Kind<RedirectToHttps> = Kind {
    expected: "true, false or a port such as 8443",
    parse: |text| match text {
        "true" => Ok(RedirectToHttps::ToListener),
        "false" => Ok(RedirectToHttps::Off),
        _ if text.starts_with(|first: char| first.is_ascii_digit()) => {
            port(text).map(RedirectToHttps::ToPort)
        }
        _ => {
            let hint = match text {
                "on" | "yes" => " (write true)",
                "off" | "no" => " (write false)",
                _ => "",
            };
            let found = quoted(text);
            Err(format!("must be true, false or a port such as 8443, found {found}{hint}"))
        }
    },
    show: |redirect| match redirect {
        RedirectToHttps::Off => json!(false),
        RedirectToHttps::ToListener => json!(true),
        RedirectToHttps::ToPort(port) => json!(port),
    },
    shape: Form::TruthOrNumber(1, u16::MAX as u64).alone(),
};

const fn range(low: u64, high: u64) -> Shape {
    Form::Number(low, high).alone()
}

fn number(text: &str, low: u64, high: u64) -> Result<u64, String> {
    let found = quoted(text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("must be a whole number between {low} and {high}, found {found}"));
    }
    text.parse()
        .ok()
        .filter(|number| (low..=high).contains(number))
        .ok_or_else(|| format!("must be between {low} and {high}, found {found}"))
}

/// Converts a number whose range excludes zero and numbers that do not fit.
fn non_zero(number: u64) -> NonZeroU32 {
    u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

/// A port of a backend.
pub(super) fn port(text: &str) -> Result<NonZeroU16, String> {
    let number = number(text, 1, u64::from(u16::MAX))?;
    Ok(u16::try_from(number).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MAX))
}
