//! Headers that are added to a request, changed, and removed on the way to a backend, and headers
//! that are read from its answer.
//!
//! This happens at two moments. When the request arrives, [`Client::identify`] and
//! [`RequestId::of`] read it as it was sent, because routing, retries and the access log need the
//! results too. For each attempt, [`apply`] changes the copy that goes to the backend, in this
//! order:
//!
//! 1. the client's address: `Forwarded`, `X-Forwarded-For`, `X-Forwarded-Host`,
//!    `X-Forwarded-Proto`, `X-Real-IP`;
//! 2. the admin listener's cookie, which a backend must not see;
//! 3. `X-Request-Id`.
//!
//! [`TraceContext`] is separate, because tracing can be off, and so is [`tell_certificate`], which is
//! about the client's connection. Last comes the [`mark`] by which a request
//! that goes round in a circle is known.
//!
//! Hop-by-hop headers, and those that `Connection` names, are not this module's business: the client's
//! session leaves them out when it reads a request, long before [`apply`], so that no client can have
//! our headers stripped by naming them in `Connection`.
//!
//! Pingora keeps the spelling of each name beside the header map. Names are added here as literals in
//! the usual spelling, which Pingora takes without a copy.

#[cfg(test)]
mod checks;
mod client_cert;
mod cookie;
mod fields;
mod forwarded;
mod loops;
mod request_id;
mod retry_after;
mod trace_context;

pub use client_cert::{ClientCertFields, ShownCertificate, tell_certificate};
pub use cookie::ADMIN_COOKIE;
pub use fields::ReceivedFields;
pub use forwarded::{Client, Peer, TrustedProxies};
pub use loops::{is_loop, mark};
pub use request_id::RequestId;
pub use retry_after::retry_after;
pub use trace_context::TraceContext;

use pingora::{Result, http::RequestHeader};

use crate::http1::KnownFields;

/// The most fields that a request is given on its way to a backend: those of [`apply`], a
/// `traceparent`, the [`mark`], a `Host` and a `Transfer-Encoding`. A map that has room for them
/// from the start does not have to grow.
pub const MOST_ADDED: usize = 9;

/// Makes the request ready for a backend. `received` are the known fields that came with it. Each
/// attempt needs its own copy of the request as received: a trusted proxy's chain would grow with
/// every application.
///
/// # Errors
///
/// When a header cannot be stored, which no request that was parsed can cause.
pub fn apply(
    request: &mut RequestHeader,
    received: KnownFields,
    client: &Client,
    id: &RequestId,
    is_tls: bool,
) -> Result<()> {
    forwarded::set(request, received, client, is_tls)?;
    cookie::keep_ours(request, received)?;
    id.set(request, received)
}
