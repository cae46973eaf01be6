//! Headers that are added to a request, changed, and removed on the way to a backend, and headers
//! that are read from its answer. All of them are [`Fields`].
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

#[cfg(test)]
mod checks;
mod client_cert;
mod cookie;
mod forwarded;
mod loops;
mod request_id;
mod retry_after;
mod trace_context;

pub use client_cert::{ClientCertFields, ShownCertificate, tell_certificate};
pub use cookie::ADMIN_COOKIE;
pub use forwarded::{Client, Peer, TrustedProxies};
pub use loops::{is_loop, mark};
pub use request_id::RequestId;
pub use retry_after::retry_after;
pub use trace_context::{TraceContext, attempt_span};

use crate::http1::Fields;

/// Makes a request ready for a backend: changes `sent`, a copy of the fields as `received`. Each attempt
/// needs its own copy: a trusted proxy's chain would grow with every application.
pub fn apply(sent: &mut Fields, received: &Fields, client: &Client, id: &RequestId, is_tls: bool) {
    forwarded::set(sent, received, client, is_tls);
    cookie::keep_ours(sent, received);
    id.set(sent);
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn request(lines: &[(&str, &str)]) -> Fields {
        let mut request = Fields::default();
        for (name, value) in lines {
            request.append(name.as_bytes(), value.as_bytes());
        }
        request
    }

    /// Each line as a backend receives it, without its end.
    pub(super) fn written(sent: &Fields) -> Vec<String> {
        let mut bytes = bytes::BytesMut::new();
        sent.write(&mut bytes);
        let text = str::from_utf8(&bytes).unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }
}
