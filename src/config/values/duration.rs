//! Lengths of time. Every one needs a unit, because a bare number means seconds to one reader and
//! milliseconds to the next.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    kind::{Form, Kind},
    words::{ON_IS_DEFAULT, is_off, is_on, or_word},
};
use crate::config::{
    model::ResponseTimeout,
    wording::{alternatives, quoted},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest limit: a shorter one is a mistake, because no connection is that fast.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest limit: a longer one has no effect.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest delay: no balancer in front takes longer to notice that this one is leaving.
const DELAY_MAX: Duration = Duration::from_secs(60 * 60);
/// The pattern of numbers with units, such as `1m 30s`.
const PATTERN: &str = "^ *([0-9]+ *[a-z]+ *)+$";
/// The pattern of a duration or a zero.
const PATTERN_OR_ZERO: &str = "^( *([0-9]+ *[a-z]+ *)+|0)$";

/// Units in which lengths are shown: milliseconds in each, and in the least length that is shown in it.
const UNITS: [(&str, u128, u128); 3] =
    [("h", 3_600_000, 0), ("m", 60_000, 120_000), ("s", 1000, 0)];

pub(in crate::config) const DURATION: Kind<Duration> = Kind {
    expected: "a duration such as 2s",
    parse: duration,
    show: |length| json!(shown(*length)),
    shape: Form::Text(PATTERN).alone(),
};

/// A pause that may be unlimited.
pub(in crate::config) const PAUSE: Kind<Option<Duration>> = Kind {
    expected: "off or a duration such as 30s",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ => match or_word("off", duration(text)) {
            Err(message) if is_zero(text) => Err(format!("{message} (write off for any pause)")),
            result => result.map(Some),
        },
    },
    show: or_off,
    shape: Form::Text(PATTERN).or(&["off"]),
};

pub(in crate::config) const HSTS: Kind<Option<Duration>> = Kind {
    expected: "off or a duration such as 180d",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ => days(text).map(Some),
    },
    show: |length| {
        let days = length.map(|length| format!("{}d", length.as_secs() / DAY.as_secs()));
        json!(days.as_deref().unwrap_or("off"))
    },
    shape: Form::Text("^[0-9]+ ?d(ays?)?$").or(&["off"]),
};

pub(in crate::config) const RESPONSE_TIMEOUT: Kind<ResponseTimeout> = Kind {
    expected: "auto or a duration such as 60s",
    parse: |text| match text {
        "auto" => Ok(ResponseTimeout::Auto),
        _ => or_word("auto", duration(text)).map(ResponseTimeout::Fixed),
    },
    show: |timeout| match timeout {
        ResponseTimeout::Fixed(timeout) => json!(shown(*timeout)),
        ResponseTimeout::Auto => json!("auto"),
    },
    shape: Form::Text(PATTERN).or(&["auto"]),
};

pub(in crate::config) const SLOW_START: Kind<Option<Duration>> = Kind {
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
    show: or_off,
    shape: Form::Text(PATTERN).or(&["off"]),
};

pub(in crate::config) const DELAY: Kind<Duration> = Kind {
    expected: "a duration such as 5s",
    parse: |text| match duration_or_none(text)? {
        delay if delay > DELAY_MAX => Err(format!("must be at most 1h, found {}", quoted(text))),
        delay => Ok(delay),
    },
    ..DURATION_OR_NONE
};

pub(in crate::config) const DURATION_OR_NONE: Kind<Duration> = Kind {
    expected: "a duration such as 30s",
    parse: duration_or_none,
    show: |length| json!(shown(*length)),
    shape: Form::TextOrNumber(PATTERN_OR_ZERO).alone(),
};

/// A length as one number with one unit: the largest unit in which it is a whole number, but seconds
/// below two minutes, because limits are compared with each other.
pub(in crate::config) fn shown(length: Duration) -> String {
    if length.is_zero() {
        return "0s".to_owned();
    }
    if !length.subsec_nanos().is_multiple_of(1_000_000) {
        return humantime::format_duration(length).to_string();
    }
    let milliseconds = length.as_millis();
    let fits = |(_, unit, least): &&(&str, u128, u128)| {
        milliseconds >= *least && milliseconds.is_multiple_of(*unit)
    };
    let (name, unit, _) = UNITS.iter().find(fits).unwrap_or(&("ms", 1, 0));
    format!("{}{name}", milliseconds / unit)
}

fn or_off(length: &Option<Duration>) -> Value {
    length.map_or(json!("off"), |length| json!(shown(length)))
}

/// Reads a whole number of days, of which two years have 731.
fn days(text: &str) -> Result<Duration, String> {
    let wrong = || format!("must be off or 1d to 731d, found {}", quoted(text));
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = text.get(number.len()..).unwrap_or_default().trim_start();
    match (number.parse::<u32>(), unit) {
        (Ok(days @ 1..=731), "d" | "day" | "days") => Ok(DAY * days),
        _ => Err(wrong()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
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

/// Reads a duration or a zero, which needs no unit.
fn duration_or_none(text: &str) -> Result<Duration, String> {
    if is_zero(text) {
        return Ok(Duration::ZERO);
    }
    duration(text).map_err(|message| message.replacen("at least 1ms", "0s or at least 1ms", 1))
}

/// The durations that a number without a unit may mean; an empty list for any other text.
fn with_units(text: &str) -> Vec<String> {
    if !text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Vec::new();
    }
    let texts = ["ms", "s"].map(|unit| format!("{text}{unit}"));
    texts.into_iter().filter(|text| duration(text).is_ok()).collect()
}

/// Whether a duration is zero, with a unit or without.
pub(super) fn is_zero(text: &str) -> bool {
    text.trim().parse() == Ok(0.0) || humantime::parse_duration(text) == Ok(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_shown_with_one_unit_and_is_read_again() {
        for (text, expected) in [
            ("60s", "60s"),
            ("2m", "2m"),
            ("75s", "75s"),
            ("1m 30s", "90s"),
            ("1500ms", "1500ms"),
            ("24h", "24h"),
            ("300s", "5m"),
        ] {
            let length = duration(text).unwrap();
            assert_eq!(shown(length), expected);
            assert_eq!(duration(expected), Ok(length));
        }
        assert_eq!(duration(&shown(Duration::from_micros(1500))), Ok(Duration::from_micros(1500)));
    }
}
