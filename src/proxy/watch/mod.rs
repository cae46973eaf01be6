//! When the backend of one attempt is late: the first byte of its answer has a deadline, and so has
//! each pause in the answer.
//!
//! The watch is a value that belongs to the request. Hooks tell it what the backend owes, the code
//! that waits for the client asks it whether to go on waiting, and neither needs to know the
//! client's protocol. It is asked only when nothing else can be done, so the bytes that move cost
//! no look at the clock.

mod patience;
mod timer;

use std::time::{Duration, Instant};

pub(super) use patience::Patience;
pub(super) use timer::Timer;

/// What the backend of one attempt owes, and by when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptWatch {
    /// Nothing: the request is still being sent, or the connection is a tunnel.
    Nothing,
    /// The header of its answer.
    Answer {
        /// The limit that ends the attempt.
        by: Instant,
    },
    /// The header of its answer, with a learned limit before the real one.
    AnswerSoon {
        /// When to ask whether another backend could take the request.
        soon: Instant,
        /// How long to wait before asking again if no other backend could take the request.
        again: Duration,
        /// The limit that ends the attempt.
        by: Instant,
    },
    /// The rest of its answer, without a pause longer than `limit`.
    Rest {
        /// The longest pause.
        limit: Duration,
        /// When the pause under way is too long.
        by: Instant,
        /// Whether bytes have moved since `by` was set.
        has_moved: bool,
    },
}

/// Whether to go on waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Wait; nothing is due.
    Unlimited,
    /// Wait until then.
    Until(Instant),
    /// The learned limit has passed. Either another attempt begins, or [`AttemptWatch::wait_on`].
    Undecided,
    /// The backend is late.
    Late,
}

impl AttemptWatch {
    /// Notes that bytes have moved in either direction, so that a pause in the answer starts again.
    pub(super) fn moved(&mut self) {
        if let Self::Rest { has_moved, .. } = self {
            *has_moved = true;
        }
    }

    /// Notes that the client is still sending its request. Until an answer has begun, the backend
    /// owes nothing.
    pub(super) fn client_sends(&mut self) {
        if !matches!(self, Self::Rest { .. }) {
            *self = Self::Nothing;
        }
    }

    /// The earliest time at which an answer to [`Self::ask`] may end the wait; `None` for never. It says
    /// so without a look at the clock.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Nothing => None,
            Self::Answer { by } | Self::Rest { by, .. } => Some(*by),
            Self::AnswerSoon { soon, by, .. } => Some(*by.min(soon)),
        }
    }

    /// Whether to go on waiting, now that neither side has anything to do. The clock is read only if
    /// something is due.
    pub(super) fn ask(&mut self, now: impl FnOnce() -> Instant) -> Wait {
        match self {
            Self::Nothing => Wait::Unlimited,
            Self::Answer { by } => until(*by, now(), Wait::Late),
            Self::AnswerSoon { soon, by, .. } => {
                let now = now();
                if now < *by { until(*soon, now, Wait::Undecided) } else { Wait::Late }
            }
            Self::Rest { limit, by, has_moved } => {
                let now = now();
                if std::mem::take(has_moved) {
                    *by = now + *limit;
                }
                until(*by, now, Wait::Late)
            }
        }
    }

    /// Goes on waiting, because no other backend could take the request when the learned limit had
    /// passed.
    pub(super) fn wait_on(&mut self, now: Instant) {
        if let Self::AnswerSoon { soon, again, by } = self {
            *soon = (now + *again).min(*by);
        }
    }
}

fn until(by: Instant, now: Instant, passed: Wait) -> Wait {
    if now < by { Wait::Until(by) } else { passed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_answer_is_late_when_its_limit_has_passed() {
        let start = clock::now();
        let mut watch = AttemptWatch::Answer { by: start + SECOND };
        assert_eq!(watch.ask(|| start), Wait::Until(start + SECOND));
        watch.moved();
        assert_eq!(watch.ask(|| start + SECOND / 2), Wait::Until(start + SECOND));
        assert_eq!(watch.ask(|| start + SECOND), Wait::Late);
    }

    #[test]
    fn nothing_is_due_while_the_client_sends() {
        let start = clock::now();
        let mut watch = AttemptWatch::Answer { by: start };
        watch.client_sends();
        assert_eq!(watch.ask(|| panic!("the clock need not be read")), Wait::Unlimited);
    }

    #[test]
    fn a_pause_begins_with_the_last_byte_that_moved() {
        let start = clock::now();
        let mut watch = AttemptWatch::Rest { limit: SECOND, by: start + SECOND, has_moved: false };
        watch.client_sends();
        assert_eq!(watch.ask(|| start + SECOND / 2), Wait::Until(start + SECOND));
        watch.moved();
        let later = start + SECOND * 3;
        assert_eq!(watch.ask(|| later), Wait::Until(later + SECOND));
        assert_eq!(watch.ask(|| later + SECOND), Wait::Late);
    }

    #[test]
    fn a_learned_limit_asks_again_until_the_real_one_ends_the_attempt() {
        let start = clock::now();
        let by = start + SECOND * 10;
        let mut watch = AttemptWatch::AnswerSoon { soon: start + SECOND, again: SECOND * 4, by };
        assert_eq!(watch.ask(|| start), Wait::Until(start + SECOND));
        assert_eq!(watch.ask(|| start + SECOND), Wait::Undecided);
        watch.wait_on(start + SECOND);
        assert_eq!(watch.ask(|| start + SECOND * 2), Wait::Until(start + SECOND * 5));
        watch.wait_on(start + SECOND * 9);
        assert_eq!(watch.ask(|| start + SECOND * 9), Wait::Until(by));
        assert_eq!(watch.ask(|| by), Wait::Late);
    }
}
