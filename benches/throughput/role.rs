//! What every process has in common that is not the bench, but what it measures with or against.

use std::{
    io::{self, Read},
    thread,
};

use nix::sys::signal::{Signal, raise};

/// Its standard input is the bench's, and is closed however that ends.
pub(crate) fn end_with_the_bench() {
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        raise(Signal::SIGKILL).expect("one may end oneself");
    });
}
