//! TLS towards clients: which certificate a client gets, and whether an earlier session goes on.
//!
//! Certificates come in as the bytes of files, and what goes out is a configuration of `rustls` for each
//! handshake. Only `stream` reads and writes a connection.
//!
//! - `load` reads the files that a configuration names, and says what is wrong with them;
//! - `certificate` takes a pair apart and checks it, `names` picks the pair for a name;
//! - `client_auth` verifies the certificates of clients, `policies` picks the rule for a host, and
//!   `client_certificate` reads what a certificate says of its client;
//! - `expiry` knows which certificates end soon, and which hosts have none that clients trust;
//! - `listener` has what the handshakes of one listener need;
//! - `quic` is the handshake of a connection that does not come by TCP;
//! - `stream` is a connection inside of a session;
//! - `keys` are those by which sessions go on, also in the next process, and those of QUIC.

mod certificate;
mod client_auth;
mod client_certificate;
mod distinguished_name;
mod expiry;
mod keys;
mod listener;
mod load;
mod names;
mod policies;
mod quic;
mod stream;

pub use certificate::{Certificate, CertificateFacts, CertificateOrigin, lifetime, validity};
pub use client_auth::ClientAuth;
pub use client_certificate::ClientCertificate;
pub use expiry::{UntrustedHosts, days_left, ends_soon, untrusted_hosts};
pub use keys::{
    FirstKeys, QuicKeys, QuicMemory, TicketMemory, recall_quic, recall_tickets, remember_quic,
    remember_tickets,
};
pub use listener::{CHALLENGE_PROTOCOL, Purpose, TlsListener};
pub use load::{TlsListeners, load, shown, unused};
pub use policies::Policy;
pub use quic::{FirstWindow, QuicHandshake};
pub use stream::in_session;
