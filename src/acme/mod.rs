//! Certificates that come and renew by themselves: from an authority by ACME (RFC 8555), or from an
//! authority of this machine.
//!
//! What a configuration asks for is a request (`request`); what there is is in the state folder
//! (`state`), which several instances may share. Listeners are given what is there (`supply`), and
//! while that is nothing, a certificate that `lb` signs itself (`made`). The authority of this machine is
//! `local_authority`. While the process serves, a task
//! asks for what is missing or near its end (`renewal`), by an order (`order`). Challenges are answered
//! from the folder, by whichever instance the authority reaches (`challenge`).
//!
//! When to ask is a pure function (`renewal/schedule`). Everything else here reads and writes files, or
//! talks to an authority.

mod challenge;
mod check;
mod local_authority;
mod made;
mod order;
mod renewal;
mod request;
mod state;
mod supply;

pub use challenge::{Challenges, PATH as CHALLENGE_PATH};
pub use check::{check, needed_folder};
pub use local_authority::root_file;
pub use renewal::{
    Failures, OrderFigures, Progress, Renewals, RequestProgress, Serving, make_local,
};
pub use request::{CertificateRequest, Issuer};
pub use state::{StateFolder, make_folder};
pub use supply::supply_all;
