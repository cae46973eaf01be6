//! What a process of ours has to do with others: commands, successors, service managers, users.
//!
//! Nothing here knows what the process serves.

pub mod background;
pub mod control;
pub mod handover;
pub mod meeting_socket;
pub mod open_files;
pub mod pid_file;
pub mod privileges;
pub mod service_manager;
