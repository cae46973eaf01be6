//! The common part of all processes that this program starts in another role.

use std::{
    io::{self, Read},
    thread,
};

use nix::sys::signal::{Signal, raise};

/// Ends this process with the bench: its standard input is a pipe from the bench, which closes when
/// the bench ends in any way.
pub(crate) fn end_with_the_bench() {
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        raise(Signal::SIGKILL).expect("one may end oneself");
    });
}
