//! The one predicate: may this backend get a request, and if not, why not.
//!
//! Selection, logs, and whatever else shows a backend's state all ask here, so that they cannot
//! disagree. Its answer is made of events alone, with one exception that time makes: an ejection
//! whose term is over waits for a probe, and a probe is claimed apart from other requests. So what
//! ordinary requests may use changes only when something happens.

use std::{fmt, time::Instant};

use super::super::event::{DrainedBy, EjectionCause, EjectionEnd};
use super::{Health, Standing};

/// Whether a backend may get a request. Anything but [`Eligibility::Eligible`] is the reason why
/// not; where several hold, the one named is the one that is listed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// Nothing stands in the way.
    Eligible,
    /// Somebody says so.
    Draining(DrainedBy),
    /// Active checks say so.
    Unhealthy,
    /// Its traffic says so.
    Ejected {
        /// What it did.
        cause: EjectionCause,
        /// When that ends.
        until: EjectionEnd,
    },
    /// It has served its time, and one request is to show whether it works.
    HalfOpen {
        /// What it was ejected for.
        cause: EjectionCause,
    },
    /// It has as many requests as it may have at once.
    Full,
}

impl Eligibility {
    /// The word of each, as [`fmt::Display`] writes it.
    pub const WORDS: [&'static str; 6] =
        ["eligible", "draining", "unhealthy", "ejected", "half_open", "full"];

    /// Whether nothing stands in the way.
    #[must_use]
    pub fn is_eligible(&self) -> bool {
        matches!(self, Self::Eligible)
    }

    /// In one word, as logs show it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Eligible => "eligible",
            Self::Draining(_) => "draining",
            Self::Unhealthy => "unhealthy",
            Self::Ejected { .. } => "ejected",
            Self::HalfOpen { .. } => "half_open",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Eligibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the predicate asks about beside the backend's own standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::backend) struct Circumstances {
    /// So many of the pool are unhealthy that health is not asked.
    pub(in crate::backend) panic: bool,
    /// It has as many requests as it may have at once.
    pub(in crate::backend) full: bool,
}

/// The predicate.
pub(in crate::backend) fn of(
    standing: &Standing,
    around: Circumstances,
    now: Instant,
) -> Eligibility {
    if let Some(says) = standing.draining() {
        return Eligibility::Draining(says);
    }
    // What waits for checks to pass would wait for ever where checks are not believed.
    let is_check_void = around.panic && standing.listens;
    if standing.health == Health::Unhealthy && !is_check_void {
        return Eligibility::Unhealthy;
    }
    match standing.ejection {
        Some(ejection) => match ejection.until {
            EjectionEnd::ChecksPass if is_check_void => load(around),
            EjectionEnd::Probe(at) if at <= now => Eligibility::HalfOpen { cause: ejection.cause },
            until => Eligibility::Ejected { cause: ejection.cause, until },
        },
        None => load(around),
    }
}

fn load(around: Circumstances) -> Eligibility {
    if around.full { Eligibility::Full } else { Eligibility::Eligible }
}

/// When a probe may be sent, where that is all that it takes.
pub(in crate::backend) fn probe_at(standing: &Standing) -> Option<Instant> {
    let ejection = standing.ejection.filter(|ejection| ejection.probes == 0)?;
    let EjectionEnd::Probe(at) = ejection.until else { return None };
    let then = of(standing, Circumstances::default(), at);
    matches!(then, Eligibility::HalfOpen { .. }).then_some(at)
}
