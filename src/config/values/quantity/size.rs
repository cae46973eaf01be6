//! Numbers of bytes, with their unit: `64KiB`, and as many in a second: `4KiB/s`.

use std::num::{NonZeroU64, NonZeroUsize};

use serde_json::json;

use crate::config::{
    values::{
        duration::is_zero,
        kind::{Form, Kind},
        words::{is_off, is_on, or_word},
    },
    wording::quoted,
};

/// Much more than this for each client is no longer memory that is held for a moment.
const BUFFER_MAX: u64 = 1 << 20;

pub(in crate::config) const BUFFER: Kind<Option<NonZeroUsize>> = Kind {
    expected: "off or a size such as 64KiB",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ if is_on(text) => Err(format!(
            "must be off or a size such as 64KiB, found {} (write 64KiB)",
            quoted(text)
        )),
        _ => or_word("off", buffer(text)).map(Some),
    },
    show: |size| size.map_or(json!("off"), |size| json!(shown(size.get() as u64))),
    shape: Form::Text("^[0-9]+ *(B|KiB|MiB)$").or(&["off"]),
};

/// Most networks are slower than this.
const RATE_MAX: u64 = 1 << 30;

pub(in crate::config) const RATE: Kind<Option<NonZeroU64>> = Kind {
    expected: "off or a rate such as 256B/s",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ => or_word("off", rate(text)).map(Some),
    },
    show: |rate| rate.map_or(json!("off"), |rate| json!(format!("{}/s", shown(rate.get())))),
    shape: Form::Text("^[0-9]+ *(B|KiB|MiB)/s$").or(&["off"]),
};

/// A smaller file would be put aside all the time.
const LOG_MIN: u64 = 4 << 10;
/// No disk of one machine has more, so a greater number is a typing mistake.
const LOG_MAX: u64 = 1 << 40;

pub(in crate::config) const LOG_SIZE: Kind<NonZeroU64> = Kind {
    expected: "a size such as 100MiB",
    parse: |text| {
        let found = quoted(text);
        let size = bytes(text).ok_or_else(|| match digits_of(text) {
            Some(digits) => format!("needs a unit, found {found} (write {digits}MiB)"),
            None => format!("must be a size such as 100MiB, found {found}"),
        })?;
        let size = size.filter(|size| (LOG_MIN..=LOG_MAX).contains(size)).and_then(NonZeroU64::new);
        size.ok_or_else(|| {
            format!("must be between {} and {}, found {found}", shown(LOG_MIN), shown(LOG_MAX))
        })
    },
    show: |size| json!(shown(size.get())),
    shape: Form::Text("^[0-9]+ *(B|KiB|MiB)$").alone(),
};

/// Largest first; a text that ends in `KiB` ends in `B`, too.
const UNITS: [(&str, u64); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes with the largest unit that fits.
fn shown(bytes: u64) -> String {
    let whole = UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit));
    let (name, unit) = whole.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

/// Reads a number of bytes: `None` for a text that is none, and `Some(None)` for one that is too large
/// for a number.
fn bytes(text: &str) -> Option<Option<u64>> {
    let split = |(unit, bytes): &(&str, u64)| Some((text.strip_suffix(unit)?.trim_end(), *bytes));
    let (digits, unit) = UNITS.iter().find_map(split)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)))
}

fn buffer(text: &str) -> Result<NonZeroUsize, String> {
    let found = quoted(text);
    if is_zero(text) || bytes(text) == Some(Some(0)) {
        return Err(format!("must be at least 1B, found {found} (write off for none)"));
    }
    let size = bytes(text).ok_or_else(|| match digits_of(text) {
        Some(digits) => format!("needs a unit, found {found} (write {digits}KiB)"),
        None => format!("must be a size such as 64KiB, found {found}"),
    })?;
    let size = size.filter(|size| *size <= BUFFER_MAX);
    let size = size.and_then(|size| NonZeroUsize::new(usize::try_from(size).ok()?));
    size.ok_or_else(|| format!("must be at most {}, found {found}", shown(BUFFER_MAX)))
}

/// The number in `64`, `64k`, `64K`, `64kB`, `64KB` and `64kb`, as other programs have it, and likewise with
/// `M`.
fn digits_of(text: &str) -> Option<&str> {
    let number = text.trim_end_matches(['b', 'B']);
    let number = number.strip_suffix(['k', 'K', 'm', 'M']).unwrap_or(number).trim_end();
    (!number.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then_some(number)
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let found = quoted(text);
    if is_zero(text) || text == "0B/s" {
        return Err(format!("must be at least 1B/s, found {found} (write off for any rate)"));
    }
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("needs a unit, found {found} (write {text}B/s)"));
    }
    let wrong = || format!("must be a rate such as 256B/s or 4KiB/s, found {found}");
    let bytes = text.strip_suffix("/s").and_then(bytes).ok_or_else(wrong)?;
    let bytes = bytes.filter(|bytes| *bytes <= RATE_MAX).and_then(NonZeroU64::new);
    bytes.ok_or_else(|| format!("must be at most 1024MiB/s, found {found}"))
}
