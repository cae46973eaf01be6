//! Lengths of time: read in the units of other balancers, and written as `lb` writes them.

use std::time::Duration;

use super::site::AltSvc;

/// Longer limits have no effect in `lb`.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The default of `timeouts.request`.
const REQUEST: Duration = Duration::from_secs(120);

/// The longest time of `hsts`, in days.
const HSTS_DAYS_MAX: u64 = 731;

/// Units by name, in microseconds.
const UNITS: [(&str, u64); 8] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
    ("y", 31_536_000_000_000),
];

/// Reads `30`, `30s` or `1m30s`; a number without a unit is in `unit`. `None` for anything else.
pub(super) fn read(text: &str, unit: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?.trim_start();
        let letters = rest.len() - rest.trim_start_matches(char::is_alphabetic).len();
        let name = match rest.get(..letters)? {
            "" => unit,
            name => name,
        };
        rest = rest.get(letters..)?.trim_start();
        let (_, micros) = UNITS.iter().find(|(unit, _)| *unit == name)?;
        total += Duration::from_micros(number.checked_mul(*micros)?);
    }
    (!text.is_empty()).then_some(total)
}

/// A length as `lb` writes it, at most a day; `None` for zero.
pub(super) fn written(length: Duration) -> Option<String> {
    let length = length.min(LONGEST);
    if length.is_zero() {
        return None;
    }
    let millis = length.as_millis().max(1);
    let units = [("h", 3_600_000, 1), ("m", 60_000, 120_000), ("s", 1000, 1)];
    let fits =
        |(_, unit, least): &&(&str, u128, u128)| millis >= *least && millis.is_multiple_of(*unit);
    let (name, unit, _) = units.iter().find(fits).unwrap_or(&("ms", 1, 0));
    Some(format!("{}{name}", millis / unit))
}

/// The longest limit on one try: it leaves time for another one in the longest limit on all tries.
pub(super) const LONGEST_TRY: Duration = Duration::from_secs(12 * 60 * 60);

/// The limit on all tries together, where these limits on parts of a try leave no time for a second one
/// in the default of `timeouts.request`.
pub(super) fn of_all_tries(parts: [Option<Duration>; 2]) -> Option<Duration> {
    let longest = parts.into_iter().flatten().max()?;
    (longest >= REQUEST).then(|| longest.saturating_mul(2).min(LONGEST))
}

/// The days of a `Strict-Transport-Security` field (RFC 6797), at most those that `lb` takes.
pub(super) fn hsts_days(value: &str) -> Option<u64> {
    let mut directives = value.split(';').map(str::trim);
    let age = directives.find_map(|it| it.strip_prefix("max-age="))?;
    let seconds: u64 = age.trim_matches('"').parse().ok()?;
    Some((seconds / LONGEST.as_secs()).min(HSTS_DAYS_MAX))
}

/// What an `Alt-Svc` field (RFC 7838) of a listener at this address says of HTTP/3, and what `lb` does in
/// another way; `None` if it says nothing of HTTP/3.
pub(super) fn alt_svc(value: &str, address: &str) -> Option<(AltSvc, Option<String>)> {
    let http3 = value.split(',').map(str::trim).find_map(|it| it.strip_prefix("h3="))?;
    let mut parts = http3.split(';').map(|it| it.trim().trim_matches(['"', '\\']));
    let (_, port) = parts.next()?.rsplit_once(':')?;
    // A variable for the port stands for the listener's own.
    let own = address.rsplit_once(':').map_or("", |(_, port)| port);
    let port = port.parse::<u16>().ok().map(|port| port.to_string()).filter(|port| port != own);
    let age = parts.find_map(|it| it.strip_prefix("ma=")).and_then(|age| age.parse::<u64>().ok());
    let days = age.unwrap_or(LONGEST.as_secs()) / LONGEST.as_secs();
    let remark = age.filter(|age| age % LONGEST.as_secs() != 0).map(|_| {
        let days = days.max(1);
        format!("alt_svc is in whole days: here {days}d")
    });
    let max_age = (days > 1).then(|| format!("{}d", days.min(HSTS_DAYS_MAX)));
    Some((AltSvc { max_age, port }, remark))
}
