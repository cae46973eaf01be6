//! Assembling and running the process: the only module that knows all the others.
//!
//! [`run`](run()) takes the steps in order; `life` is what the process does while it serves and
//! how it ends, `upgrade` is how it hands over to the next one, and `reload` how another
//! configuration replaces the one that serves.

mod changes;
mod error;
mod host_name;
mod life;
mod listeners;
mod logs;
mod pingora_server;
mod reload;
mod root;
mod run;
mod serve;
mod signals;
mod start;
mod upgrade;

pub use error::StartError;
pub use life::watch::WatchedFile;
pub use listeners::{accept, accept_and_introduce};
pub use pingora_server::pingora_conf;
pub use reload::LoadConfig;
pub use run::run;
pub use start::{Origin, Start};
