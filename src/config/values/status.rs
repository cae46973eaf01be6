//! Statuses, and the failures that are retried.

use serde_json::{Value, json};

use super::kind::{Form, Kind};
use crate::config::{
    model::StatusRanges,
    wording::{is_same_word, quoted, with_nearest},
};

pub(in crate::config) const STATUSES: Kind<StatusRanges> = Kind {
    expected: "statuses such as 200-399, 2xx or [200, 204]",
    parse: statuses,
    show: |statuses| json!(statuses.to_string()),
    shape: Form::TextOrNumber("^ *[1-5]([0-9]{2}|xx)( *[-,] *[1-5]([0-9]{2}|xx))* *$").alone(),
};

/// A failure that can be retried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::config) enum Failure {
    Connect,
    Reset,
    Timeout,
    Statuses(StatusRanges),
}

impl Failure {
    pub(in crate::config) fn status(status: u16) -> Self {
        Self::Statuses(StatusRanges(vec![(status, status)]))
    }

    /// The same, with one failure for each status.
    pub(in crate::config) fn parts(self) -> Vec<Self> {
        match self {
            Self::Statuses(ranges) => {
                ranges.0.into_iter().flat_map(|(low, high)| low..=high).map(Self::status).collect()
            }
            other => vec![other],
        }
    }

    /// As the file has it.
    pub(in crate::config) fn word(&self) -> String {
        match shown(self) {
            Value::String(word) => word,
            value => value.to_string(),
        }
    }
}

pub(in crate::config) const FAILURE: Kind<Failure> = Kind {
    expected: "connect_failure, reset, timeout or a status such as 503",
    parse: failure,
    show: shown,
    shape: Form::TextOrNumber("^ *[45]([0-9]{2}|xx)( *[-,] *[45]([0-9]{2}|xx))* *$").or(&[
        "connect_failure",
        "reset",
        "timeout",
    ]),
};

const FAILURE_WORDS: [(&str, Failure); 3] = [
    ("connect_failure", Failure::Connect),
    ("reset", Failure::Reset),
    ("timeout", Failure::Timeout),
];

/// Names of failures in other places, such as our own access log, and what to write instead.
const OTHER_WORDS: [(&str, &str); 7] = [
    ("refused", "write connect_failure"),
    ("connect_timeout", "write connect_failure"),
    ("connect_failed", "write connect_failure"),
    ("no_socket", "write connect_failure"),
    ("late", "write timeout"),
    ("learned_timeout", "write timeout"),
    ("gateway_error", "list 502, 503, 504"),
];

fn shown(failure: &Failure) -> Value {
    let word = FAILURE_WORDS.iter().find(|(_, known)| known == failure);
    match (word, failure) {
        (Some((word, _)), _) => json!(word),
        (None, Failure::Statuses(StatusRanges(ranges))) => match ranges.as_slice() {
            [(low, high)] if low == high => json!(low),
            _ => json!(StatusRanges(ranges.clone()).to_string()),
        },
        (None, _) => Value::Null,
    }
}

fn failure(text: &str) -> Result<Failure, String> {
    if let Some((_, failure)) = FAILURE_WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(failure.clone());
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return failed_statuses(text).map(Failure::Statuses);
    }
    let message = format!("must be {}, found {}", FAILURE.expected, quoted(text));
    if let Some((_, hint)) = OTHER_WORDS.iter().find(|(other, _)| is_same_word(other, text)) {
        return Err(format!("{message} ({hint})"));
    }
    Err(with_nearest(message, text, FAILURE_WORDS.iter().map(|(word, _)| *word)))
}

fn failed_statuses(text: &str) -> Result<StatusRanges, String> {
    const BOUNDS: &str = "must be a status between 400 and 599, found";
    let is_number = text.chars().all(|c| c.is_ascii_digit());
    let ranges = match statuses(text) {
        Err(_) if is_number => return Err(format!("{BOUNDS} {}", quoted(text))),
        ranges => ranges?,
    };
    if ranges.0.iter().any(|(low, high)| *low < 400 || *high > 599) {
        return Err(format!("{BOUNDS} {}", quoted(text)));
    }
    let passed_on = "it tells the client to slow down, so it is passed on";
    match ranges.contains(429) {
        true if is_number => Err(format!("cannot be 429 ({passed_on}: remove it)")),
        true => Err(format!(
            "cannot include 429, found {} ({passed_on}: write 400-428 and 430-499)",
            quoted(text)
        )),
        false => Ok(ranges),
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
        return Err(format!("must be statuses such as 200-399, 2xx or [200, 204], found {found}"));
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
