//! A process and what surrounds it: commands, the next process, the service manager, users, limits.
//!
//! Nothing here knows what the process serves.

pub mod background;
pub mod control;
pub mod handover;
#[cfg(test)]
mod handover_checks;
pub mod meeting_socket;
pub mod memory;
pub mod open_files;
pub mod pid_file;
pub mod privileges;
pub mod service_manager;
pub mod udp;
