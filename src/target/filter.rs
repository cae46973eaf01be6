//! The filters that change requests and answers on their way.

use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::Result;

use super::server_timing::{self, AnswerTimes};
use crate::config::Config;
use crate::headers::{self, Client, RequestId, TraceContext};

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
    /// The client; `None` if its address is not known.
    pub client: Option<&'a Client>,
    /// The id that the client gave the request, or one of ours.
    pub request_id: &'a RequestId,
    /// Its trace, if it is part of one.
    pub trace: Option<&'a TraceContext>,
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
                if let Some(client) = facts.client {
                    headers::apply(request, client, facts.request_id, false)?;
                }
                facts.trace.map_or(Ok(()), |trace| trace.apply(request))
            }
            Self::ServerTiming => Ok(()),
        }
    }

    /// Changes the header of an answer that is about to go to the client. `times` is `None` if no
    /// backend was asked.
    pub(super) fn on_response(
        self,
        response: &mut ResponseHeader,
        times: Option<&AnswerTimes>,
    ) -> Result<()> {
        match (self, times) {
            (Self::ServerTiming, Some(times)) => server_timing::add(response, times),
            (Self::ServerTiming, None) | (Self::ForwardedHeaders, _) => Ok(()),
        }
    }
}
