//! HTTP/3 as bytes: the frames of its streams, the compression of fields, the head of a request.
//!
//! Bytes in, verdict out, as in `http1`: no connection, no clock. What a client may have kept in memory is
//! limited here: a frame whose payload is not of interest is skipped and never collected, and the fields
//! of a request have a limit before and after decompression.
//!
//! [`RequestFrames`] takes the frames off a request's stream, [`ControlFrames`] checks a client's control
//! stream. [`qpack`] reads and writes lists of fields. [`request_head`] judges the list of a request, and
//! [`RefusedHead`] reads what it can of one that is refused.

mod control_frames;
mod error;
mod frame;
mod head;
pub mod qpack;
mod refused_head;
mod request_frames;
mod varint;

pub use control_frames::{ControlFrames, UniStream, settings};
pub use error::{Code, Fault};
pub use frame::{data_head, goaway, headers, keep_alive};
pub use head::{FieldLine, request_head, trailers};
pub use refused_head::RefusedHead;
pub use request_frames::{Part, RequestFrames};

use crate::field_lists::HEADER_LIST;
