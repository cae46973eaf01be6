//! The settings of all property tests: a fixed seed, so that a test fails for the author of a
//! change and not later for another person, and no files of failures in the source tree.

use proptest::test_runner::{Config, RngSeed};

/// The configuration of all property tests.
pub(crate) fn config() -> Config {
    Config { failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..Config::default() }
}
