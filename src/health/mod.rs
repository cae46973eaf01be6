//! Health: whether backends work.
//!
//! **Active**: Pingora's health-check loop asks every backend again and again, whether it has
//! traffic or not. [`ActiveCheck`] wraps the check that Pingora makes, keeps a pass from hitting
//! all backends at the same moment, and records each result in our own state.
//!
//! **Passive**: the outcomes of requests. The proxy reports them to the pool; the rules for both
//! are in [`crate::backend::Standing`].

mod active;
mod probe;
mod verdict;

pub use active::ActiveCheck;
pub use probe::is_agent_of_checks;
