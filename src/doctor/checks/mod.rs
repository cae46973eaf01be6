//! The checks: pure functions from facts to findings.

mod clock;
mod configuration;
mod network;
mod resources;
mod running;
#[cfg(test)]
mod tests;

use super::{facts::Facts, finding::Finding};

/// Makes every check. The findings come in a fixed order, at least one for each check.
#[must_use]
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let checks: [fn(&Facts) -> Vec<Finding>; 16] = [
        configuration::file,
        configuration::names,
        configuration::certificates,
        configuration::permissions,
        running::process,
        running::newer_file,
        running::newer_program,
        running::keepalive,
        resources::open_files,
        resources::memory,
        resources::threads,
        network::backlog,
        network::ports,
        network::time_wait,
        network::connection_tracking,
        clock::clock,
    ];
    checks.iter().flat_map(|check| check(facts)).collect()
}

/// What is wrong, or that nothing is.
fn or_fine(found: Vec<Finding>, fine: impl FnOnce() -> Finding) -> Vec<Finding> {
    if found.is_empty() { vec![fine()] } else { found }
}
