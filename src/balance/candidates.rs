//! The set that the algorithms choose from: positions and weights, in a fixed order.
//!
//! A position counts the eligible backends only, so that algorithms never meet the others. The
//! weights are kept as running sums: a number below their total leads to a position by binary
//! search, so that a draw by weight is cheap among many candidates. If all weights are equal, as in
//! most pools, the number is the position.

/// The number of draws that may hit unwanted candidates before all candidates are walked through.
const DRAWS: usize = 8;

/// The candidates for one pick, immutable.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// By position: the caller's index of the candidate.
    members: Box<[usize]>,
    /// By position: the sum of the weights up to and including this one.
    ends: Box<[u64]>,
    /// The weight of every candidate, if it is the same for all.
    equal: Option<u64>,
}

impl Candidates {
    /// The candidates with these indexes and weights; a weight is at least 1.
    pub(super) fn new(members: impl IntoIterator<Item = (usize, u64)>) -> Self {
        let mut total = 0;
        let (members, ends): (Vec<_>, Vec<_>) = members
            .into_iter()
            .map(|(member, weight)| {
                total += weight;
                (member, total)
            })
            .unzip();
        let mut candidates = Self { members: members.into(), ends: ends.into(), equal: None };
        let first = candidates.weights().next();
        candidates.equal = first.filter(|first| candidates.weights().all(|w| w == *first));
        candidates
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The caller's index of the candidate at this position.
    pub(super) fn member(&self, position: usize) -> usize {
        self.members[position]
    }

    /// The caller's indexes of all candidates, in order.
    pub(super) fn members(&self) -> impl Iterator<Item = usize> {
        self.members.iter().copied()
    }

    pub(super) fn weight(&self, position: usize) -> u64 {
        if let Some(weight) = self.equal {
            return weight;
        }
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.ends[position] - start
    }

    /// The weights, by position.
    pub(super) fn weights(&self) -> impl Iterator<Item = u64> {
        (0..self.len()).map(|position| self.weight(position))
    }

    /// Draws a position by weight; `None` if there is no candidate.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> Option<usize> {
        let total = *self.ends.last()?;
        if self.equal.is_some() {
            return Some(random.usize(0..self.len()));
        }
        let point = random.u64(0..total);
        Some(self.ends.partition_point(|end| *end <= point))
    }

    /// Draws a position among the wanted candidates by weight; `None` if none is wanted.
    ///
    /// The share of the unwanted candidates goes to all the wanted ones, by their weights.
    pub(super) fn draw_among(
        &self,
        random: &mut fastrand::Rng,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        for _ in 0..DRAWS {
            let position = self.draw(random)?;
            if is_wanted(position) {
                return Some(position);
            }
        }
        let wanted: Vec<usize> = (0..self.len()).filter(|position| is_wanted(*position)).collect();
        let rest = Self::new(wanted.into_iter().map(|position| (position, self.weight(position))));
        rest.draw(random).map(|position| rest.member(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighing(weights: &[u64]) -> Candidates {
        Candidates::new(weights.iter().copied().enumerate())
    }

    /// Draws often enough for the counts to show the weights.
    fn counts(candidates: &Candidates, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut counts = vec![0; candidates.len()];
        for _ in 0..10_000 {
            counts[candidates.draw_among(&mut random, &is_wanted).unwrap()] += 1;
        }
        counts
    }

    fn are_near(counts: &[usize], expected: &[usize]) {
        for (count, expected) in counts.iter().zip(expected) {
            assert!(count.abs_diff(*expected) <= 250, "{counts:?}");
            assert!(*expected > 0 || *count == 0, "{counts:?}");
        }
    }

    #[test]
    fn members_and_weights_are_kept_in_order() {
        let candidates = Candidates::new([(2, 5), (7, 1), (9, 3)]);
        assert_eq!(candidates.weights().collect::<Vec<_>>(), [5, 1, 3]);
        assert_eq!(candidates.members().collect::<Vec<_>>(), [2, 7, 9]);
        assert_eq!(candidates.member(1), 7);
    }

    #[test]
    fn a_draw_follows_the_weights() {
        are_near(&counts(&weighing(&[5, 1, 4]), |_| true), &[5_000, 1_000, 4_000]);
    }

    #[test]
    fn a_draw_among_equals_is_even() {
        are_near(&counts(&weighing(&[7, 7, 7, 7]), |p| p != 0), &[0, 3_333, 3_333, 3_333]);
        are_near(&counts(&weighing(&[7, 7]), |_| true), &[5_000, 5_000]);
    }

    #[test]
    fn the_share_of_the_unwanted_goes_to_all_the_others_by_weight() {
        are_near(&counts(&weighing(&[3, 5, 1, 1]), |p| p != 1), &[6_000, 0, 2_000, 2_000]);
    }

    #[test]
    fn the_share_of_a_nearly_sole_owner_goes_to_all_the_others_by_weight() {
        are_near(&counts(&weighing(&[4, 1000, 1]), |p| p != 1), &[8_000, 0, 2_000]);
    }

    #[test]
    fn nothing_is_drawn_from_nothing() {
        let mut random = fastrand::Rng::with_seed(7);
        assert_eq!(weighing(&[]).draw(&mut random), None);
        assert_eq!(weighing(&[]).draw_among(&mut random, |_| true), None);
        assert_eq!(weighing(&[1, 2]).draw_among(&mut random, |_| false), None);
    }
}
