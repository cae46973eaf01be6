//! The head of a request: where it ends, and what it says.

mod head;
mod head_end;
mod line;
mod target;

pub use head::{Body, MAX_FIELDS, MAX_HEAD_BYTES, Refused, RequestHead};
pub use head_end::HeadEnd;
pub use target::{Form as TargetForm, Target};
