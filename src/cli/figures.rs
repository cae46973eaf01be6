//! Numbers for people: short, and as exact as needed.

use crate::admin::view::{Backend, FailedReload};

/// Shown in place of an unknown value.
const NONE: &str = "-";

/// A rate per second, or any other number.
pub(in crate::cli) fn rate(value: f64) -> String {
    match value {
        value if value <= 0.0 => "0".to_owned(),
        value if value < 9.95 => format!("{value:.1}"),
        value if value < 9_999.5 => format!("{value:.0}"),
        value if value < 999_500.0 => format!("{:.0}k", value / 1e3),
        value => format!("{:.1}M", value / 1e6),
    }
}

/// A latency, from milliseconds.
pub(in crate::cli) fn latency(ms: Option<f64>) -> String {
    match ms {
        None => NONE.to_owned(),
        Some(ms) if ms < 0.995 => format!("{ms:.2}ms"),
        Some(ms) if ms < 9.95 => format!("{ms:.1}ms"),
        Some(ms) if ms < 999.5 => format!("{ms:.0}ms"),
        Some(ms) if ms < 59_950.0 => format!("{:.1}s", ms / 1e3),
        Some(ms) => format!("{:.0}m", ms / 60e3),
    }
}

/// A share from 0 to 1, in percent.
pub(in crate::cli) fn share(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

/// A time in milliseconds, in its two largest units.
pub(in crate::cli) fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// How long it has been in its state, in the largest unit, for a column; empty if that is not known.
pub(in crate::cli) fn in_state_for(backend: &Backend) -> String {
    let age = backend.since_ms.map(age).unwrap_or_default();
    age.split(' ').next().unwrap_or_default().to_owned()
}

/// A time that has passed, in its two largest units. It is rounded down, so that something that has just
/// begun is 0s old.
pub(in crate::cli) fn age(ms: u64) -> String {
    span(ms / 1000 * 1000)
}

/// The weight, and the weight in effect while that is less.
pub(in crate::cli) fn weight(backend: &Backend) -> String {
    let whole = u32::try_from(backend.weight).map_or(f64::MAX, f64::from);
    let in_effect = backend.weight_in_effect;
    if in_effect > 0.0 && in_effect < whole {
        format!("{}/{}", plain(in_effect), backend.weight)
    } else {
        backend.weight.to_string()
    }
}

/// A number with at most two digits behind the point, without trailing zeros.
pub(in crate::cli) fn plain(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with its noun, in the singular or the plural.
pub(in crate::cli) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A state as it is written in text.
pub(in crate::cli) fn state(word: &str) -> String {
    word.replace('_', "-")
}

/// When a state ends: with an event such as `checks_pass`, or at an instant in `for_ms` milliseconds.
pub(in crate::cli) fn until(until: Option<&str>, for_ms: Option<u64>) -> Option<String> {
    match (for_ms, until?) {
        (Some(ms), _) => Some(format!("{} left", span(ms))),
        (None, "checks_pass") => Some("until checks pass".to_owned()),
        (None, "probe") => Some("until a probe is answered".to_owned()),
        (None, "undrain") => Some("until undrain".to_owned()),
        (None, instant) => Some(format!("until {instant}")),
    }
}

/// The reason why it gets no requests and for how long, and the settings of operators.
pub(in crate::cli) fn remarks(backend: &Backend) -> String {
    let ends = until(backend.until.as_deref(), backend.for_ms);
    // Settings that the reason already contains are not repeated.
    let is_news = |set: &&String| match set.as_str() {
        "drained" => backend.state != "draining",
        "ejected" => backend.reason.is_none(),
        _ => true,
    };
    let by_operator: Vec<_> = backend.set_by_operator.iter().filter(is_news).cloned().collect();
    let by_operator =
        (!by_operator.is_empty()).then(|| format!("by an operator: {}", by_operator.join(", ")));
    let parts = [backend.reason.clone(), ends, by_operator];
    let parts = parts.into_iter().chain([backend.backup.then(|| "backup".to_owned())]);
    parts.flatten().collect::<Vec<_>>().join(", ")
}

/// What its pool loses without it; `None` if another backend serves.
pub(in crate::cli) fn loss(backend: &Backend) -> Option<String> {
    let pool = &backend.pool;
    match backend.last_serving.as_deref()? {
        "primary" => Some(format!("it is the last eligible primary of {pool}: backups take over")),
        _ => Some(format!(
            "it is the last eligible backend of {pool}: without it, requests to this pool fail"
        )),
    }
}

/// The result of the last check, and how long ago it was.
pub(in crate::cli) fn check(backend: &Backend) -> String {
    match &backend.check {
        None => NONE.to_owned(),
        Some(check) => {
            let word = if check.passed { "passed" } else { "failed" };
            format!("{word} {} ago", span(check.ago_ms))
        }
    }
}

/// A reload that has failed, with its first problem.
pub(in crate::cli) fn failed_reload(failed: &FailedReload) -> String {
    let FailedReload { ago_ms, failures, problems, .. } = failed;
    let first = problems.first().map_or("", String::as_str);
    let more = match problems.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {}", count(more, "more problem")),
    };
    let times = if *failures > 1 { format!(" ({failures} times)") } else { String::new() };
    format!("the last reload failed {} ago{times}: {first}{more}", age(*ago_ms))
}

/// The text as a sentence, with a capital letter and a full stop.
pub(in crate::cli) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", rest.as_str())
}

/// The text with its control characters escaped, so that text from elsewhere cannot control the
/// terminal.
pub(in crate::cli) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_as_many_digits_as_one_reads() {
        let rates = [0.0, 0.04, 3.12, 9.96, 120.4, 9_999.0, 12_345.0, 2_340_000.0];
        let texts = ["0", "0.0", "3.1", "10", "120", "9999", "12k", "2.3M"];
        assert_eq!(rates.map(rate), texts);
        let times = [0.042, 0.999, 3.12, 42.4, 999.6, 12_345.0, 61_000.0];
        let texts = ["0.04ms", "1.0ms", "3.1ms", "42ms", "1.0s", "12.3s", "1m"];
        assert_eq!(times.map(|ms| latency(Some(ms))), texts);
        assert_eq!(latency(None), "-");
        assert_eq!([0.0, 0.333, 1.0].map(share), ["0%", "33%", "100%"]);
        assert_eq!([1.0, 0.1, 0.126, 3.0].map(plain), ["1", "0.1", "0.13", "3"]);
    }

    /// Not "0s left" while it lasts.
    #[test]
    fn a_span_is_rounded_up() {
        let spans = [0, 1, 1000, 28_500, 60_000, 250_000, 7_500_000, 100_000_000];
        let texts = ["0s", "1s", "1s", "29s", "1m 0s", "4m 10s", "2h 5m", "1d 3h"];
        assert_eq!(spans.map(span), texts);
    }

    /// Not "1s ago" of what has just begun.
    #[test]
    fn an_age_is_rounded_down() {
        let ages = [0, 999, 1000, 153_999, 86_400_000];
        assert_eq!(ages.map(age), ["0s", "0s", "1s", "2m 33s", "1d 0h"]);
    }

    #[test]
    fn the_end_of_a_state_is_a_time_or_an_event() {
        assert_eq!(until(Some("2026-01-01T00:00:00Z"), Some(12_000)).unwrap(), "12s left");
        assert_eq!(until(Some("checks_pass"), None).unwrap(), "until checks pass");
        assert_eq!(until(Some("probe"), None).unwrap(), "until a probe is answered");
        assert_eq!(until(None, None), None);
    }
}
