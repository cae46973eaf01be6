//! How an attempt can end, in the words that the log, the metrics and the status page share. The
//! outcomes are few, so that each can be counted for each backend, regardless of the answers.

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// The answer came to its end.
    Ok,
    /// The connection was refused.
    Refused,
    /// The connection was not accepted in time.
    ConnectTimeout,
    /// No connection for another reason, such as no route.
    ConnectFailure,
    /// No connection because this machine is out of files or ports.
    NoSocket,
    /// The connection broke.
    Reset,
    /// The bytes from the backend cannot be passed on as an answer.
    InvalidAnswer,
    /// No answer in time, or a pause in it that was too long.
    Timeout,
    /// No answer within the learned limit.
    LearnedTimeout,
    /// An answer whose status means "not me, not now".
    Status,
    /// An answer that says that proxies form a loop (508), which says nothing about the backend.
    Loop,
    /// The time for the whole request was over.
    OutOfTime,
    /// The client left before an answer had begun.
    Abandoned,
    /// The client left in the middle of the answer.
    CutOff,
}

impl Outcome {
    /// The number of outcomes.
    pub const COUNT: usize = Self::ALL.len();

    /// Every outcome, in order.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Refused,
        Self::ConnectTimeout,
        Self::ConnectFailure,
        Self::NoSocket,
        Self::Reset,
        Self::InvalidAnswer,
        Self::Timeout,
        Self::LearnedTimeout,
        Self::Status,
        Self::Loop,
        Self::OutOfTime,
        Self::Abandoned,
        Self::CutOff,
    ];

    /// The outcome in one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectFailure => "connect_failure",
            Self::NoSocket => "no_socket",
            Self::Reset => "reset",
            Self::InvalidAnswer => "invalid_answer",
            Self::Timeout => "timeout",
            Self::LearnedTimeout => "learned_timeout",
            Self::Status => "status",
            Self::Loop => "loop",
            Self::OutOfTime => "out_of_time",
            Self::Abandoned => "abandoned",
            Self::CutOff => "cut_off",
        }
    }

    /// Whether the backend failed the request. A client that leaves is no failure, nor is a loop: another
    /// try of it would go round as well.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Loop | Self::Abandoned | Self::CutOff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{}", outcome.word());
        }
    }
}
