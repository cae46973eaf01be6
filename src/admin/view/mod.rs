//! The JSON of the admin listener: the types that it writes and that the commands read (`model/`), and
//! how they are made of the state of the process. `GET /api/v1/pools` is a [`Status`].
//!
//! Durations are in milliseconds and say so in their name; instants are RFC 3339 in UTC. A value
//! that is unknown or does not apply is `null`, never left out.

mod certificates;
mod entrance;
mod explain;
mod growth;
mod last_minute;
mod last_serving;
mod model;
mod monitor;
mod state_reason;
mod status;
#[cfg(test)]
mod tests;

pub(super) use certificates::certificates;
pub(super) use explain::{ExplainQuery, SampleRequest, explain};
pub use model::{
    Backend, Candidate, Certificate, CertificateOrder, Certificates, ChangeBody, Check, Classes,
    Connections, Event, Explanation, FailedReload, History, Listener, Pool, Quantiles, Queue,
    Refusal, Route, RouteTraffic, Status,
};
pub(super) use monitor::{EventFeed, Monitor};
pub use status::Identity;
pub(super) use status::{Sources, status};
