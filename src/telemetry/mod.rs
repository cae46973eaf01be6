//! How the process speaks: a line for each request, and a line for each thing that happened.
//!
//! The two are apart because they are read apart. The [access log](AccessLog) goes where the
//! configuration says, is dropped rather than waited for, and has one line for each request. The
//! [process log](log) goes to standard error or a file, and says what changed: started, ejected, back again.

mod access_log;
mod combined;
mod connection_record;
mod filter;
mod json_escapes;
mod json_line;
pub mod log;
mod log_output;
mod queue;
mod text;
mod writer;

pub use access_log::{AccessRecord, Try};
pub use connection_record::{ConnectionRecord, TlsRecord};
pub use filter::Ended;
pub use text::timestamp;
pub use writer::AccessLog;
