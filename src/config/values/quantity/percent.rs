//! Percentages: whole ones, and those with decimals.

use serde_json::json;

use crate::config::{
    model::{Percent, Share},
    values::{
        kind::{Form, Kind},
        words::{is_off, is_on, or_word},
    },
    wording::quoted,
};

const PATTERN: &str = "^[0-9]{1,3}%$";

pub(in crate::config) const BUDGET: Kind<Percent> = Kind {
    expected: "a percentage such as 20%",
    parse: |text| percent(text, 0),
    show: |percent| json!(percent.to_string()),
    shape: Form::Text(PATTERN).alone(),
};

pub(in crate::config) const SAMPLE: Kind<Percent> = Kind {
    expected: "a percentage such as 10%",
    // A sample of nothing is refused: its author would notice the mistake only when a line is
    // missing.
    parse: |text| {
        percent(text, 1).map_err(|message| match text {
            "0" | "0%" => format!("{message} (for none of the other requests, leave it out)"),
            _ => message,
        })
    },
    ..BUDGET
};

pub(in crate::config) const PANIC_THRESHOLD: Kind<Option<Percent>> = Kind {
    expected: "off or a percentage such as 50%",
    parse: |text| match text {
        _ if is_off(text) => Ok(None),
        _ if is_on(text) => Err(format!(
            "must be off or a percentage such as 50%, found {} (write 50%)",
            quoted(text)
        )),
        _ => or_word("off", percent(text, 1)).map(Some),
    },
    show: |percent| percent.map_or(json!("off"), |percent| json!(percent.to_string())),
    shape: Form::Text(PATTERN).or(&["off"]),
};

/// A share of which a thousandth may be as good as all.
pub(in crate::config) const SHARE: Kind<Share> = Kind {
    expected: "a percentage such as 10% or 0.1%",
    parse: |text| {
        let found = quoted(text);
        let ratio = text.parse().ok().filter(|ratio: &f64| (0.0..=1.0).contains(ratio));
        if let (Some(ratio), true) = (ratio, text.contains('.')) {
            let percent = format!("{:.4}", ratio * 100.0);
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            return Err(format!("needs a percent sign, found {found} (write {percent}%)"));
        }
        if text.parse::<u8>().is_ok_and(|percent| percent <= 100) {
            return Err(format!("needs a percent sign, found {found} (write {text}%)"));
        }
        let number = text.strip_suffix('%').and_then(millionths);
        number.and_then(Share::of_million).ok_or_else(|| {
            format!("must be a percentage from 0% to 100%, with up to 4 decimals, found {found}")
        })
    },
    show: |share| json!(share.to_string()),
    shape: Form::Text("^[0-9]{1,3}(\\.[0-9]{1,4})?%$").alone(),
};

/// The millionths of a whole that a percentage is.
fn millionths(percent: &str) -> Option<u32> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_right = is_number(whole, 3) && is_number(decimals, 4);
    is_right.then(|| format!("{whole}{decimals:0<4}").parse().ok()).flatten()
}

fn percent(text: &str, low: u8) -> Result<Percent, String> {
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
