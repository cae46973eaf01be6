//! The algorithms by which a pool chooses the backend for a request.

use crate::config::word::Word;

/// The algorithm that chooses the backend of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Each in turn, by weight, evenly spread. It is the default, because people expect it.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastConn,
    /// The one of two random backends with the lower expected latency.
    Ewma,
}

impl Word for Algorithm {
    const ALL: &'static [Self] = &[Self::RoundRobin, Self::LeastConn, Self::Ewma];

    fn word(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConn => "least_conn",
            Self::Ewma => "ewma",
        }
    }
}
