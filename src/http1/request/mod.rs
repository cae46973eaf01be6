//! The head of a request: where it ends, and what it says.

mod facts;
mod head;
mod head_end;
mod line;
mod refused;
pub mod target;

pub use facts::Body;
pub use head::{MAX_FIELDS, RequestHead};
pub use head_end::{HeadEnd, MAX_HEAD_BYTES};
pub use refused::Refused;
pub use target::{Form as TargetForm, Target};
