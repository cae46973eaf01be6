//! How long a backend takes to the first byte of its answer: one word that many threads write.
//!
//! The estimate is a peak-EWMA, as in Finagle and linkerd. A longer sample replaces it at once,
//! because a backend that has become slow must not get the requests that an average would still
//! send there; shorter samples pull it down with time. A mean over samples would forget faster
//! the more requests there are; this one forgets by the clock.
//!
//! Without samples the estimate decays all the same. A backend that is spared because it was slow
//! looks better and better until it is tried again, and one request shows whether it recovered. A
//! guess does not decay: without a measurement it does not become better by waiting, and after a
//! quiet night it would draw all requests at once.
//!
//! A backend that fails fast must look slow. A failure multiplies the estimate, so that a single
//! one keeps a fast backend away for less than a minute, and a backend that goes on failing soon
//! gets hardly any requests.
//!
//! Value and time are read and written together, so one word holds both: the estimate in
//! microseconds, and when it was made, in milliseconds after the start. Shorter samples change
//! nothing within a millisecond, so the word is rarely written, however many requests there are.

use std::time::{Duration, Instant};

use crate::count::PackedWord;

/// After this many milliseconds without a sample, 1/e of an estimate is left, as in linkerd.
const DECAY_MILLIS: f32 = 10_000.0;
/// No estimate decays for longer than this, so that after a night without requests a slow backend
/// still differs from a fast one.
const LONGEST_DECAY_MILLIS: u32 = 100_000;
/// A failure counts as this multiple of the expected time.
const FAILURE_FACTOR: f32 = 10.0;
/// A failure counts as at least this long, so that it stands out however fast the backend is.
const LEAST_FAILURE: Duration = Duration::from_millis(100);
/// A failure counts as at most this long, unless the wait was longer: this is longer than nearly
/// any answer, and short enough that the backend is tried again within a minute or two.
const MOST_FAILURE: Duration = Duration::from_secs(5);
/// The word of a backend without an estimate.
const UNMEASURED: u64 = 0;
/// The shortest estimate, in microseconds; so that no estimate looks like [`UNMEASURED`].
const SHORTEST: f32 = 1.0;
/// The longest estimate that is recalled, in microseconds: an hour, beyond every time limit.
const LONGEST: f32 = 3.6e9;

/// The expected time to the first byte, learned from samples. Shared without a lock.
#[derive(Debug)]
pub struct Latency {
    word: PackedWord,
    start: Instant,
}

impl Latency {
    /// A latency without an estimate. Instants are counted from `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { word: PackedWord::new(UNMEASURED), start }
    }

    /// Notes that an answer began after this long.
    pub fn observe(&self, sample: Duration, now: Instant) {
        let (sample, stamp) = (micros(sample), self.stamp(now));
        self.update(|known| {
            Some(known.map_or(Estimate::measured(sample, stamp), |known| known.with(sample, stamp)))
        });
    }

    /// Notes that an attempt failed after this long. It counts as an answer that took ten times the
    /// expected time, but at least 100 ms and at most 5 s; or as long as the wait, if that was
    /// longer.
    pub fn failed(&self, waited: Duration, now: Instant) {
        let (waited, stamp) = (micros(waited), self.stamp(now));
        self.update(|known| {
            let expected = known.map_or(0.0, |known| known.at(stamp));
            let sample = failure(expected).max(waited);
            Some(known.map_or(Estimate::measured(sample, stamp), |known| known.with(sample, stamp)))
        });
    }

    /// The expected time to the first byte in microseconds, above 0; `None` if there is no
    /// estimate.
    #[must_use]
    pub fn estimate(&self, now: Instant) -> Option<f32> {
        Some(self.known()?.at(self.stamp(now)))
    }

    /// Whether the estimate rests on a sample, and not on a guess.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.known().is_some_and(|known| !known.assumed)
    }

    /// Assumes this estimate, in microseconds, until the first sample; does nothing if there is an
    /// estimate.
    pub fn assume(&self, micros: f32) {
        let assumed = Estimate { micros: micros.max(SHORTEST), stamp: 0, assumed: true };
        self.word.update(|word| (word == UNMEASURED).then(|| assumed.to_word()));
    }

    /// Goes on from an estimate in microseconds that another process has measured. The value is not
    /// trusted; anything that is not a time is ignored.
    pub fn recall(&self, micros: f32, now: Instant) {
        if !micros.is_finite() {
            return;
        }
        let recalled = Estimate::measured(micros.clamp(SHORTEST, LONGEST), self.stamp(now));
        self.word.set(recalled.to_word());
    }

    /// Forgets the estimate.
    pub fn forget(&self) {
        self.word.set(UNMEASURED);
    }

    fn known(&self) -> Option<Estimate> {
        Estimate::from_word(self.word.get())
    }

    fn update(&self, change: impl Fn(Option<Estimate>) -> Option<Estimate>) {
        self.word.update(|word| {
            Some(change(Estimate::from_word(word)).map_or(UNMEASURED, Estimate::to_word))
        });
    }

    /// The instant in milliseconds after the start. It wraps around after 49 days.
    #[expect(clippy::cast_possible_truncation, reason = "ages are differences of stamps")]
    fn stamp(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.start).as_millis() as u32
    }
}

fn micros(sample: Duration) -> f32 {
    (sample.as_secs_f32() * 1e6).max(SHORTEST)
}

/// The sample that a failure counts as, given the expected time; both in microseconds.
fn failure(expected: f32) -> f32 {
    (expected * FAILURE_FACTOR).clamp(micros(LEAST_FAILURE), micros(MOST_FAILURE))
}

/// The part of an estimate that is left after this many milliseconds.
fn remainder(millis: u32) -> f32 {
    if millis == 0 {
        return 1.0;
    }
    (-(millis.min(LONGEST_DECAY_MILLIS) as f32) / DECAY_MILLIS).exp()
}

/// The contents of the word.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Estimate {
    micros: f32,
    stamp: u32,
    /// Whether the estimate is a guess. Stored as the sign.
    assumed: bool,
}

impl Estimate {
    fn from_word(word: u64) -> Option<Self> {
        if word == UNMEASURED {
            return None;
        }
        let [value, stamp] = [(word >> 32) as u32, word as u32];
        let value = f32::from_bits(value);
        Some(Self { micros: value.abs(), stamp, assumed: value.is_sign_negative() })
    }

    fn to_word(self) -> u64 {
        let value = if self.assumed { -self.micros } else { self.micros };
        u64::from(value.to_bits()) << 32 | u64::from(self.stamp)
    }

    fn measured(micros: f32, stamp: u32) -> Self {
        Self { micros, stamp, assumed: false }
    }

    /// The estimate at this time, in microseconds.
    fn at(self, stamp: u32) -> f32 {
        if self.assumed { self.micros } else { self.micros * remainder(self.age(stamp)) }
    }

    /// The estimate after a sample. A guess gives way to the first sample. Otherwise the result is
    /// the longer one of the sample and of a mixture: the part of the estimate that is left, and
    /// the sample in place of the rest.
    fn with(self, sample: f32, stamp: u32) -> Self {
        if self.assumed {
            return Self::measured(sample, stamp);
        }
        let age = self.age(stamp);
        let left = remainder(age);
        let average = self.micros * left + sample * (1.0 - left);
        Self { micros: average.max(sample), stamp: self.stamp.wrapping_add(age), assumed: false }
    }

    /// The age in milliseconds; 0 if another thread's clock was ahead.
    fn age(self, stamp: u32) -> u32 {
        let age = stamp.wrapping_sub(self.stamp);
        if age.cast_signed() < 0 { 0 } else { age }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLI: Duration = Duration::from_millis(1);

    /// A latency, and a clock that the test moves.
    struct Fixture {
        latency: Latency,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            let now = crate::clock::now();
            Self { latency: Latency::new(now), now }
        }

        fn after(samples: &[u64]) -> Self {
            let fixture = Self::new();
            samples.iter().for_each(|millis| fixture.observe(*millis));
            fixture
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
        }

        fn observe(&self, millis: u64) {
            self.latency.observe(Duration::from_millis(millis), self.now);
        }

        fn fail(&self, waited: u64) {
            self.latency.failed(Duration::from_millis(waited), self.now);
        }

        fn millis(&self) -> Option<f32> {
            self.latency.estimate(self.now).map(|micros| micros / 1e3)
        }

        #[track_caller]
        fn expect(&self, millis: f32) {
            let estimate = self.millis().unwrap();
            assert!((estimate / millis - 1.0).abs() < 0.01, "{estimate} is not {millis}");
        }
    }

    #[test]
    fn nothing_is_known_before_the_first_sample() {
        assert_eq!(Fixture::new().millis(), None);
        Fixture::after(&[7]).expect(7.0);
    }

    #[test]
    fn a_longer_sample_holds_at_once_and_a_shorter_one_does_not() {
        Fixture::after(&[2, 100]).expect(100.0);
        Fixture::after(&[100, 2]).expect(100.0);
    }

    #[test]
    fn shorter_samples_pull_it_down_by_the_clock_and_not_by_their_number() {
        let down = |step: Duration| {
            let mut fixture = Fixture::after(&[102]);
            for _ in 0..10 * SECOND.as_millis() / step.as_millis() {
                fixture.pass(step);
                fixture.observe(2);
            }
            fixture
        };
        down(MILLI).expect(2.0 + 100.0 / 1_f32.exp());
        down(SECOND).expect(2.0 + 100.0 / 1_f32.exp());
    }

    #[test]
    fn without_samples_it_decays_so_that_the_backend_is_tried_again() {
        let mut fixture = Fixture::after(&[100]);
        fixture.pass(10 * SECOND);
        fixture.expect(100.0 / 1_f32.exp());
        fixture.pass(30 * SECOND);
        assert!(fixture.millis().unwrap() < 2.0);
    }

    #[test]
    fn after_a_long_pause_a_slow_backend_still_differs_from_a_fast_one() {
        let (mut slow, mut fast) = (Fixture::after(&[100]), Fixture::after(&[1]));
        for fixture in [&mut slow, &mut fast] {
            fixture.pass(3600 * SECOND);
        }
        slow.expect(100.0 * fast.millis().unwrap());
    }

    #[test]
    fn each_failure_in_a_row_counts_for_more() {
        let fixture = Fixture::after(&[2]);
        for millis in [100.0, 1_000.0, 5_000.0, 5_000.0] {
            fixture.fail(0);
            fixture.expect(millis);
        }
        fixture.observe(0);
        fixture.expect(5_000.0);
    }

    #[test]
    fn a_failure_counts_as_ten_times_what_is_expected_at_its_time() {
        let mut fixture = Fixture::after(&[40]);
        fixture.fail(0);
        fixture.expect(400.0);
        fixture.pass(10 * SECOND);
        fixture.fail(0);
        fixture.expect(4_000.0 / 1_f32.exp());
    }

    #[test]
    fn a_single_failure_of_a_fast_backend_is_over_within_forty_seconds() {
        let mut fixture = Fixture::after(&[2]);
        fixture.fail(0);
        fixture.pass(40 * SECOND);
        assert!(fixture.millis().unwrap() < 2.0);
    }

    #[test]
    fn a_failure_counts_as_at_least_the_wait() {
        let fixture = Fixture::after(&[2]);
        fixture.fail(300);
        fixture.expect(300.0);
        fixture.fail(60_000);
        fixture.expect(60_000.0);
    }

    #[test]
    fn a_failure_does_not_replace_a_longer_estimate() {
        let fixture = Fixture::after(&[8_000]);
        fixture.fail(0);
        fixture.expect(8_000.0);
    }

    #[test]
    fn a_failure_counts_without_an_estimate() {
        let fixture = Fixture::new();
        fixture.fail(0);
        fixture.expect(100.0);
        let guessed = Fixture::new();
        guessed.latency.assume(20_000.0);
        guessed.fail(0);
        guessed.expect(200.0);
        assert!(guessed.latency.is_measured());
    }

    #[test]
    fn a_guess_holds_until_the_first_sample_and_replaces_no_estimate() {
        let mut fixture = Fixture::new();
        fixture.latency.assume(10_000.0);
        fixture.latency.assume(90_000.0);
        fixture.expect(10.0);
        assert!(!fixture.latency.is_measured());
        fixture.pass(3600 * SECOND);
        fixture.expect(10.0);
        fixture.observe(2);
        fixture.expect(2.0);
        assert!(fixture.latency.is_measured());
        fixture.latency.assume(90_000.0);
        fixture.expect(2.0);
    }

    #[test]
    fn a_forgotten_latency_has_no_estimate() {
        let fixture = Fixture::after(&[100]);
        fixture.latency.forget();
        assert_eq!(fixture.millis(), None);
        fixture.observe(2);
        fixture.expect(2.0);
    }

    #[test]
    fn an_answer_in_no_time_is_an_answer() {
        assert!(Fixture::after(&[0]).millis().unwrap() > 0.0);
        let guessed = Fixture::new();
        guessed.latency.assume(0.0);
        assert!(guessed.millis().unwrap() > 0.0);
    }

    #[test]
    fn time_goes_on_when_the_stamp_wraps_around() {
        let mut fixture = Fixture::new();
        fixture.pass(Duration::from_millis(u64::from(u32::MAX)) - 5 * SECOND);
        fixture.observe(100);
        fixture.pass(10 * SECOND);
        fixture.expect(100.0 / 1_f32.exp());
        fixture.observe(1);
        fixture.expect(1.0 + 99.0 / 1_f32.exp());
    }

    #[test]
    fn a_thread_whose_clock_is_behind_does_no_harm() {
        let mut fixture = Fixture::new();
        fixture.pass(SECOND);
        fixture.observe(100);
        let behind = fixture.now.checked_sub(500 * MILLI).unwrap();
        fixture.latency.observe(MILLI, behind);
        assert_eq!(fixture.latency.estimate(behind), fixture.latency.estimate(fixture.now));
        fixture.expect(100.0);
        fixture.pass(10 * SECOND);
        fixture.expect(100.0 / 1_f32.exp());
    }

    #[test]
    fn threads_together_leave_an_estimate_that_one_of_them_could_have_left() {
        let fixture = Fixture::new();
        thread::scope(|scope| {
            for thread in 0..2 {
                let Fixture { latency, now } = &fixture;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(thread);
                    for step in 0..20_000 {
                        let sample = Duration::from_millis(random.u64(5..=50));
                        latency.observe(sample, *now + MILLI * (step / 10));
                    }
                });
            }
        });
        let end = fixture.latency.estimate(fixture.now + 2 * SECOND).unwrap();
        assert!((5_000.0..=50_000.0).contains(&end), "{end}");
    }

    fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
        vec((0_u64..20_000, 0_u64..30_000), 1..40)
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn it_is_never_below_the_last_sample_nor_above_the_longest(steps in steps()) {
            let mut fixture = Fixture::new();
            let mut longest = 0;
            for (pause, sample) in steps {
                fixture.pass(MILLI * u32::try_from(pause).unwrap());
                fixture.observe(sample);
                longest = longest.max(sample);
                let estimate = fixture.millis().unwrap();
                prop_assert!(estimate >= sample as f32 * 0.999, "{estimate} < {sample}");
                prop_assert!(estimate <= (longest as f32).max(0.001) * 1.001);
            }
        }

        #[test]
        fn a_word_is_read_back_unchanged(
            micros in 1.0_f32..1e9,
            stamp in any::<u32>(),
            assumed in any::<bool>(),
        ) {
            let estimate = Estimate { micros, stamp, assumed };
            prop_assert_eq!(Estimate::from_word(estimate.to_word()), Some(estimate));
        }
    }
}
