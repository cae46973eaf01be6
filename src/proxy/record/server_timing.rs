//! `Server-Timing`: where the time of an answer went, for the person who looks at it in a browser.
//!
//! Durations up to the answer's header are known when it is sent, so these are told: before the last
//! try began, to its connection, and to the beginning of its answer. They are added to what the
//! backend tells.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use pingora::http::ResponseHeader;
use pingora_core::Result;

use super::super::context::{Attempt, RequestContext};

/// Long enough for three durations of a day.
const LENGTH: usize = 96;

/// Adds it, if that is configured. `100` and `103` have none.
pub(in super::super) fn add(response: &mut ResponseHeader, context: &RequestContext) -> Result<()> {
    if !context.generation.server_timing || response.status.is_informational() {
        return Ok(());
    }
    let mut value = [0; LENGTH];
    match context.attempt().and_then(|attempt| write(&mut value, context.started, attempt)) {
        Some(length) => response.append_header("Server-Timing", &value[..length]).map(|_| ()),
        None => Ok(()),
    }
}

/// How much of the value was written; `None` if it does not fit.
fn write(value: &mut [u8; LENGTH], started: Instant, attempt: &Attempt) -> Option<usize> {
    let mut rest = value.as_mut_slice();
    write!(rest, "queue;dur={}", Millis(attempt.began.saturating_duration_since(started))).ok()?;
    if let Some(connect) = attempt.connect_time() {
        write!(rest, ", connect;dur={}", Millis(connect)).ok()?;
    }
    if let Some(first_byte) = attempt.first_byte_time() {
        write!(rest, ", backend;dur={}", Millis(first_byte)).ok()?;
    }
    let left = rest.len();
    Some(LENGTH - left)
}

/// Exact to the microsecond, as in the access log.
struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.as_micros() % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn text(started: Instant, attempt: &Attempt) -> String {
        let mut value = [0; LENGTH];
        let length = write(&mut value, started, attempt).unwrap();
        String::from_utf8(value[..length].to_vec()).unwrap()
    }

    #[test]
    fn only_what_has_happened_is_told() {
        let started = clock::now();
        let at = |micros| started + Duration::from_micros(micros);
        let mut attempt = Attempt::beginning(1, at(1_005));
        assert_eq!(text(started, &attempt), "queue;dur=1.005");
        attempt.connected = Some(at(1_305));
        assert_eq!(text(started, &attempt), "queue;dur=1.005, connect;dur=0.300");
        (attempt.sent, attempt.first_byte) = (Some(at(1_400)), Some(at(2_001_400)));
        let expected = "queue;dur=1.005, connect;dur=0.300, backend;dur=2000.000";
        assert_eq!(text(started, &attempt), expected);
    }

    #[test]
    fn days_fit() {
        let started = clock::now();
        let day = Duration::from_secs(24 * 60 * 60);
        let mut attempt = Attempt::beginning(16, started + day);
        attempt.connected = Some(started + day * 2);
        (attempt.sent, attempt.first_byte) = (Some(started), Some(started + day * 2));
        assert!(text(started, &attempt).ends_with("backend;dur=172800000.000"));
    }
}
