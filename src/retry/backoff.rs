//! How long to wait before a retry.
//!
//! Full jitter (Brooker, "Exponential Backoff and Jitter", 2015): a random part of a time that
//! doubles with each try. Requests that failed together do not come back together.

use std::time::Duration;

use super::Failure;
use crate::config::Backoff;

/// The wait before the next try, after this failure, which was the `attempts`th attempt of its
/// request.
///
/// There is no wait after a refused connection if the next try is on another backend: the refusal
/// cost the first one nothing, and the other one has not failed. `draw` is a random number from 0
/// to 1.
#[must_use]
pub fn wait(
    backoff: Backoff,
    failure: Failure,
    attempts: u32,
    elsewhere: bool,
    draw: f64,
) -> Duration {
    if failure == Failure::Refused && elsewhere {
        return Duration::ZERO;
    }
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    backoff.base.saturating_mul(doubled).min(backoff.max).mul_f64(draw.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { base: Duration::from_millis(25), max: Duration::from_millis(250) };

    fn longest(attempts: u32) -> Duration {
        wait(BACKOFF, Failure::Broken, attempts, true, 1.0)
    }

    #[test]
    fn doubles_up_to_its_maximum() {
        let millis = [1, 2, 3, 4, 5, 40].map(|attempts| longest(attempts).as_millis());
        assert_eq!(millis, [25, 50, 100, 200, 250, 250]);
    }

    #[test]
    fn is_any_part_of_that() {
        assert_eq!(wait(BACKOFF, Failure::Timeout, 1, true, 0.0), Duration::ZERO);
        let half = wait(BACKOFF, Failure::Status(503), 1, true, 0.5);
        assert_eq!(half, Duration::from_micros(12_500));
    }

    #[test]
    fn is_none_after_a_refused_connection_unless_it_is_the_same_backend() {
        assert_eq!(wait(BACKOFF, Failure::Refused, 1, true, 1.0), Duration::ZERO);
        assert_eq!(wait(BACKOFF, Failure::Refused, 1, false, 1.0), BACKOFF.base);
    }
}
