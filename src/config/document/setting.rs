//! What became of a key that may be left out.
//!
//! Left out, wrong and given are three things: a stand-in takes the place of the first two, and
//! only the first is to be judged as if its default were written.

use crate::config::origin::Origin;

/// The value of a key that may be left out.
#[derive(Debug)]
pub(in crate::config) enum Setting<T> {
    /// It is not there: the default holds.
    LeftOut,
    /// It is there and wrong; the report says so.
    Wrong,
    /// It is there, at this place.
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

    /// Where it was written.
    pub(in crate::config) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Given(_, origin) => Some(origin),
            Self::LeftOut | Self::Wrong => None,
        }
    }

    /// Whether something was written, right or wrong.
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
