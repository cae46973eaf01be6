//! Keys that outlive a process: those of session tickets, and those of QUIC.

mod quic;
mod tickets;

pub use quic::{FirstKeys, QuicKeys, QuicMemory, recall as recall_quic, remember as remember_quic};
pub(super) use tickets::Tickets;
pub use tickets::{TicketMemory, recall as recall_tickets, remember as remember_tickets};
