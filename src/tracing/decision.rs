//! Whether a request is recorded: a caller's decision where it is followed, else a share.
//!
//! A trace with holes is worth little, so that a caller's decision outweighs the share in both
//! directions. The share is not taken from the trace's id, as libraries do so that all services of a
//! trace decide alike: here it decides only for traces that begin, and for callers that are not followed,
//! who could choose an id that is always recorded.

use crate::config::{SampledParent, Share};

/// Whether the decision of a caller is followed.
pub(super) fn follows(parent: SampledParent, is_trusted: bool) -> bool {
    match parent {
        SampledParent::Any => true,
        SampledParent::Trusted => is_trusted,
        SampledParent::None => false,
    }
}

/// Whether a request is recorded, given the decision of a caller that is followed. `draw` returns a random
/// number below [`Share::WHOLE`], and is asked only if it matters.
pub(super) fn is_recorded(caller: Option<bool>, share: Share, draw: impl FnOnce() -> u32) -> bool {
    caller.unwrap_or_else(|| share == Share::ALL || draw() < share.millionths())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_followed_as_configured() {
        let of = |parent| [false, true].map(|is_trusted| follows(parent, is_trusted));
        assert_eq!(of(SampledParent::Any), [true, true]);
        assert_eq!(of(SampledParent::Trusted), [false, true]);
        assert_eq!(of(SampledParent::None), [false, false]);
    }

    #[test]
    fn a_caller_outweighs_the_share_in_both_directions() {
        let none = Share::of_million(0).unwrap();
        assert!(is_recorded(Some(true), none, || 0));
        assert!(!is_recorded(Some(false), Share::ALL, || 0));
        assert!(!is_recorded(None, none, || 0));
        assert!(is_recorded(None, Share::ALL, || unreachable!("nothing to decide")));
    }

    #[test]
    fn a_share_of_the_draws_is_recorded() {
        for millionths in [1, 10_000, 999_999] {
            let share = Share::of_million(millionths).unwrap();
            let recorded = (0..Share::WHOLE).filter(|draw| is_recorded(None, share, || *draw));
            assert_eq!(recorded.count(), millionths as usize);
        }
    }
}
