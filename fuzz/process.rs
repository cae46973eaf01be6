//! The part of `process` that takes a hand-over.

#[path = "../src/process/handover.rs"]
pub mod handover;
#[path = "../src/process/handover_checks.rs"]
pub mod handover_checks;
#[path = "../src/process/meeting_socket.rs"]
pub mod meeting_socket;
