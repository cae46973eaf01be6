//! TLS towards clients: which certificate a client gets, and whether an earlier session goes on.
//!
//! Certificates come in as the bytes of files, and what goes out is a configuration of `rustls` for each
//! handshake. No connection is read or written here.
//!
//! - `load` reads the files that a configuration names, and says what is wrong with them;
//! - `certificate` takes a pair apart and checks it, `names` picks the pair for a name;
//! - `listener` has what the handshakes of one listener need;
//! - `tickets` are the keys by which sessions go on, also in the next process.

mod certificate;
mod listener;
mod load;
mod names;
mod tickets;

pub use certificate::{Certificate, CertificateFacts, CertificateOrigin};
pub use listener::{CHALLENGE_PROTOCOL, Purpose, TlsListener};
pub use load::{TlsListeners, files, load};
pub use tickets::{TicketMemory, recall as recall_tickets, remember as remember_tickets};
