//! How long an attempt may take to its first byte, learned from the pool's usual times.
//!
//! The limit is a generous multiple of the 99th percentile of the first-byte times. That is
//! estimated with DUMIQE (Yazidi and Hammer, "Multiplicative Update Methods for Incremental
//! Quantile Estimation", IEEE Transactions on Cybernetics, 2017): a sample above the estimate
//! moves it up by a factor, a sample below moves it down by a factor that is 99 times weaker, and
//! where one sample in a hundred is above, it stays. No samples are kept, and it forgets.
//!
//! An attempt that was given up counts as a sample above the estimate, if its backend is still in
//! service then. So one backend that hangs moves the estimate little before it is ejected, and not
//! at all afterwards, however many attempts were under way; when the whole pool becomes slow, the
//! limit grows until answers come again. It must not grow with the wait itself, or the backends
//! that hang would set the limit that is meant for them.
//!
//! DUMIQE alone needs thousands of samples to converge from a distant estimate, and distant
//! estimates are common: at the start, when the first answers are slow because of cold caches and
//! new connections, and after a change. So two things are added. The first [`WARM_UP`] samples
//! count with their size: the estimate is the longest of them. And after [`SURE`] samples in a row
//! below the estimate it cannot be the 99th percentile, so it falls faster.

use std::time::Duration;

use crate::count::PackedWord;

/// The share of samples below the estimate.
const PART: f32 = 0.99;
/// The factor by which one sample moves the estimate; the estimate of a steady pool is off by about
/// a tenth.
const STEP: f32 = 0.05;
/// How many times faster the estimate falls if it is surely too high.
const HASTE: f32 = 20.0;
/// The number of samples that count with their size. The longest of them is about the 99th
/// percentile, and a slow kind of answer that is one in fifty is among them in 98 of 100 cases.
const WARM_UP: u16 = 200;
/// The number of samples in a row below the estimate from which on it is taken to be too high; a
/// row this long below the true 99th percentile has a chance of one in 150.
const SURE: u16 = 500;

/// How much longer than nearly all answers an answer may take.
const GENEROSITY: u32 = 4;
/// The shortest limit: a shorter one would catch pauses of a scheduler or a garbage collector
/// rather than hung backends.
const FLOOR: Duration = Duration::from_millis(100);
/// The shortest limit while there are few samples.
const EARLY_FLOOR: Duration = Duration::from_millis(500);
/// The number of samples below which there are few: too few to know the longest in a hundred.
const EARLY: u16 = 100;
/// The longest limit: the default of the fixed one, so that a learned limit is never longer than
/// that.
const CEILING: Duration = Duration::from_secs(60);

/// The learned limit of one pool. Shared without a lock.
#[derive(Debug, Default)]
pub struct Quantile {
    word: PackedWord,
}

impl Quantile {
    /// Notes that an answer began after this long.
    pub fn observe(&self, sample: Duration) {
        let micros = micros(sample);
        self.update(|estimate| estimate.with(micros));
    }

    /// Notes that an attempt was given up, because no answer had begun at the limit, on a backend
    /// that is still in service.
    pub fn late(&self) {
        self.update(Estimate::raised);
    }

    /// How long an attempt may take to its first byte: from 100 ms to 60 s.
    #[must_use]
    pub fn limit(&self) -> Duration {
        let estimate = Estimate::from_word(self.word.get());
        let floor = if estimate.seen < EARLY { EARLY_FLOOR } else { FLOOR };
        let usual = Duration::from_secs_f32(estimate.micros / 1e6);
        (usual * GENEROSITY).clamp(floor, CEILING)
    }

    /// The state for the next process: the 99th percentile in microseconds, and the number of
    /// samples.
    #[must_use]
    pub fn remember(&self) -> (f32, u16) {
        let estimate = Estimate::from_word(self.word.get());
        (estimate.micros, estimate.seen)
    }

    /// Goes on from the result of [`Quantile::remember`] in another process. The values are not
    /// trusted; anything that is not a time is ignored.
    pub fn recall(&self, (told, seen): (f32, u16)) {
        if !told.is_finite() {
            return;
        }
        let micros = told.clamp(0.0, micros(CEILING / GENEROSITY));
        let estimate = Estimate { micros, seen: seen.min(WARM_UP), below: 0 };
        self.word.set(estimate.to_word());
    }

    fn update(&self, change: impl Fn(Estimate) -> Estimate) {
        self.word.update(|word| Some(change(Estimate::from_word(word)).to_word()));
    }
}

fn micros(sample: Duration) -> f32 {
    sample.as_secs_f32() * 1e6
}

/// The contents of the word.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Estimate {
    /// The 99th percentile.
    micros: f32,
    /// The number of samples, counted up to [`WARM_UP`].
    seen: u16,
    /// The length of the current row of samples that were not above it.
    below: u16,
}

impl Estimate {
    fn from_word(word: u64) -> Self {
        let [value, seen, below] = [(word >> 32) as u32, (word >> 16) as u32, word as u32];
        Self { micros: f32::from_bits(value), seen: seen as u16, below: below as u16 }
    }

    fn to_word(self) -> u64 {
        let counts = u64::from(self.seen) << 16 | u64::from(self.below);
        u64::from(self.micros.to_bits()) << 32 | counts
    }

    fn with(self, micros: f32) -> Self {
        if self.seen < WARM_UP {
            Self { micros: self.micros.max(micros), ..self }.counted()
        } else if micros > self.micros {
            self.raised()
        } else {
            self.lowered()
        }
    }

    fn raised(self) -> Self {
        // Without samples it starts at the value from which on the limit is the learned one. From
        // zero, a pool that answers nothing would never get there.
        let base = if self.seen == 0 { micros(EARLY_FLOOR / GENEROSITY) } else { self.micros };
        Self { micros: base * (1.0 + STEP * PART), below: 0, ..self }.counted()
    }

    fn lowered(self) -> Self {
        let haste = if self.below < SURE { 1.0 } else { HASTE };
        let micros = self.micros * (1.0 - haste * STEP * (1.0 - PART));
        Self { micros, below: self.below.saturating_add(1), ..self }.counted()
    }

    /// Clamps the estimate to values that can become a limit, so that the way back is not longer
    /// than necessary.
    fn counted(self) -> Self {
        let micros = self.micros.clamp(1.0, micros(CEILING / GENEROSITY));
        Self { micros, seen: self.seen.saturating_add(1).min(WARM_UP), ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    /// First-byte times, in milliseconds.
    #[derive(Debug, Clone, Copy)]
    enum Times {
        Constant,
        Exponential,
        LogNormal,
        /// One in fifty takes fifty times as long.
        Bimodal,
    }

    const ALL: [Times; 4] = [Times::Constant, Times::Exponential, Times::LogNormal, Times::Bimodal];

    impl Times {
        /// The time that a number from 0 to 1 stands for, the shortest for 0.
        fn at(self, part: f64, random: &mut fastrand::Rng) -> f64 {
            match self {
                Self::Constant => 20.0,
                Self::Exponential => -50.0 * (1.0 - part).ln(),
                // A sum of twelve uniform numbers is nearly normal.
                Self::LogNormal => 30.0 * ((0..12).map(|_| random.f64()).sum::<f64>() - 6.0).exp(),
                Self::Bimodal if part < 0.98 => 20.0,
                Self::Bimodal => 1_000.0,
            }
        }

        fn p99(self) -> f64 {
            match self {
                Self::Constant => 20.0,
                Self::Exponential => 50.0 * 100_f64.ln(),
                Self::LogNormal => 30.0 * 2.326_f64.exp(),
                Self::Bimodal => 1_000.0,
            }
        }
    }

    struct Fixture {
        quantile: Quantile,
        random: fastrand::Rng,
        times: Times,
        slower: f64,
    }

    impl Fixture {
        fn new(times: Times, seed: u64) -> Self {
            let random = fastrand::Rng::with_seed(seed);
            Self { quantile: Quantile::default(), random, times, slower: 1.0 }
        }

        fn observe(&mut self, samples: usize) {
            for _ in 0..samples {
                let part = self.random.f64();
                let millis = self.slower * self.times.at(part, &mut self.random);
                self.quantile.observe(Duration::from_secs_f64(millis / 1e3));
            }
        }

        /// The learned limit divided by the true one.
        fn error(&self) -> f64 {
            let estimate = Estimate::from_word(self.quantile.word.get());
            f64::from(estimate.micros) / 1e3 / (self.times.p99() * self.slower)
        }

        fn is_near(&self) -> bool {
            (0.5..=2.0).contains(&self.error())
        }

        /// Adds samples until the estimate is near; returns their number.
        fn settle(&mut self) -> usize {
            let mut needed = 0;
            while !self.is_near() {
                self.observe(10);
                needed += 10;
                assert!(needed < 100_000, "{:?}: {}", self.times, self.error());
            }
            needed
        }
    }

    fn of(samples: usize, millis: u64) -> Quantile {
        let quantile = Quantile::default();
        (0..samples).for_each(|_| quantile.observe(Duration::from_millis(millis)));
        quantile
    }

    fn lates_to_ceiling(quantile: &Quantile) -> usize {
        (0..1_000).take_while(|_| quantile.limit() < CEILING).map(|_| quantile.late()).count()
    }

    #[test]
    fn it_is_four_times_the_99th_percentile() {
        let limit = of(1_000, 200).limit().as_secs_f64();
        assert!((0.75..=0.9).contains(&limit), "{limit}");
    }

    #[test]
    fn it_stays_between_its_floor_and_its_ceiling() {
        assert_eq!(of(10_000, 0).limit(), FLOOR);
        assert_eq!(of(10_000, 1).limit(), FLOOR);
        assert_eq!(of(10_000, 3_600_000).limit(), CEILING);
    }

    #[test]
    fn until_a_hundred_samples_it_is_at_least_half_a_second() {
        assert_eq!(Quantile::default().limit(), EARLY_FLOOR);
        assert_eq!(of(99, 1).limit(), EARLY_FLOOR);
        assert_eq!(of(100, 1).limit(), FLOOR);
        assert_eq!(of(1, 1_000).limit(), Duration::from_secs(4));
    }

    #[test]
    fn a_hundred_samples_are_enough_to_be_near() {
        for times in [Times::Constant, Times::Exponential] {
            let mut fixture = Fixture::new(times, 7);
            fixture.observe(100);
            assert!(fixture.is_near(), "{times:?}: {}", fixture.error());
        }
    }

    #[test]
    fn slow_first_answers_are_forgotten() {
        let mut fixture = Fixture::new(Times::Constant, 7);
        fixture.quantile.observe(Duration::from_secs(10));
        let needed = fixture.settle();
        assert!(needed <= WARM_UP as usize + SURE as usize + 650, "{needed}");
    }

    #[test]
    fn it_follows_when_the_pool_becomes_ten_times_faster() {
        for times in ALL {
            let mut fixture = Fixture::new(times, 7);
            fixture.observe(3_000);
            fixture.slower = 0.1;
            let needed = fixture.settle();
            assert!(needed <= 1_000, "{times:?}: {needed}");
        }
    }

    #[test]
    fn it_follows_when_the_pool_becomes_ten_times_slower() {
        // Of the bimodal times, only one in fifty is above the estimate for most of the way.
        let most = [(Times::Exponential, 250), (Times::LogNormal, 500), (Times::Bimodal, 7_000)];
        for (times, most) in most {
            let mut fixture = Fixture::new(times, 7);
            fixture.observe(3_000);
            fixture.slower = 10.0;
            let needed = fixture.settle();
            assert!(needed <= most, "{times:?}: {needed}");
        }
    }

    #[test]
    fn attempts_that_are_given_up_raise_it_to_the_ceiling() {
        assert!(lates_to_ceiling(&of(10_000, 2)) <= 250);
        assert!(lates_to_ceiling(&Quantile::default()) <= 100);
    }

    #[test]
    fn a_backend_that_hangs_for_a_moment_moves_it_little() {
        let quantile = of(1_000, 2);
        (0..32).for_each(|_| quantile.late());
        assert_eq!(quantile.limit(), FLOOR);
        let slower = of(1_000, 50);
        (0..5).for_each(|_| slower.late());
        assert!(slower.limit() < Duration::from_millis(300), "{:?}", slower.limit());
    }

    #[test]
    fn a_pool_that_recovers_comes_down_from_the_ceiling() {
        let quantile = of(1_000, 2);
        (0..10_000).for_each(|_| quantile.late());
        (0..1_500).for_each(|_| quantile.observe(Duration::from_millis(2)));
        assert_eq!(quantile.limit(), FLOOR);
    }

    #[test]
    fn threads_share_it() {
        let quantile = Quantile::default();
        thread::scope(|scope| {
            for seed in 0..2 {
                let quantile = &quantile;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..20_000 {
                        quantile.observe(Duration::from_micros(random.u64(50_000..150_000)));
                    }
                });
            }
        });
        let limit = quantile.limit();
        let range = Duration::from_millis(500)..=Duration::from_millis(700);
        assert!(range.contains(&limit), "{limit:?}");
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn after_two_thousand_samples_it_is_within_a_factor_of_two(seed in any::<u64>()) {
            for times in [Times::Constant, Times::Exponential, Times::LogNormal] {
                let mut fixture = Fixture::new(times, seed);
                fixture.observe(2_000);
                prop_assert!(fixture.is_near(), "{:?}: {}", times, fixture.error());
            }
        }

        #[test]
        fn a_slow_kind_of_answer_is_included_once_it_was_seen(seed in any::<u64>()) {
            let mut fixture = Fixture::new(Times::Bimodal, seed);
            fixture.quantile.observe(Duration::from_secs(1));
            fixture.observe(2_000);
            prop_assert!(fixture.is_near(), "{}", fixture.error());
        }

        #[test]
        fn the_limit_is_always_within_its_bounds(
            events in prop::collection::vec(prop::option::of(0_u64..100_000_000), 0..600),
        ) {
            let quantile = Quantile::default();
            for event in events {
                match event {
                    Some(micros) => quantile.observe(Duration::from_micros(micros)),
                    None => quantile.late(),
                }
                prop_assert!((FLOOR..=CEILING).contains(&quantile.limit()));
            }
        }

        #[test]
        fn any_recalled_state_keeps_the_limit_within_its_bounds(
            told in prop::num::f32::ANY,
            seen in any::<u16>(),
            sample in any::<u32>(),
        ) {
            let quantile = Quantile::default();
            quantile.recall((told, seen));
            prop_assert!((FLOOR..=CEILING).contains(&quantile.limit()));
            quantile.observe(Duration::from_micros(sample.into()));
            quantile.late();
            prop_assert!((FLOOR..=CEILING).contains(&quantile.limit()));
            prop_assert!(quantile.remember().0.is_finite());
        }

        #[test]
        fn a_word_is_read_back_unchanged(
            micros in 1.0_f32..1e9,
            seen in any::<u16>(),
            below in any::<u16>(),
        ) {
            let estimate = Estimate { micros, seen, below };
            prop_assert_eq!(Estimate::from_word(estimate.to_word()), estimate);
        }
    }
}
