//! Bytes a second, with their unit: `256B/s`, `4KiB/s`.

use std::num::NonZeroU64;

use serde_json::json;

use super::{
    duration::is_zero,
    kind::{Form, Kind},
    size::{bytes, shown},
    words::{is_off, or_word},
};
use crate::config::wording::quoted;

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
