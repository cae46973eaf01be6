//! The rules by which a backend's checks and traffic are judged.

use crate::config::{EjectionRules, Percent};

/// The rules of a pool, from its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Passes in a row that bring a backend back.
    pub rise: u32,
    /// Failures in a row that take it out.
    pub fall: u32,
    /// Whether active checks run at all.
    pub checked: bool,
    /// When traffic takes a backend out; `None` when only a refused connection does.
    pub ejection: Option<EjectionRules>,
    /// Above this share of unhealthy backends, health is not asked.
    pub panic_threshold: Option<Percent>,
}
