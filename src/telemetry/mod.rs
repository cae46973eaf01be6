//! The logs of the process: one has a line for each request, the other for each change of the
//! process.
//!
//! The two are separate because they have different readers. The [access log](AccessLog) goes where
//! the configuration says, and drops lines rather than delay a request. The [process log](log) has the
//! changes: started, ejected, back again. Both can go to a stream, a file, or a daemon (`output`), and have a
//! thread and a queue of their own.

mod connection_record;
mod filter;
mod json_escapes;
mod line;
pub mod log;
mod log_output;
mod output;
mod queue;
mod record;
mod text;
mod writer;

pub use connection_record::{ConnectionRecord, TlsRecord};
pub use filter::Ended;
pub use record::{AccessRecord, Try};
pub use text::timestamp;
pub use writer::AccessLog;
