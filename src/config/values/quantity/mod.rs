//! Numbers with a unit that is not time: percentages and bytes.

mod percent;
mod size;

pub(in crate::config) use percent::{BUDGET, PANIC_THRESHOLD, SAMPLE, SHARE};
pub(in crate::config) use size::{BUFFER, LOG_SIZE, RATE};
