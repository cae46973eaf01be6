//! The shape of the answers.
//!
//! A field that a version before does not send has a default, so that the commands of this version
//! understand a process of that one.

mod backend;
mod certificate;
mod change;
mod event;
pub(super) mod explanation;
mod figures;
mod pool;
mod process;

pub use backend::{Backend, Check, Connections};
pub use certificate::{Certificate, CertificateOrder, Certificates};
pub use change::{ChangeBody, Refusal};
pub use event::Event;
pub use explanation::{Candidate, Explanation, Route};
pub use figures::{Classes, History, Quantiles};
pub use pool::{Pool, Queue};
pub use process::{FailedReload, Listener, RouteTraffic, Status};
