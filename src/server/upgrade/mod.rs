//! From one process to the next, without a gap: the one that serves is the [`predecessor`], the one
//! that takes over is its [`successor`]. What travels between them is in `process::handover`.

pub(super) mod memory;
pub(super) mod predecessor;
pub(super) mod successor;
