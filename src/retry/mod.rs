//! Decides whether another attempt follows a failed one, when, and whether it costs budget.
//!
//! Only what is safe is repeated. Until a connection is established nothing can have reached the
//! backend, and any request may go elsewhere. After that the backend may have acted on it, so it is
//! repeated only when doing so twice is the same as doing so once (an idempotent method, RFC 9110
//! section 9.2.2, or an `Idempotency-Key`), when its body is still at hand whole, and when the
//! client has not seen a byte of an answer. Pingora's own guard is lost when its hook is
//! overridden; this one replaces it.
//!
//! Retries of requests that may have been executed are also charged to the pool's [`Budget`].

mod backoff;
mod budget;
mod quantile;

use std::{borrow::Cow, fmt};

pub use backoff::wait;
pub use budget::Budget;
pub use quantile::Quantile;

use crate::config::{Retry, RetryOn};
use crate::count::Outcome;

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The connection was not accepted in time.
    ConnectTimeout,
    /// No connection for another reason, such as no route.
    ConnectFailed,
    /// No connection because this machine is out of files or ports.
    NoSocket,
    /// The connection broke before the end of the answer.
    Broken,
    /// The bytes from the backend cannot be passed on as an answer, for this reason.
    InvalidAnswer(&'static str),
    /// No answer in time, or a pause in it that was too long.
    Timeout,
    /// No answer within the learned limit.
    LearnedTimeout,
    /// A whole answer, with a status that means "not me, not now".
    Status(u16),
    /// The time for the whole request is over, which says nothing about the backend.
    OutOfTime,
}

impl Failure {
    /// Whether the request may have reached the backend.
    #[must_use]
    pub fn may_have_arrived(self) -> bool {
        match self {
            Self::Refused | Self::ConnectTimeout | Self::ConnectFailed | Self::NoSocket => false,
            Self::Broken
            | Self::InvalidAnswer(_)
            | Self::Timeout
            | Self::LearnedTimeout
            | Self::Status(_)
            | Self::OutOfTime => true,
        }
    }

    /// The outcome as which the failure is counted.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Refused => Outcome::Refused,
            Self::ConnectTimeout => Outcome::ConnectTimeout,
            Self::ConnectFailed => Outcome::ConnectFailure,
            Self::NoSocket => Outcome::NoSocket,
            Self::Broken => Outcome::Reset,
            Self::InvalidAnswer(_) => Outcome::InvalidAnswer,
            Self::Timeout => Outcome::Timeout,
            Self::LearnedTimeout => Outcome::LearnedTimeout,
            Self::Status(_) => Outcome::Status,
            Self::OutOfTime => Outcome::OutOfTime,
        }
    }

    /// The failure in one word, as the access log shows it; a status is its number.
    #[must_use]
    pub fn word(self) -> Cow<'static, str> {
        match self {
            Self::Status(status) => status.to_string().into(),
            _ => self.outcome().word().into(),
        }
    }

    /// The entry of `retry.on` that covers the failure; a status is its number.
    #[must_use]
    pub fn listed_as(self) -> Cow<'static, str> {
        match self {
            Self::Refused | Self::ConnectTimeout | Self::ConnectFailed | Self::NoSocket => {
                "connect_failure".into()
            }
            Self::Broken | Self::InvalidAnswer(_) => "reset".into(),
            Self::Timeout | Self::LearnedTimeout | Self::OutOfTime => "timeout".into(),
            Self::Status(status) => status.to_string().into(),
        }
    }

    /// The status with which a gateway reports this when no other try is left
    /// (RFC 9110 section 15.6).
    #[must_use]
    pub fn gateway_status(self) -> u16 {
        match self {
            Self::ConnectTimeout | Self::Timeout | Self::LearnedTimeout | Self::OutOfTime => 504,
            Self::Refused
            | Self::ConnectFailed
            | Self::NoSocket
            | Self::Broken
            | Self::InvalidAnswer(_)
            | Self::Status(_) => 502,
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
            Self::NoSocket => f.write_str("no file or port was left for a connection"),
            Self::Broken => f.write_str("the connection to the backend broke"),
            Self::InvalidAnswer(why) => write!(f, "the backend's answer is invalid: {why}"),
            Self::Timeout => f.write_str("the backend did not answer in time"),
            Self::LearnedTimeout => f.write_str("the backend took far longer than usual"),
            Self::Status(status) => write!(f, "the backend answered {status}"),
            Self::OutOfTime => f.write_str("the time for the request was over"),
        }
    }
}

/// The facts about a request of which an attempt has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryContext {
    /// Tries made so far, the failed one included.
    pub attempts: u32,
    /// Whether the request can be executed twice without harm.
    pub repeatable: bool,
    /// Whether the part of its body that was read can be sent again.
    pub replayable: bool,
    /// Whether the client has seen a part of an answer.
    pub answered: bool,
}

/// Whether another attempt may follow, if a backend is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Retry,
    /// It may, if the budget pays for it.
    Pay,
    /// All allowed tries were made.
    NoneLeft,
    /// The client has seen a part of an answer.
    Answered,
    /// Failures like this are not retried.
    NotListed,
    /// The request may have been executed, and must not be executed twice.
    NotRepeatable,
    /// The body of the request is no longer available.
    NotReplayable,
}

/// Decides whether another attempt may follow this failure.
#[must_use]
pub fn decide(policy: &Retry, failure: Failure, attempted: RetryContext) -> Verdict {
    if attempted.attempts >= policy.attempts.get() {
        return Verdict::NoneLeft;
    }
    if attempted.answered {
        return Verdict::Answered;
    }
    if !is_listed(&policy.on, failure) {
        return Verdict::NotListed;
    }
    if failure.may_have_arrived() && !attempted.repeatable {
        return Verdict::NotRepeatable;
    }
    if !attempted.replayable {
        return Verdict::NotReplayable;
    }
    if failure.may_have_arrived() { Verdict::Pay } else { Verdict::Retry }
}

/// Whether a request may be the probe of an ejected backend: another attempt can follow any
/// failure, so that its client does not pay for the probe. `made` is the number of attempts before;
/// `repeatable` says that the request can be executed twice without harm and that all of its body
/// is at hand.
#[must_use]
pub fn may_probe(policy: &Retry, made: u32, repeatable: bool) -> bool {
    let on = &policy.on;
    let covers_all = on.connect_failure && on.reset && on.timeout;
    let statuses = [502, 503, 504].iter().all(|status| on.statuses.contains(status));
    repeatable && covers_all && statuses && made.saturating_add(1) < policy.attempts.get()
}

/// Whether an answer with this status is a failure that may be retried.
#[must_use]
pub fn is_failure(on: &RetryOn, status: u16) -> bool {
    on.statuses.contains(&status)
}

fn is_listed(on: &RetryOn, failure: Failure) -> bool {
    match failure {
        Failure::Refused | Failure::ConnectTimeout | Failure::ConnectFailed | Failure::NoSocket => {
            on.connect_failure
        }
        Failure::Broken | Failure::InvalidAnswer(_) => on.reset,
        Failure::Timeout | Failure::LearnedTimeout => on.timeout,
        Failure::Status(status) => is_failure(on, status),
        Failure::OutOfTime => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: RetryContext =
        RetryContext { attempts: 1, repeatable: true, replayable: true, answered: false };
    const POST: RetryContext = RetryContext { repeatable: false, ..GET };

    #[track_caller]
    fn expect(failure: Failure, attempted: RetryContext, verdict: Verdict) {
        assert_eq!(decide(&Retry::default(), failure, attempted), verdict);
    }

    #[test]
    fn any_request_that_never_arrived_is_retried_free_of_charge() {
        for failure in [Failure::Refused, Failure::ConnectTimeout, Failure::ConnectFailed] {
            expect(failure, GET, Verdict::Retry);
            expect(failure, POST, Verdict::Retry);
        }
    }

    #[test]
    fn a_request_that_may_have_arrived_is_retried_only_when_it_can_be_repeated_and_paid_for() {
        for failure in [Failure::Broken, Failure::Timeout, Failure::Status(503)] {
            expect(failure, GET, Verdict::Pay);
            expect(failure, POST, Verdict::NotRepeatable);
        }
    }

    #[test]
    fn only_a_request_that_any_failure_of_a_probe_would_repeat_may_be_one() {
        let policy = Retry::default();
        assert!(may_probe(&policy, 0, true));
        assert!(!may_probe(&policy, 0, false));
        let tries = policy.attempts.get();
        assert!(may_probe(&policy, tries - 2, true));
        assert!(!may_probe(&policy, tries - 1, true), "it has no other try");
        let once = Retry { attempts: std::num::NonZeroU32::MIN, ..Retry::default() };
        assert!(!may_probe(&once, 0, true));
        for missing in 0..6 {
            let mut on = policy.on.clone();
            match missing {
                0 => on.connect_failure = false,
                1 => on.reset = false,
                2 => on.timeout = false,
                status => on.statuses.retain(|listed| *listed != 499 + status),
            }
            assert!(!may_probe(&Retry { on, ..Retry::default() }, 0, true), "{missing}");
        }
    }

    #[test]
    fn a_body_that_is_gone_is_never_half_replayed() {
        let put = RetryContext { replayable: false, ..GET };
        expect(Failure::Broken, put, Verdict::NotReplayable);
    }

    #[test]
    fn nothing_is_retried_once_the_client_has_seen_a_part_of_an_answer() {
        expect(Failure::Broken, RetryContext { answered: true, ..GET }, Verdict::Answered);
    }

    #[test]
    fn attempts_counts_tries_in_all() {
        expect(Failure::Refused, RetryContext { attempts: 2, ..GET }, Verdict::Retry);
        expect(Failure::Refused, RetryContext { attempts: 3, ..GET }, Verdict::NoneLeft);
    }

    #[test]
    fn only_listed_failures_are_retried() {
        let nothing =
            RetryOn { connect_failure: false, reset: false, timeout: false, statuses: vec![500] };
        let policy = Retry { on: nothing, ..Retry::default() };
        let not = [
            Failure::Refused,
            Failure::ConnectTimeout,
            Failure::ConnectFailed,
            Failure::Broken,
            Failure::Timeout,
            Failure::Status(503),
        ];
        for failure in not {
            assert_eq!(decide(&policy, failure, GET), Verdict::NotListed, "{failure}");
        }
        assert_eq!(decide(&policy, Failure::Status(500), GET), Verdict::Pay);
    }

    #[test]
    fn a_failure_is_retried_where_its_entry_is_listed() {
        let failures = [
            Failure::Refused,
            Failure::ConnectTimeout,
            Failure::ConnectFailed,
            Failure::NoSocket,
            Failure::Broken,
            Failure::Timeout,
            Failure::LearnedTimeout,
            Failure::Status(503),
        ];
        for failure in failures {
            let word = failure.listed_as();
            let on = RetryOn {
                connect_failure: word == "connect_failure",
                reset: word == "reset",
                timeout: word == "timeout",
                statuses: word.parse().into_iter().collect(),
            };
            assert!(is_listed(&on, failure), "{failure:?} under {word}");
        }
    }

    #[test]
    fn a_request_whose_time_is_over_is_not_retried() {
        expect(Failure::OutOfTime, GET, Verdict::NotListed);
    }

    #[test]
    fn timeouts_are_504_and_the_rest_is_502() {
        for failure in [Failure::Timeout, Failure::ConnectTimeout, Failure::OutOfTime] {
            assert_eq!(failure.gateway_status(), 504);
        }
        for failure in [Failure::Refused, Failure::ConnectFailed, Failure::Broken] {
            assert_eq!(failure.gateway_status(), 502);
        }
    }
}
