//! The one predicate: may this backend get a request, and if not, why not.
//!
//! Selection, logs, and whatever else shows a backend's state all ask here, so that they cannot
//! disagree.

use std::{fmt, time::Instant};

use super::standing::{Cause, Health, Standing};

/// Whether a backend may get a request. Anything but [`Eligibility::Eligible`] is the reason why
/// not; where several hold, the one named is the one that is listed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// Nothing stands in the way.
    Eligible,
    /// An operator says so.
    Draining,
    /// Active checks say so.
    Unhealthy,
    /// Its traffic says so.
    Ejected {
        /// What it did.
        cause: Cause,
        /// When it comes back.
        until: Until,
    },
}

/// When an ejection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When enough active checks have passed.
    ChecksPass,
    /// At this instant.
    Instant(Instant),
}

impl Eligibility {
    /// Whether nothing stands in the way.
    #[must_use]
    pub fn is_eligible(&self) -> bool {
        matches!(self, Self::Eligible)
    }
}

impl fmt::Display for Eligibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eligible => "eligible",
            Self::Draining => "draining",
            Self::Unhealthy => "unhealthy",
            Self::Ejected { .. } => "ejected",
        })
    }
}

/// The predicate.
pub(super) fn of(standing: &Standing, now: Instant) -> Eligibility {
    if standing.draining {
        return Eligibility::Draining;
    }
    if standing.health == Health::Unhealthy {
        return Eligibility::Unhealthy;
    }
    match standing.ejection {
        Some(ejection) if ejection.holds(now) => {
            Eligibility::Ejected { cause: ejection.cause, until: ejection.until }
        }
        _ => Eligibility::Eligible,
    }
}
