//! When the machine stood still: a thread that asks to be woken up again and again, and notes when
//! that came late. What a backend did not do in time while nothing was done in time is no sign of a
//! fault.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lb::clock;

use super::ledger::Span;

const TICK: Duration = Duration::from_millis(20);
/// Later than this is a stall: a check has 280 ms.
const LATE: Duration = Duration::from_millis(200);

/// Watches until it is asked.
pub(super) struct Stalls {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Span>>,
}

impl Stalls {
    pub(super) fn watch(start: Instant) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let now = || clock::now().saturating_duration_since(start);
            let mut stalls = vec![];
            while !told.load(Ordering::Relaxed) {
                let from = now();
                thread::sleep(TICK);
                let to = now();
                if to - from > TICK + LATE {
                    stalls.push(Span { from, to });
                }
            }
            stalls
        });
        Self { is_over, thread }
    }

    pub(super) fn finish(self) -> Vec<Span> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}
