//! `Server-Timing`: where the time of an answer went, for the person who looks at it in a browser.
//!
//! Durations up to the answer's header are known when it is sent, so these are told: before the last
//! try began, to its connection, and to the beginning of its answer. They are added to what the
//! backend tells.

use std::{io::Write, time::Duration};

use pingora::http::ResponseHeader;
use pingora_core::Result;

/// Long enough for three durations of a day.
const LENGTH: usize = 96;

/// Where the time of an answer went, as far as it is known when its header is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerTimes {
    /// From the request to the beginning of the last attempt.
    pub queue: Duration,
    /// From there to the connection to the backend; `None` where it was there already.
    pub connect: Option<Duration>,
    /// From the end of the request to the first byte of the answer.
    pub first_byte: Option<Duration>,
}

/// Adds it. `100` and `103` have none.
pub(super) fn add(response: &mut ResponseHeader, times: &AnswerTimes) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    let mut value = [0; LENGTH];
    match write(&mut value, times) {
        Some(length) => response.append_header("Server-Timing", &value[..length]).map(|_| ()),
        None => Ok(()),
    }
}

/// How much of the value was written; `None` if it does not fit.
fn write(value: &mut [u8; LENGTH], times: &AnswerTimes) -> Option<usize> {
    let mut rest = value.as_mut_slice();
    write!(rest, "queue;dur={}", Millis(times.queue)).ok()?;
    if let Some(connect) = times.connect {
        write!(rest, ", connect;dur={}", Millis(connect)).ok()?;
    }
    if let Some(first_byte) = times.first_byte {
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

    fn text(times: AnswerTimes) -> String {
        let mut value = [0; LENGTH];
        let length = write(&mut value, &times).unwrap();
        String::from_utf8(value[..length].to_vec()).unwrap()
    }

    #[test]
    fn only_what_has_happened_is_told() {
        let micros = Duration::from_micros;
        let mut times = AnswerTimes { queue: micros(1_005), connect: None, first_byte: None };
        assert_eq!(text(times), "queue;dur=1.005");
        times.connect = Some(micros(300));
        assert_eq!(text(times), "queue;dur=1.005, connect;dur=0.300");
        times.first_byte = Some(micros(2_000_000));
        assert_eq!(text(times), "queue;dur=1.005, connect;dur=0.300, backend;dur=2000.000");
    }

    #[test]
    fn days_fit() {
        let day = Duration::from_secs(24 * 60 * 60);
        let times = AnswerTimes { queue: day, connect: Some(day), first_byte: Some(day * 2) };
        assert!(text(times).ends_with("backend;dur=172800000.000"));
    }
}
