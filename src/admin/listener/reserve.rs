//! Descriptors in reserve, so that the listener can accept a connection when the proxy has used up all
//! others: `/live` must not fail for lack of descriptors, or the process is restarted under load.

use std::{fs::File, os::fd::OwnedFd};

/// The number of descriptors in reserve. More than one, because another thread may be quicker to use a
/// descriptor that is released.
const SIZE: usize = 8;

/// Descriptors that are open only to be released.
#[derive(Debug)]
pub(super) struct Reserve {
    files: Vec<OwnedFd>,
}

impl Reserve {
    /// A reserve, as full as the system allows.
    pub(super) fn new() -> Self {
        let mut reserve = Self { files: Vec::with_capacity(SIZE) };
        reserve.fill();
        reserve
    }

    /// Fills the reserve up, as far as the system allows.
    pub(super) fn fill(&mut self) {
        while self.files.len() < SIZE {
            let Ok(file) = File::open("/dev/null") else { return };
            self.files.push(file.into());
        }
    }

    /// Closes one descriptor. Returns whether there was one.
    pub(super) fn release(&mut self) -> bool {
        self.files.pop().is_some()
    }
}
