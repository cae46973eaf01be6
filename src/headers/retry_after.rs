//! When a backend that answers 503 wants to be asked again (RFC 9110 section 10.2.3).

use std::time::{Duration, SystemTime};

/// The wait from `now`: the header's seconds, or the time until its date. `None` if it is neither
/// or not in the future.
#[must_use]
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    (!wait.is_zero()).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &'static str) -> Option<Duration> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        retry_after(text.as_bytes(), now)
    }

    #[test]
    fn seconds_are_seconds() {
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_date_is_the_time_until_then() {
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
    }

    #[test]
    fn now_the_past_and_nonsense_give_no_wait() {
        for text in ["0", "-3", "Sun, 06 Nov 1994 08:49:37 GMT", "soon", "", "1.5"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }
}
