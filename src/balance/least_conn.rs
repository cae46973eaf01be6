//! Least connections: the smallest number of requests in flight for its weight.
//!
//! Up to 64 candidates, all are compared. Those tied for the smallest number take turns by weight,
//! so that an idle pool behaves as with round robin and not as if it had one backend.
//!
//! Above that, comparing all would cost more than the request gains from it. The one whose turn
//! it is by round robin is compared with four that are drawn by weight, and the best of the five
//! is picked. The best of even two draws keeps the fullest backend within a few requests of the
//! average (Mitzenmacher, 2001), and the cost hardly grows with the pool.

use std::cmp::Ordering;

use super::{candidates::Candidates, random::Random, round_robin::Rotation};

/// The most candidates for which the choice is exact: one for each bit of a word.
const EXACT: usize = u64::BITS as usize;
/// The number of candidates that are drawn if not all are compared.
const DRAWN: usize = 4;

/// Picks a position; `None` if no candidate can be picked.
///
/// `active` gives the requests in flight at a position, or `None` if it must not be picked.
pub(super) fn pick(
    candidates: &Candidates,
    rotation: &Rotation,
    random: &Random,
    active: impl Fn(usize) -> Option<usize>,
) -> Option<usize> {
    let load = |position| {
        active(position)
            .map(|active| Load { active: active as u64, weight: candidates.weight(position) })
    };
    if is_exact(candidates.len()) {
        least_of_all(candidates, rotation, random, load)
    } else {
        least_of_some(candidates, rotation, random, load)
    }
}

/// Whether all candidates are compared if there are this many.
pub(super) fn is_exact(candidates: usize) -> bool {
    candidates <= EXACT
}

fn least_of_all(
    candidates: &Candidates,
    rotation: &Rotation,
    random: &Random,
    load: impl Fn(usize) -> Option<Load>,
) -> Option<usize> {
    let mut least: Option<Load> = None;
    let mut tied = 0_u64;
    for position in 0..candidates.len() {
        let Some(load) = load(position) else { continue };
        match least.map_or(Ordering::Less, |least| load.compare(least)) {
            Ordering::Less => (least, tied) = (Some(load), 1 << position),
            Ordering::Equal => tied |= 1 << position,
            Ordering::Greater => {}
        }
    }
    let is_tied = |position: usize| tied >> position & 1 == 1;
    match tied.count_ones() {
        0 => None,
        1 => Some(tied.trailing_zeros() as usize),
        _ => rotation
            .pick_among(is_tied)
            .or_else(|| candidates.draw_among(&mut random.stream(), is_tied)),
    }
}

fn least_of_some(
    candidates: &Candidates,
    rotation: &Rotation,
    random: &Random,
    load: impl Fn(usize) -> Option<Load>,
) -> Option<usize> {
    let mut random = random.stream();
    let mut least: Option<(Load, usize)> = None;
    let mut compare = |position: usize| {
        if let Some(load) = load(position)
            && least.is_none_or(|(least, _)| load.compare(least).is_lt())
        {
            least = Some((load, position));
        }
    };
    rotation.pick().map(&mut compare);
    for _ in 0..DRAWN {
        candidates.draw(&mut random).map(&mut compare);
    }
    match least {
        Some((_, position)) => Some(position),
        None => candidates.draw_among(&mut random, |position| load(position).is_some()),
    }
}

/// A number of requests in flight, and a weight.
#[derive(Debug, Clone, Copy)]
struct Load {
    active: u64,
    weight: u64,
}

impl Load {
    /// Compares `active / weight` without dividing.
    fn compare(self, other: Self) -> Ordering {
        let own = self.active.saturating_mul(other.weight);
        own.cmp(&other.active.saturating_mul(self.weight))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    struct Pool {
        candidates: Candidates,
        rotation: Rotation,
        random: Random,
        active: Vec<Option<usize>>,
    }

    impl Pool {
        fn new(backends: impl IntoIterator<Item = (u64, Option<usize>)>) -> Self {
            let (weights, active): (Vec<u64>, _) = backends.into_iter().unzip();
            Self {
                candidates: Candidates::new(weights.iter().copied().enumerate()),
                rotation: Rotation::starting_at(0, weights),
                random: Random::new(7),
                active,
            }
        }

        fn pick(&self) -> Option<usize> {
            pick(&self.candidates, &self.rotation, &self.random, |position| self.active[position])
        }

        fn picks(&self, count: usize) -> Vec<usize> {
            (0..count).map(|_| self.pick().unwrap()).collect()
        }

        /// Picks for this number of requests; each stays in flight.
        fn fill(&mut self, requests: usize) {
            for _ in 0..requests {
                let picked = self.pick().unwrap();
                *self.active[picked].as_mut().unwrap() += 1;
            }
        }

        fn fullest(&self) -> usize {
            self.active.iter().flatten().copied().max().unwrap()
        }
    }

    #[test]
    fn the_fewest_in_flight_for_its_weight_is_picked() {
        assert_eq!(Pool::new([(1, Some(2)), (1, Some(1)), (1, Some(3))]).pick(), Some(1));
        assert_eq!(Pool::new([(1, Some(2)), (4, Some(7)), (1, Some(3))]).pick(), Some(1));
        assert_eq!(Pool::new([(1, Some(2)), (4, Some(9)), (1, Some(3))]).pick(), Some(0));
    }

    #[test]
    fn an_idle_pool_behaves_as_with_round_robin() {
        let pool = Pool::new([(5, Some(0)), (1, Some(0)), (1, Some(0))]);
        assert_eq!(pool.picks(7), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_large_idle_pool_behaves_as_with_round_robin() {
        let pool = Pool::new((0..100).map(|_| (1, Some(0))));
        assert_eq!(pool.picks(100), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_tied_take_turns_while_another_is_busy() {
        let pool = Pool::new([(1, Some(9)), (1, Some(0)), (1, Some(0))]);
        assert_eq!(pool.picks(6), [1, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn the_tied_get_their_turns_beside_a_heavy_one_that_is_busy() {
        let pool = Pool::new([(1000, Some(9000)), (1, Some(0)), (1, Some(0))]);
        let picks = pool.picks(1000);
        let first = picks.iter().filter(|picked| **picked == 1).count();
        assert!((400..=600).contains(&first) && !picks.contains(&0), "{first}");
    }

    #[test]
    fn a_backend_that_must_not_be_picked_is_not_picked_however_idle() {
        assert_eq!(Pool::new([(1, None), (1, Some(5)), (1, None)]).pick(), Some(1));
        assert_eq!(Pool::new([(1, None), (1, None)]).pick(), None);
        assert_eq!(Pool::new([]).pick(), None);
    }

    #[test]
    fn the_last_one_left_of_a_large_pool_is_found() {
        let pool = Pool::new((0..1000).map(|position| (1, (position == 777).then_some(5))));
        assert_eq!(pool.pick(), Some(777));
        assert_eq!(Pool::new((0..1000).map(|_| (1, None))).pick(), None);
    }

    #[test]
    fn a_large_pool_fills_evenly() {
        let mut pool = Pool::new((0..1000).map(|_| (1, Some(0))));
        pool.fill(10_000);
        assert!(pool.fullest() <= 12, "{}", pool.fullest());
    }

    #[test]
    fn a_large_pool_spares_busy_backends() {
        let pool = Pool::new((0..1000).map(|position| (1, Some(usize::from(position < 500) * 9))));
        let busy = pool.picks(10_000).into_iter().filter(|picked| *picked < 500).count();
        assert!(busy < 500, "{busy}");
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn up_to_64_no_backend_is_less_loaded_than_the_picked_one(
            backends in vec((1_u64..=1000, prop::option::of(0_usize..50)), 1..=64),
        ) {
            let load = |(weight, active): (u64, Option<usize>)| {
                active.map(|active| active as f64 / weight as f64)
            };
            let pool = Pool::new(backends.clone());
            let least = backends.iter().filter_map(|backend| load(*backend)).reduce(f64::min);
            for _ in 0..5 {
                prop_assert_eq!(pool.pick().and_then(|picked| load(backends[picked])), least);
            }
        }

        #[test]
        fn requests_that_stay_spread_by_weight(weights in vec(1_u64..=20, 1..=64)) {
            let mut pool = Pool::new(weights.iter().map(|weight| (*weight, Some(0))));
            let total = weights.iter().sum::<u64>();
            pool.fill(usize::try_from(total).unwrap() * 3);
            for (weight, active) in weights.iter().zip(&pool.active) {
                let fair = weight * 3;
                prop_assert!((active.unwrap() as u64).abs_diff(fair) <= 1, "{:?}", pool.active);
            }
        }
    }
}
