//! The filters that change requests and answers on their way.

use super::server_timing::{self, AnswerTimes};
use crate::config::Config;
use crate::headers::{self, Client, RequestId, TraceContext};
use crate::http1::Fields;

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
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The fields that came with it.
    pub received: &'a Fields,
}

impl Filter {
    /// The filters that this configuration gives every route, in order.
    #[must_use]
    pub fn of_every_route(config: &Config) -> Vec<Self> {
        let timing = config.server_timing.then_some(Self::ServerTiming);
        [Self::ForwardedHeaders].into_iter().chain(timing).collect()
    }

    /// Changes what is `sent` to a backend, which begins as a copy of what was received.
    pub(super) fn on_request(self, sent: &mut Fields, facts: &RequestFacts<'_>) {
        match self {
            Self::ForwardedHeaders => {
                let RequestFacts { client, is_tls, request_id, trace, attempt, received } = *facts;
                headers::apply(sent, received, client, request_id, is_tls);
                if let Some(trace) = trace {
                    trace.apply(sent, attempt);
                }
            }
            Self::ServerTiming => {}
        }
    }

    /// Changes the fields of a final answer that is about to go to the client. `times` is asked only
    /// by a filter that tells them, and returns `None` if no backend was asked.
    pub(super) fn on_response(
        self,
        fields: &mut Fields,
        times: impl FnOnce() -> Option<AnswerTimes>,
    ) {
        match self {
            Self::ServerTiming => {
                if let Some(times) = times() {
                    server_timing::add(fields, &times);
                }
            }
            Self::ForwardedHeaders => {}
        }
    }
}
