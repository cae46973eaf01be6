//! What becomes of clients' connections, in the words that log and metrics share.

mod cut;
mod handshake;
mod protocol;
mod refusal;

pub use cut::Cut;
pub use handshake::Handshake;
pub use protocol::Protocol;
pub use refusal::ConnectionRefusal;
