//! Smooth weighted round robin, without a lock.
//!
//! Plain weighted round robin gives a heavy backend its whole weight in a row, and the burst hits
//! one machine. In the smooth variant (nginx, 2012) every backend earns its weight each turn; the
//! richest is picked (the first of the list among equals) and pays the sum of all weights. Over a
//! cycle of that many turns, each is picked exactly as often as its weight.
//!
//! nginx stores the credit of each backend, under a lock. Two observations save both:
//!
//! - After `t` turns a backend that was picked `n` times holds `weight · t − total · n`. So the
//!   counts of picks are enough, and a pick is one atomic addition.
//! - Among backends of equal weight the richest is the one picked least, first of the list among
//!   equals: they simply take turns. So one counter for each *distinct* weight is enough, and if
//!   all weights are equal, as in most pools, a pick is that one addition.
//!
//! Between reading the counters and adding to one, other threads may have picked. Then the pick is
//! not what nginx would have chosen, but it is counted, so the next ones make up for it: each
//! thread can be off by the one pick that it is about to make.
//!
//! A pick costs one step for each distinct weight, and memory one word for each backend.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// The most steps that a start in the middle of a cycle may cost.
const START_STEPS: u64 = 4096;
/// The most turns that [`Rotation::pick_among`] takes to find a wanted one.
const PATIENCE: usize = 64;

/// The turns among a fixed list.
#[derive(Debug, Clone, Default)]
pub(super) struct Rotation {
    groups: Box<[Group]>,
    /// The sum of all weights.
    total: u64,
}

impl Rotation {
    /// A rotation over these weights, each at least 1, as if `turn` turns had been taken: a
    /// rotation that replaces another goes on where that one stopped, so that frequent changes do
    /// not favour the first of the list.
    ///
    /// In a long cycle of mixed weights the turn is reduced to one that is cheap to reach.
    pub(super) fn starting_at(turn: u64, weights: impl IntoIterator<Item = u64>) -> Self {
        let mut positions: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (position, weight) in weights.into_iter().enumerate() {
            positions.entry(weight).or_default().push(position);
        }
        let groups: Box<[Group]> =
            positions.into_iter().map(|(weight, members)| Group::new(weight, members)).collect();
        let total = groups.iter().map(|group| group.weight * group.size()).sum();
        let rotation = Self { groups, total };
        rotation.advance_to(turn);
        rotation
    }

    fn advance_to(&self, turn: u64) {
        match &*self.groups {
            [] => {}
            [all] => all.picks.store(turn % all.size(), Ordering::Relaxed),
            many => {
                let affordable = START_STEPS / many.len() as u64 + 1;
                for _ in 0..turn % self.total.min(affordable) {
                    self.pick();
                }
            }
        }
    }

    /// The number of turns taken so far.
    pub(super) fn turn(&self) -> u64 {
        self.groups.iter().map(Group::picks).sum()
    }

    /// Takes a turn and returns its position; `None` if the list is empty.
    pub(super) fn pick(&self) -> Option<usize> {
        match &*self.groups {
            [] => None,
            [all] => Some(all.take()),
            many => self.richest(many).map(Group::take),
        }
    }

    /// Takes turns until a wanted position has one, so that the wanted ones share by weight, evenly
    /// spread. `None` if that would take too long.
    pub(super) fn pick_among(&self, is_wanted: impl Fn(usize) -> bool) -> Option<usize> {
        (0..PATIENCE).map_while(|_| self.pick()).find(|position| is_wanted(*position))
    }

    fn richest<'a>(&self, groups: &'a [Group]) -> Option<&'a Group> {
        let turn = self.turn() + 1;
        let mut richest: Option<(i64, &Group)> = None;
        for group in groups {
            let credit = group.credit(turn, self.total);
            let is_richer = richest.is_none_or(|(most, other)| {
                credit > most || (credit == most && group.next() < other.next())
            });
            if is_richer {
                richest = Some((credit, group));
            }
        }
        richest.map(|(_, group)| group)
    }
}

/// The backends of one weight, which take turns.
#[derive(Debug)]
struct Group {
    weight: u64,
    /// Positions, ascending; never empty.
    members: Box<[usize]>,
    /// The picks of all members together.
    picks: AtomicU64,
}

impl Clone for Group {
    fn clone(&self) -> Self {
        let picks = AtomicU64::new(self.picks());
        Self { weight: self.weight, members: self.members.clone(), picks }
    }
}

impl Group {
    fn new(weight: u64, members: Vec<usize>) -> Self {
        Self { weight, members: members.into(), picks: AtomicU64::new(0) }
    }

    fn size(&self) -> u64 {
        self.members.len() as u64
    }

    fn picks(&self) -> u64 {
        self.picks.load(Ordering::Relaxed)
    }

    /// The credit of the next member at this turn. The products may wrap; their difference is
    /// small, so it is right even then.
    fn credit(&self, turn: u64, total: u64) -> i64 {
        let rounds = self.picks() / self.size();
        self.weight.wrapping_mul(turn).wrapping_sub(total.wrapping_mul(rounds)).cast_signed()
    }

    fn next(&self) -> usize {
        self.member(self.picks())
    }

    fn take(&self) -> usize {
        self.member(self.picks.fetch_add(1, Ordering::Relaxed))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a length")]
    fn member(&self, pick: u64) -> usize {
        self.members[(pick % self.size()) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn rotation(weights: &[u64]) -> Rotation {
        Rotation::starting_at(0, weights.iter().copied())
    }

    fn picks(rotation: &Rotation, count: u64) -> Vec<usize> {
        (0..count).map(|_| rotation.pick().unwrap()).collect()
    }

    fn counts(picks: &[usize], len: usize) -> Vec<u64> {
        let mut counts = vec![0; len];
        for pick in picks {
            counts[*pick] += 1;
        }
        counts
    }

    /// The algorithm as nginx has it.
    fn nginx(weights: &[u64], count: u64) -> Vec<usize> {
        let weights: Vec<i64> = weights.iter().map(|weight| weight.cast_signed()).collect();
        let total: i64 = weights.iter().sum();
        let mut current = vec![0; weights.len()];
        let mut picks = vec![];
        for _ in 0..count {
            let mut best = 0;
            for (index, weight) in weights.iter().enumerate() {
                current[index] += weight;
                if current[index] > current[best] {
                    best = index;
                }
            }
            current[best] -= total;
            picks.push(best);
        }
        picks
    }

    #[test]
    fn weights_five_one_one_give_a_a_b_a_c_a_a() {
        let rotation = rotation(&[5, 1, 1]);
        for _ in 0..3 {
            assert_eq!(picks(&rotation, 7), [0, 0, 1, 0, 2, 0, 0]);
        }
    }

    #[test]
    fn equal_weights_of_any_size_take_turns() {
        assert_eq!(picks(&rotation(&[9, 9, 9]), 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn an_empty_list_has_no_turns() {
        assert_eq!(rotation(&[]).pick(), None);
        assert_eq!(rotation(&[]).pick_among(|_| true), None);
    }

    #[test]
    fn the_wanted_share_by_weight_evenly_spread() {
        let rotation = rotation(&[1, 1, 1, 1]);
        let picks: Vec<_> = (0..6).map(|_| rotation.pick_among(|p| p > 1).unwrap()).collect();
        assert_eq!(picks, [2, 3, 2, 3, 2, 3]);
    }

    #[test]
    fn waiting_for_the_wanted_ends() {
        assert_eq!(rotation(&[1000, 1]).pick_among(|_| false), None);
    }

    #[test]
    fn memory_grows_with_the_list_and_not_with_the_weights() {
        let rotation = rotation(&[1000, 999, 1000, 1]);
        let slots: usize = rotation.groups.iter().map(|group| group.members.len()).sum();
        assert_eq!((slots, rotation.groups.len()), (4, 3));
    }

    #[test]
    fn starting_late_in_a_long_cycle_is_cheap_and_still_exact() {
        let weights: Vec<u64> = (1..=100).collect();
        let rotation = Rotation::starting_at(u64::MAX / 2, weights.iter().copied());
        assert!(rotation.turn() <= START_STEPS);
        let total = weights.iter().sum();
        assert_eq!(counts(&picks(&rotation, total), weights.len()), weights);
    }

    #[test]
    fn threads_together_are_off_by_at_most_one_each() {
        const THREADS: u64 = 4;
        const CYCLES: u64 = 2_000;
        for weights in [&[1, 1, 1][..], &[5, 1, 1], &[7, 3, 3, 2, 1], &[1, 2, 3, 4]] {
            let rotation = rotation(weights);
            let total: u64 = weights.iter().sum();
            let picks: Vec<usize> = thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| scope.spawn(|| picks(&rotation, total * CYCLES / THREADS)))
                    .collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            let cycles = picks.len() as u64 / total;
            for (count, weight) in counts(&picks, weights.len()).into_iter().zip(weights) {
                assert!(count.abs_diff(weight * cycles) <= THREADS, "{weights:?} {count}");
            }
        }
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn any_weights_give_the_sequence_of_nginx(weights in vec(1_u64..=12, 1..12)) {
            let count = 3 * weights.iter().sum::<u64>();
            prop_assert_eq!(picks(&rotation(&weights), count), nginx(&weights, count));
        }

        #[test]
        fn large_weights_give_the_sequence_of_nginx(weights in vec(1_u64..=1000, 1..8)) {
            prop_assert_eq!(picks(&rotation(&weights), 2_000), nginx(&weights, 2_000));
        }

        #[test]
        fn any_window_of_a_cycle_is_exact(
            weights in vec(1_u64..=50, 1..20),
            turn in 0_u64..10_000,
        ) {
            let rotation = Rotation::starting_at(turn, weights.iter().copied());
            let cycle = picks(&rotation, weights.iter().sum());
            prop_assert_eq!(counts(&cycle, weights.len()), weights);
        }

        #[test]
        fn a_rotation_that_replaces_another_goes_on_where_that_stopped(
            weights in vec(1_u64..=9, 1..9),
            turn in 0_u64..200,
        ) {
            let old = rotation(&weights);
            picks(&old, turn);
            let new = Rotation::starting_at(old.turn(), weights.iter().copied());
            prop_assert_eq!(picks(&old, 50), picks(&new, 50));
        }
    }
}
