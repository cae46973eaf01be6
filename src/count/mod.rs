//! Counters that cost next to nothing to add to: one atomic addition, no lock, no allocation.
//!
//! A reader gets the sum of a moment; counts that belong together may be a request apart. Counts
//! only grow, for as long as their owner exists.

mod changes;
mod client;
mod counter;
mod durations;
mod listener;
mod outcome;
mod packed;
mod shards;
mod sparse;

pub use changes::Changes;
pub use client::{ConnectionRefusal, Cut, Handshake, Protocol};
pub use counter::Counter;
pub use durations::{DurationHistogram, DurationSnapshot};
pub use listener::{ConnectionGuard, ListenerCounts};
pub use outcome::Outcome;
pub use packed::PackedWord;
pub use shards::Shards;
pub use sparse::OncePerSecond;

/// The class of a status (RFC 9110 section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum StatusClass {
    /// There was no answer.
    None,
    /// 100 to 199.
    Informational,
    /// 200 to 299.
    Success,
    /// 300 to 399.
    Redirection,
    /// 400 to 499.
    ClientError,
    /// 500 and more.
    ServerError,
}

impl StatusClass {
    /// Every class, in order.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
    ];

    /// The class of this status.
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status / 100 {
            0 => Self::None,
            1 => Self::Informational,
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    /// The class as metrics show it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

/// A count for each class.
#[derive(Debug, Default)]
pub struct StatusClassCounts([Counter; StatusClass::ALL.len()]);

impl StatusClassCounts {
    /// Counts one more of this class.
    pub fn one(&self, class: StatusClass) {
        self.0[class as usize].one();
    }

    /// Returns the counts, in the order of [`StatusClass::ALL`].
    #[must_use]
    pub fn get(&self) -> [u64; StatusClass::ALL.len()] {
        self.0.each_ref().map(Counter::get)
    }

    /// Returns the sum of several counts, in the order of [`StatusClass::ALL`].
    #[must_use]
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> [u64; StatusClass::ALL.len()] {
        let mut sum = [0; StatusClass::ALL.len()];
        for counts in all {
            sum.iter_mut().zip(counts.get()).for_each(|(sum, count)| *sum += count);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_one_class() {
        let classes = StatusClassCounts::default();
        for status in [0, 100, 101, 200, 204, 304, 404, 499, 500, 599, 700, 999] {
            classes.one(StatusClass::of(status));
        }
        assert_eq!(classes.get(), [1, 2, 2, 1, 2, 4]);
        for (place, class) in StatusClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place, "{}", class.word());
        }
    }
}
