//! What on this machine, in the configuration and in the running process will trouble `lb`, and the
//! command that mends it.
//!
//! Facts are read at the edge: of the machine from `/proc` and `/sys` (`machine`), of the running process
//! by a command to it (`running`), of the configuration by loading it (`lb doctor` itself). Each check is a
//! pure function of these facts (`checks`), so that a test can show any machine. Without a running process
//! the checks that need one say so, and all others are made.

mod checks;
mod facts;
mod finding;
mod machine;
mod running;

pub use checks::examine;
pub use facts::{BackendFacts, ConfigurationFacts, Facts, PathFacts};
pub use finding::{Finding, Level};
pub use machine::{ConnectionTracking, Machine, MemoryGroup, OpenFiles, TcpCounts};
pub use running::{EarlyCloses, RunningFacts};
