//! How a request and its last attempt ended, as counts and the access log tell it.

use http::StatusCode;
use pingora_core::{Error, ErrorSource};
use pingora_proxy::Session;

use super::super::context::{RequestContext, Routed, Verdict};
use crate::count::Outcome;

/// The status that the client received; 499 if it left before that.
pub(super) fn status(session: &Session, context: &RequestContext) -> u16 {
    let sent = || session.response_written().map(|response| response.status.as_u16());
    context.status.or_else(sent).unwrap_or(499)
}

/// How the last attempt ended, given that it did not fail.
pub(super) fn last_outcome(routed: &Routed, error: Option<&Error>) -> Outcome {
    let verdict = routed.attempt.map_or(Verdict::None, |attempt| attempt.verdict);
    let status = routed.attempt.and_then(|attempt| attempt.status);
    match (error, verdict) {
        (None, _) if status == Some(StatusCode::LOOP_DETECTED.as_u16()) => Outcome::Loop,
        (None, _) => Outcome::Ok,
        (Some(error), Verdict::Tunnel) if *error.esource() == ErrorSource::Upstream => {
            Outcome::Reset
        }
        (Some(_), Verdict::None) => Outcome::Abandoned,
        (Some(_), _) => Outcome::CutOff,
    }
}
