//! The one predicate: may this backend get a request, and if not, why not.
//!
//! Selection, logs, and every view of a backend's state all ask here, so that they cannot disagree.
//! The result depends on events alone, with one exception: an ejection whose term is over waits for
//! a probe, and a probe is claimed apart from other requests. So the set of backends for ordinary
//! requests changes only by events.

use std::{fmt, time::Instant};

use super::super::event::{DrainedBy, EjectionCause, EjectionEnd};
use super::{Health, Standing};

/// Whether a backend may get a request. Anything but [`Eligibility::Eligible`] is the reason why
/// not; if several hold, the first one in this list is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// It may get requests.
    Eligible,
    /// It is drained, by the configuration or by an operator.
    Draining(DrainedBy),
    /// Active checks fail.
    Unhealthy,
    /// Its traffic, or an operator, has ejected it.
    Ejected {
        /// The cause of the ejection.
        cause: EjectionCause,
        /// When the ejection ends.
        until: EjectionEnd,
    },
    /// Its ejection term is over, and a probe must show whether it works.
    HalfOpen {
        /// The cause of the ejection.
        cause: EjectionCause,
    },
    /// It has `max_connections` requests.
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

    /// The state in one word, as logs show it.
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

/// The facts that the predicate needs beside the backend's own standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::backend) struct Circumstances {
    /// Whether the pool panics, so that health is ignored.
    pub(in crate::backend) panic: bool,
    /// It has `max_connections` requests.
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
    // A backend that waits for checks to pass would wait for ever if checks are not believed.
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

/// When a probe may be sent, if nothing else keeps the backend out.
pub(in crate::backend) fn probe_at(standing: &Standing) -> Option<Instant> {
    let ejection = standing.ejection.filter(|ejection| ejection.probes == 0)?;
    let EjectionEnd::Probe(at) = ejection.until else { return None };
    let then = of(standing, Circumstances::default(), at);
    matches!(then, Eligibility::HalfOpen { .. }).then_some(at)
}
