//! `Server-Timing`: the times of an answer, for the developer tools of a browser.
//!
//! The durations up to the answer's header are known when it is sent: until the last try began, its
//! connection, and its first byte. They are added to the backend's own.

use std::{io::Write, time::Duration};

use crate::http1::Fields;

/// The length of a value: enough for three durations of a day.
const LENGTH: usize = 96;

/// The times of an answer that are known when its header is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerTimes {
    /// From the request to the beginning of the last attempt.
    pub queue: Duration,
    /// From there to the connection to the backend; `None` if an open connection was used.
    pub connect: Option<Duration>,
    /// From the end of the request to the first byte of the answer.
    pub first_byte: Option<Duration>,
}

/// Adds the field.
pub(super) fn add(fields: &mut Fields, times: &AnswerTimes) {
    let mut value = [0; LENGTH];
    if let Some(length) = write(&mut value, times) {
        fields.append(b"Server-Timing", &value[..length]);
    }
}

/// The number of bytes written; `None` if the value does not fit.
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

/// Milliseconds, exact to the microsecond, as in the access log.
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
    fn only_known_times_are_told() {
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
