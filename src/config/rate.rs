//! Bytes a second, with their unit: `256B/s`, `4KiB/s`.

use std::num::NonZeroU64;

use super::{
    values::{Kind, is_off, is_zero, or_word},
    wording::quoted,
};

/// A client that has to send faster than this is refused on most networks.
const RATE_MAX: u64 = 1 << 30;

pub(super) const RATE: Kind<Option<NonZeroU64>> = Kind {
    expected: "off or a rate such as 256B/s",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ => or_word("off", rate(text)).map(Some),
    },
};

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let found = quoted(text);
    if is_zero(text) || text == "0B/s" {
        return Err(format!("must be at least 1B/s, found {found} (write off for any rate)"));
    }
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("needs a unit, found {found} (write {text}B/s)"));
    }
    let wrong = || format!("must be a rate such as 256B/s or 4KiB/s, found {found}");
    let size = text.strip_suffix("/s").ok_or_else(wrong)?;
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("B", 1)];
    let (digits, unit) = units
        .iter()
        .find_map(|(unit, bytes)| Some((size.strip_suffix(unit)?.trim_end(), *bytes)))
        .ok_or_else(wrong)?;
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match bytes.filter(|bytes| *bytes <= RATE_MAX).and_then(NonZeroU64::new) {
        _ if !digits.chars().all(|c| c.is_ascii_digit()) => Err(wrong()),
        Some(bytes) => Ok(bytes),
        None => Err(format!("must be at most 1024MiB/s, found {found}")),
    }
}
