//! The refusal of a request: status and reason.

/// The status to answer with, and the reason in words for the client and the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// A status between 400 and 599.
    pub status: u16,
    /// One sentence without a full stop.
    pub why: &'static str,
}

impl Refusal {
    /// A 400 for this reason.
    #[must_use]
    pub const fn bad(why: &'static str) -> Self {
        Self { status: 400, why }
    }
}
