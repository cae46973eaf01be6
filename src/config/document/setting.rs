//! The setting of a key that may be left out.
//!
//! Left out, wrong and given are three cases: a stand-in replaces the value in the first two, and
//! only in the first one the default is checked as if it were written.

use crate::config::origin::Origin;

/// The setting of a key that may be left out.
#[derive(Debug)]
pub(in crate::config) enum Setting<T> {
    /// The key is not there, so its default holds.
    LeftOut,
    /// The key is there and its value is invalid, which has been reported.
    Wrong,
    /// The key has this value, at this place.
    Given(T, Origin),
}

impl<T> Setting<T> {
    /// The value, if there is one.
    pub(in crate::config) fn given(self) -> Option<T> {
        match self {
            Self::Given(value, _) => Some(value),
            Self::LeftOut | Self::Wrong => None,
        }
    }

    /// The place where it was written.
    pub(in crate::config) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Given(_, origin) => Some(origin),
            Self::LeftOut | Self::Wrong => None,
        }
    }

    /// Whether something was written, valid or not.
    pub(in crate::config) fn is_there(&self) -> bool {
        !matches!(self, Self::LeftOut)
    }

    pub(in crate::config) fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong)
    }
}

impl<T: Copy> Setting<T> {
    /// As [`Setting::given`].
    pub(in crate::config) fn copied(&self) -> Option<T> {
        match self {
            Self::Given(value, _) => Some(*value),
            Self::LeftOut | Self::Wrong => None,
        }
    }
}
