//! Waiting for a condition instead of for time: a sleep is too short on a busy machine and too
//! long on every other.

use std::{thread, time::Duration};

use lb::clock;

const PAUSE: Duration = Duration::from_millis(2);

/// Returns as soon as the condition holds; fails the test with `what` after the deadline.
#[track_caller]
pub(crate) fn eventually(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let held = wait_for(deadline, || condition().then_some(()));
    assert!(held.is_some(), "not within {deadline:?}: {what}");
}

/// The first value that `probe` gives; `None` after the deadline.
pub(crate) fn wait_for<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = clock::now() + deadline;
    loop {
        // The clock is read first, so that a test that was not scheduled for long still gets
        // one look after the deadline.
        let is_last = clock::now() >= end;
        let found = probe();
        if found.is_some() || is_last {
            return found;
        }
        thread::sleep(PAUSE);
    }
}
