//! Quantities that several parts of the configuration use: statuses and shares.

use std::fmt;

/// A set of status codes, such as `200-399` or `200,204,301-302`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatusRanges(pub(in crate::config) Vec<(u16, u16)>);

impl StatusRanges {
    /// Whether the status is in the set.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

impl fmt::Display for StatusRanges {
    /// Writes it as the configuration file does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if low == high {
                write!(f, "{comma}{low}")?;
            } else {
                write!(f, "{comma}{low}-{high}")?;
            }
        }
        Ok(())
    }
}

/// A share, in hundredths; 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub(in crate::config) u8);

impl Percent {
    /// A share; `None` above 100.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 { Some(Self(percent)) } else { None }
    }

    /// The share in percent, from 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A share in millionths, from 0 to a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub(in crate::config) u32);

impl Share {
    /// The millionths of a whole.
    pub const WHOLE: u32 = 1_000_000;
    /// All.
    pub const ALL: Self = Self(Self::WHOLE);

    /// A share; `None` above a whole.
    #[must_use]
    pub const fn of_million(millionths: u32) -> Option<Self> {
        if millionths <= Self::WHOLE { Some(Self(millionths)) } else { None }
    }

    /// The share in millionths.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Share {
    /// Writes it as a percentage with the decimals that it needs, such as `0.1%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        let decimals = format!(".{rest:04}");
        write!(f, "{whole}{}%", decimals.trim_end_matches('0').trim_end_matches('.'))
    }
}
