//! One parser for each type of value that is written as a word.
//!
//! The file and the flags share them, so the same mistake reads the same in both. A parser's error
//! reads on from the key: "must be …, found …".

use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroUsize},
    time::Duration,
};

use super::{
    model::{Algorithm, Percent, ResponseTimeout, RetryMethods, StatusRanges, Traceparent, Weight},
    wording::{alternatives, is_same_word, quoted, with_nearest},
};

/// A type of value: what is said to someone who wrote a list instead, and the parser.
#[derive(Debug)]
pub(super) struct Kind<T> {
    pub(super) expected: &'static str,
    pub(super) parse: fn(&str) -> Result<T, String>,
}

/// Below this a limit is a mistake: no connection is that fast.
const SHORTEST: Duration = Duration::from_millis(1);
/// Above this a limit is none.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// More checks in a row than this is a typing mistake.
const CHECKS_MAX: u64 = 100;
/// Each try is on another backend, and each takes time that a client waits.
pub(super) const ATTEMPTS_MAX: u32 = 16;
/// More retries a second than this are no limit.
const BUDGET_MIN_MAX: u64 = 100_000;
/// More failures in a row than this is a backend that is never ejected.
const FAILURES_MAX: u64 = 1000;
/// More connections to one address than it has ports for, many times over.
const MAX_CONNECTIONS_MAX: u64 = 1_000_000;
/// More requests that wait than this are all late.
const QUEUE_MAX: u64 = 100_000;
/// More threads than this serve nobody better.
const THREADS_MAX: u64 = 1024;

/// Said to whoever switches on what is never off by itself.
pub(super) const ON_IS_DEFAULT: &str = "on is the default: remove this line";
/// Said where a zero was meant to do it.
const STOP_TRAFFIC: &str = "(to stop traffic to a backend, write drain: true)";

pub(super) const DURATION: Kind<Duration> =
    Kind { expected: "a duration such as 2s", parse: duration };

pub(super) const RESPONSE_TIMEOUT: Kind<ResponseTimeout> = Kind {
    expected: "auto or a duration such as 60s",
    parse: |text| match text {
        "auto" => Ok(ResponseTimeout::Auto),
        _ => or_word("auto", duration(text)).map(ResponseTimeout::Fixed),
    },
};

pub(super) const SLOW_START: Kind<Option<Duration>> = Kind {
    expected: "off or a duration such as 30s",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ if is_on(text) => Err(format!(
            "must be off or a duration such as 30s, found {} ({ON_IS_DEFAULT})",
            quoted(text)
        )),
        _ => match or_word("off", duration(text)) {
            Err(message) if is_zero(text) => {
                Err(format!("{message} (write off for no slow start)"))
            }
            result => result.map(Some),
        },
    },
};

pub(super) const PAUSE: Kind<Option<Duration>> = Kind {
    expected: "off or a duration such as 30s",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ => or_word("off", duration(text)).map(Some),
    },
};

pub(super) const BUDGET: Kind<Percent> =
    Kind { expected: "a percentage such as 20%", parse: |text| percent(text, 0) };

pub(super) const PANIC_THRESHOLD: Kind<Option<Percent>> = Kind {
    expected: "off or a percentage such as 50%",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ if is_on(text) => Err(format!(
            "must be off or a percentage such as 50%, found {} (write 50%)",
            quoted(text)
        )),
        _ => or_word("off", percent(text, 1)).map(Some),
    },
};

pub(super) const TRUTH: Kind<bool> = Kind { expected: "true or false", parse: truth };

pub(super) const WEIGHT: Kind<Weight> = Kind {
    expected: "a number between 1 and 1000",
    parse: |text| {
        number(text, 1, u64::from(Weight::MAX))
            .map_err(|message| match text {
                "0" => format!("{message} {STOP_TRAFFIC}"),
                _ => message,
            })
            .map(|number| u16::try_from(number).ok().and_then(Weight::new).unwrap_or(Weight::MIN))
    },
};

pub(super) const MAX_CONNECTIONS: Kind<NonZeroU32> = Kind {
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
};

pub(super) const CHECKS: Kind<NonZeroU32> = Kind {
    expected: "a number of checks between 1 and 100",
    parse: |text| number(text, 1, CHECKS_MAX).map(non_zero),
};

pub(super) const ATTEMPTS: Kind<NonZeroU32> = Kind {
    expected: "a number of tries between 1 and 16",
    parse: |text| {
        number(text, 1, u64::from(ATTEMPTS_MAX))
            .map_err(|message| match text {
                "0" => format!("{message} (1 means that nothing is retried)"),
                _ => message,
            })
            .map(non_zero)
    },
};

pub(super) const METHODS: Kind<RetryMethods> = Kind {
    expected: "idempotent or all",
    parse: |text| match text {
        _ if is_same_word(text, "non_idempotent") => {
            Err(format!("must be idempotent or all, found {} (write all)", quoted(text)))
        }
        _ => choice(text, &[("idempotent", RetryMethods::Idempotent), ("all", RetryMethods::All)]),
    },
};

pub(super) const BUDGET_MIN: Kind<u32> = Kind {
    expected: "a number of retries a second between 0 and 100000",
    parse: |text| {
        number(text, 0, BUDGET_MIN_MAX).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    },
};

pub(super) const FAILURES: Kind<NonZeroU32> = Kind {
    expected: "a number of failures between 1 and 1000",
    parse: |text| number(text, 1, FAILURES_MAX).map(non_zero),
};

pub(super) const QUEUE_SIZE: Kind<usize> = Kind {
    expected: "a number of requests between 0 and 100000",
    parse: |text| {
        number(text, 0, QUEUE_MAX).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    },
};

pub(super) const PORT: Kind<NonZeroU16> = Kind { expected: "a port such as 8080", parse: port };

pub(super) const THREADS: Kind<Option<NonZeroUsize>> = Kind {
    expected: "auto or a number of threads between 1 and 1024",
    parse: |text| match text {
        "auto" => Ok(None),
        _ => or_word("auto", number(text, 1, THREADS_MAX))
            .map(|number| usize::try_from(number).ok().and_then(NonZeroUsize::new)),
    },
};

pub(super) const ALGORITHM: Kind<Algorithm> = Kind {
    expected: "round_robin, least_conn or ewma",
    parse: |text| {
        choice(
            text,
            &[
                ("round_robin", Algorithm::RoundRobin),
                ("least_conn", Algorithm::LeastConn),
                ("ewma", Algorithm::Ewma),
            ],
        )
    },
};

/// As flags write it; the file's words are understood too.
pub(super) const FLAG_ALGORITHM: Kind<Algorithm> = Kind {
    expected: "roundrobin, leastconn or ewma",
    parse: |text| match text {
        "round_robin" => Ok(Algorithm::RoundRobin),
        "least_conn" => Ok(Algorithm::LeastConn),
        _ => choice(
            text,
            &[
                ("roundrobin", Algorithm::RoundRobin),
                ("leastconn", Algorithm::LeastConn),
                ("ewma", Algorithm::Ewma),
            ],
        ),
    },
};

pub(super) const TRACEPARENT: Kind<Traceparent> = Kind {
    expected: "start or pass",
    parse: |text| {
        let instead =
            |word| format!("must be start or pass, found {} (write {word})", quoted(text));
        match text {
            _ if is_off(text) => Err(instead("pass")),
            _ if is_on(text) => Err(instead("start")),
            _ => choice(text, &[("start", Traceparent::Start), ("pass", Traceparent::Pass)]),
        }
    },
};

/// What a health check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckType {
    Http,
    Tcp,
}

pub(super) const CHECK_TYPE: Kind<CheckType> = Kind {
    expected: "http or tcp",
    parse: |text| choice(text, &[("http", CheckType::Http), ("tcp", CheckType::Tcp)]),
};

pub(super) const STATUSES: Kind<StatusRanges> =
    Kind { expected: "statuses such as 200-399 or \"200,204\"", parse: statuses };

/// Whether a text means "not at all"; YAML 1.1 tools write `off` as `false`.
pub(super) fn is_off(text: &str) -> bool {
    matches!(text, "off" | "false")
}

/// Whether a text means no more than "not off".
pub(super) fn is_on(text: &str) -> bool {
    matches!(text, "on" | "true" | "yes")
}

/// Of a value in whose place a word can be written.
pub(super) fn or_word<T>(word: &str, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|message| message.replacen("must be ", &format!("must be {word} or "), 1))
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let found = quoted(text);
    if is_zero(text) {
        return Err(format!("must be at least 1ms, found {found}"));
    }
    let with_unit = with_units(text.trim());
    if !with_unit.is_empty() {
        let words: Vec<&str> = with_unit.iter().map(String::as_str).collect();
        let hint = alternatives(&words);
        return Err(format!("needs a unit, found {found} (write {hint})"));
    }
    let length = humantime::parse_duration(text)
        .map_err(|_| format!("must be a duration such as 2s, 500ms or 1m 30s, found {found}"))?;
    if length < SHORTEST {
        return Err(format!("must be at least 1ms, found {found}"));
    }
    if length > LONGEST {
        return Err(format!("must be at most 1 day (24h), found {found}"));
    }
    Ok(length)
}

/// What a number without a unit may have meant; nothing of any other text.
fn with_units(text: &str) -> Vec<String> {
    if !text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Vec::new();
    }
    let texts = ["ms", "s"].map(|unit| format!("{text}{unit}"));
    texts.into_iter().filter(|text| duration(text).is_ok()).collect()
}

/// Whether a duration is none, with a unit or without.
pub(super) fn is_zero(text: &str) -> bool {
    text.trim().parse() == Ok(0.0) || humantime::parse_duration(text) == Ok(Duration::ZERO)
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

/// Of a number whose range excludes both zero and what does not fit.
fn non_zero(number: u64) -> NonZeroU32 {
    u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

/// A port of a backend.
pub(super) fn port(text: &str) -> Result<NonZeroU16, String> {
    let number = number(text, 1, u64::from(u16::MAX))?;
    Ok(u16::try_from(number).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MAX))
}

pub(super) fn choice<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let message = format!("must be {}, found {}", alternatives(&words), quoted(text));
    Err(with_nearest(message, text, words))
}

fn truth(text: &str) -> Result<bool, String> {
    let word = match text {
        "true" => return Ok(true),
        "false" => return Ok(false),
        "on" | "yes" | "1" => "true",
        "off" | "no" | "0" => "false",
        _ => text,
    };
    let message = format!("must be true or false, found {}", quoted(text));
    Err(with_nearest(message, word, ["true", "false"]))
}

pub(super) fn percent(text: &str, low: u8) -> Result<Percent, String> {
    let found = quoted(text);
    let number = text.strip_suffix('%').unwrap_or(text);
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
        let hint = match text.parse::<f64>() {
            Ok(share) if (0.01..1.0).contains(&share) => format!(" (write {:.0}%)", share * 100.0),
            _ => String::new(),
        };
        return Err(format!("must be a whole percentage such as 20%, found {found}{hint}"));
    }
    let percent = number.parse().ok().and_then(Percent::new);
    match percent.filter(|percent| percent.get() >= low) {
        None => Err(format!("must be between {low}% and 100%, found {found}")),
        Some(_) if number == text => {
            Err(format!("needs a percent sign, found {found} (write {number}%)"))
        }
        Some(percent) => Ok(percent),
    }
}

fn statuses(text: &str) -> Result<StatusRanges, String> {
    text.split(',')
        .map(|part| status_range(part.trim(), text))
        .collect::<Result<_, _>>()
        .map(StatusRanges)
}

fn status_range(part: &str, text: &str) -> Result<(u16, u16), String> {
    if let Some(class @ ("1" | "2" | "3" | "4" | "5")) = part.strip_suffix("xx") {
        let low = class.parse().map_or(0, |class: u16| class * 100);
        return Ok((low, low + 99));
    }
    let (low, high) = part.split_once('-').unwrap_or((part, part));
    let (low, high) = (low.trim(), high.trim());
    let is_status = |text: &str| text.len() == 3 && text.chars().all(|c| c.is_ascii_digit());
    let (true, true, Ok(first), Ok(last)) =
        (is_status(low), is_status(high), low.parse::<u16>(), high.parse::<u16>())
    else {
        let found = quoted(text);
        return Err(format!("must be statuses such as 200-399 or 200,204, found {found}"));
    };
    if first.min(last) < 100 || first.max(last) > 599 {
        let found = quoted(part);
        return Err(format!("must name statuses between 100 and 599, found {found}"));
    }
    if first > last {
        return Err(format!(
            "has a range that runs backwards, found {part} (write {last}-{first})"
        ));
    }
    Ok((first, last))
}
