//! May a failed attempt be followed by another.
//!
//! Only what is safe is repeated. Until a connection is established nothing can have reached the
//! backend, and any request may go elsewhere. After that the backend may have acted on it, so it
//! is repeated only when doing so twice is the same as doing so once (an idempotent method,
//! RFC 9110 section 9.2.2), when its body is still at hand whole, and when the client has not seen
//! a byte of an answer. Pingora's own guard for this goes away when its hook is overridden; this
//! one replaces it.

use std::fmt;

use crate::config::Retry;

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The connection was not accepted in time.
    ConnectTimeout,
    /// No connection for another reason, such as no route.
    ConnectFailed,
    /// The connection broke, or what came over it was not HTTP, before the end of the answer.
    Broken,
    /// No answer in time, or a pause in it that was too long.
    Timeout,
    /// A whole answer, with a status that means "not me, not now".
    Status(u16),
}

impl Failure {
    /// Whether the request may have reached the backend.
    #[must_use]
    pub fn may_have_arrived(self) -> bool {
        match self {
            Self::Refused | Self::ConnectTimeout | Self::ConnectFailed => false,
            Self::Broken | Self::Timeout | Self::Status(_) => true,
        }
    }

    /// The status with which a gateway reports this when no other try is left
    /// (RFC 9110 section 15.6).
    #[must_use]
    pub fn gateway_status(self) -> u16 {
        match self {
            Self::ConnectTimeout | Self::Timeout => 504,
            Self::Refused | Self::ConnectFailed | Self::Broken | Self::Status(_) => 502,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the backend refused the connection"),
            Self::ConnectTimeout => {
                f.write_str("the backend did not accept the connection in time")
            }
            Self::ConnectFailed => f.write_str("the backend could not be reached"),
            Self::Broken => f.write_str("the connection to the backend broke"),
            Self::Timeout => f.write_str("the backend did not answer in time"),
            Self::Status(status) => write!(f, "the backend answered {status}"),
        }
    }
}

/// What is known about a request when an attempt of it has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted {
    /// Tries made so far, the failed one included.
    pub attempts: u32,
    /// Whether its method is idempotent.
    pub idempotent: bool,
    /// Whether its body, as far as it was read, can be sent again.
    pub replayable: bool,
    /// Whether the client has seen a part of an answer.
    pub answered: bool,
}

/// Whether another attempt may follow, if a backend is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Retry,
    /// Every try that is allowed was made.
    NoneLeft,
    /// The client has seen a part of an answer.
    Answered,
    /// It may have been executed, and must not be executed twice.
    NotIdempotent,
    /// Its body is gone.
    NotReplayable,
}

/// The rule.
#[must_use]
pub fn decide(policy: &Retry, failure: Failure, attempted: Attempted) -> Verdict {
    if attempted.attempts >= policy.attempts.get() {
        return Verdict::NoneLeft;
    }
    if attempted.answered {
        return Verdict::Answered;
    }
    if failure.may_have_arrived() && !attempted.idempotent {
        return Verdict::NotIdempotent;
    }
    if !attempted.replayable {
        return Verdict::NotReplayable;
    }
    Verdict::Retry
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Attempted =
        Attempted { attempts: 1, idempotent: true, replayable: true, answered: false };
    const POST: Attempted = Attempted { idempotent: false, ..GET };

    #[track_caller]
    fn expect(failure: Failure, attempted: Attempted, verdict: Verdict) {
        let policy = crate::config::Pool::new(crate::config::PoolName::new("web")).retry;
        assert_eq!(decide(&policy, failure, attempted), verdict);
    }

    #[test]
    fn a_request_that_never_arrived_is_retried_whatever_it_is() {
        for failure in [Failure::Refused, Failure::ConnectTimeout, Failure::ConnectFailed] {
            expect(failure, GET, Verdict::Retry);
            expect(failure, POST, Verdict::Retry);
        }
    }

    #[test]
    fn a_request_that_may_have_arrived_is_retried_only_when_idempotent() {
        for failure in [Failure::Broken, Failure::Timeout, Failure::Status(503)] {
            expect(failure, GET, Verdict::Retry);
            expect(failure, POST, Verdict::NotIdempotent);
        }
    }

    #[test]
    fn a_body_that_is_gone_is_never_half_replayed() {
        let put = Attempted { replayable: false, ..GET };
        expect(Failure::Broken, put, Verdict::NotReplayable);
    }

    #[test]
    fn nothing_is_retried_once_the_client_has_seen_a_part_of_an_answer() {
        expect(Failure::Broken, Attempted { answered: true, ..GET }, Verdict::Answered);
    }

    #[test]
    fn attempts_counts_tries_in_all() {
        expect(Failure::Refused, Attempted { attempts: 2, ..GET }, Verdict::Retry);
        expect(Failure::Refused, Attempted { attempts: 3, ..GET }, Verdict::NoneLeft);
    }

    #[test]
    fn timeouts_are_504_and_the_rest_is_502() {
        assert_eq!(Failure::Timeout.gateway_status(), 504);
        assert_eq!(Failure::ConnectTimeout.gateway_status(), 504);
        assert_eq!(Failure::Refused.gateway_status(), 502);
        assert_eq!(Failure::Broken.gateway_status(), 502);
    }
}
