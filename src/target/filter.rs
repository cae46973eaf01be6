//! The filters that change requests and answers on their way.

use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::Result;

use super::server_timing::{self, AnswerTimes};
use crate::config::Config;
use crate::headers::{self, Client, RequestId, TraceContext};
use crate::http1::KnownFields;

/// One step on the way of a request to its backend, and of the answer back. Its settings are in its
/// variant; state that outlives a reload is in the [`RouteState`](super::RouteState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Tells the backend the client's address, the request's id, and its trace.
    ForwardedHeaders,
    /// Tells the client where the time of an answer went.
    ServerTiming,
}

/// The facts about a request before it is sent to a backend.
#[derive(Debug)]
pub struct RequestFacts<'a> {
    /// The client.
    pub client: &'a Client,
    /// Whether the client speaks TLS.
    pub is_tls: bool,
    /// The id that the client gave the request, or one of ours.
    pub request_id: &'a RequestId,
    /// Its trace, if it is part of one.
    pub trace: Option<&'a TraceContext>,
    /// The known fields that came with it.
    pub received: KnownFields,
}

impl Filter {
    /// The filters that this configuration gives every route, in order.
    #[must_use]
    pub fn of_every_route(config: &Config) -> Vec<Self> {
        let timing = config.server_timing.then_some(Self::ServerTiming);
        [Self::ForwardedHeaders].into_iter().chain(timing).collect()
    }

    /// Changes a request that is about to go to a backend.
    pub(super) fn on_request(
        self,
        request: &mut RequestHeader,
        facts: &RequestFacts<'_>,
    ) -> Result<()> {
        match self {
            Self::ForwardedHeaders => {
                let RequestFacts { client, is_tls, request_id, received, .. } = facts;
                headers::apply(request, *received, client, request_id, *is_tls)?;
                facts.trace.map_or(Ok(()), |trace| trace.apply(request, facts.received))
            }
            Self::ServerTiming => Ok(()),
        }
    }

    /// Changes the header of an answer that is about to go to the client. `times` is asked only
    /// by a filter that tells them, and returns `None` if no backend was asked.
    pub(super) fn on_response(
        self,
        response: &mut ResponseHeader,
        times: impl FnOnce() -> Option<AnswerTimes>,
    ) -> Result<()> {
        match self {
            Self::ServerTiming => {
                times().map_or(Ok(()), |times| server_timing::add(response, &times))
            }
            Self::ForwardedHeaders => Ok(()),
        }
    }
}
