//! From a request to its response: whether it is allowed, which resource it names, and which part
//! of the process answers.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    Method, StatusCode,
    header::{CONTENT_LENGTH, EXPECT, SET_COOKIE},
};
use pingora_core::protocols::http::ServerSession;
use serde::Deserialize;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking, time};

use super::{
    access::{self, AccessRules, Denial, Exposure, RequestHead},
    event_stream,
    resource::{NoResource, Resource},
    response::{self, Response},
    shared::{CLIENT_TIMEOUT, MAX_EVENT_STREAMS, MAX_LONG_RESPONSES, PIECE, Shared},
};
use crate::admin::{
    Api,
    change::{ApiError, Change},
    metrics::Scrape,
    view::{EventFeed, ExplainQuery},
};
use crate::clock;
use crate::config::{Admin, Token};
use crate::generation::Generation;

/// The longest body of a request, in bytes. No change needs more.
const BODY_MAX: usize = 64 << 10;
/// Slows down token guessing; too short to annoy a typo.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_millis(100);

/// How a request is answered.
pub(super) enum Reply {
    /// With a whole response.
    Response(Response),
    /// With a response that takes more than one piece. The permit is held until it is written.
    LongResponse(Response, #[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit),
    /// With the metrics, in pieces. The permit is held meanwhile.
    Metrics(Box<Scrape>, OwnedSemaphorePermit),
    /// With the events after this number, as long as the client stays. The permit is held meanwhile.
    EventStream(EventFeed, u64, OwnedSemaphorePermit),
}

/// The parts of a request that its response depends on.
struct Request {
    path: String,
    query: ExplainQuery,
    body: Bytes,
}

/// Answers a request whose header has been read. Returns `None` if the client is gone.
pub(super) async fn dispatch(
    session: &mut ServerSession,
    shared: &Shared,
    client: &str,
) -> Option<Reply> {
    let generation = shared.api.current.pin();
    let admin = generation.config.admin.as_ref();
    let header = session.req_header();
    let head =
        RequestHead { method: &header.method, path: header.uri.path(), headers: &header.headers };
    let path = head.path.to_owned();
    let resource = match access::judge(head, rules(shared, admin)) {
        Ok(resource) => resource,
        Err(denial) => {
            if denial == Denial::WrongToken {
                pause(shared, client).await;
            }
            return Some(Reply::Response(denial.response(&path)));
        }
    };
    if resource == Resource::Events && header.method == Method::HEAD {
        return Some(Reply::Response(Response::new(
            StatusCode::OK,
            event_stream::CONTENT_TYPE,
            "",
        )));
    }
    let seen = event_stream::last_seen(&header.headers);
    let query = explain_query(header.uri.query().unwrap_or_default());
    let body = match read_body(session, shared).await {
        Ok(body) => body,
        Err(Some(refusal)) => return Some(Reply::Response(refused(&path, &refusal))),
        Err(None) => return None,
    };
    let request = Request { path, query, body };
    Some(match resource {
        Resource::Login => Reply::Response(login(&request, shared, &generation, client).await),
        Resource::Events => event_stream_reply(&request.path, shared, seen),
        Resource::Metrics => match may_be_long(&request.path, shared).await {
            Ok(permit) => Reply::Metrics(Box::new(shared.api.metrics()), permit),
            Err(refusal) => Reply::Response(refusal),
        },
        Resource::Reload => Reply::Response(match shared.api.reload(client).await {
            Ok(text) => Response::text(StatusCode::OK, text + "\n"),
            Err(refusal) => refused(&request.path, &refusal),
        }),
        resource => match known_at_once(&resource, shared) {
            Some(response) => Reply::Response(response),
            None => computed(resource, request, shared, client).await,
        },
    })
}

fn rules<'a>(shared: &Shared, admin: Option<&'a Admin>) -> AccessRules<'a> {
    // If the configuration has no admin listener, or another one, it does not say who may use this
    // one.
    let admin = admin.filter(|admin| admin.address == shared.address);
    AccessRules {
        exposure: if admin.is_some() { shared.exposure } else { Exposure::Network },
        token: admin.and_then(|admin| admin.token.as_ref()),
        hosts: admin.map_or(&[], |admin| &admin.hosts),
    }
}

fn refused(path: &str, refusal: &ApiError) -> Response {
    Response::refusal(path, refusal.status, &refusal.reason)
}

async fn pause(shared: &Shared, client: &str) {
    if shared.may_warn() {
        log::warn!(client; "the admin listener was asked with a wrong token");
    }
    time::sleep(WRONG_TOKEN_PAUSE).await;
}

/// Reads the whole body. The error is the response without it, or `None` if the client is gone. A body
/// that is too long is read to its end, because a client that is still sending would not see the
/// response.
async fn read_body(
    session: &mut ServerSession,
    shared: &Shared,
) -> Result<Bytes, Option<ApiError>> {
    let headers = &session.req_header().headers;
    let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    let mut is_too_long = length.is_some_and(|length: usize| length > BODY_MAX);
    if headers.contains_key(EXPECT) {
        if is_too_long {
            return Err(Some(too_long()));
        }
        session.write_continue_response().await.map_err(|_| None)?;
    }
    let mut body = BytesMut::new();
    let read = async {
        while let Some(piece) = session.read_request_body().await? {
            is_too_long |= body.len() + piece.len() > BODY_MAX;
            if !is_too_long {
                body.extend_from_slice(&piece);
            }
        }
        Ok::<_, Box<pingora_core::Error>>(())
    };
    let wait = shared.idle.wait();
    let read = tokio::select! {
        read = time::timeout(CLIENT_TIMEOUT, read) => read,
        () = wait.ended() => return Err(None),
    };
    match read {
        _ if is_too_long => Err(Some(too_long())),
        Ok(Ok(())) => Ok(body.freeze()),
        Ok(Err(_)) | Err(_) => Err(None),
    }
}

fn too_long() -> ApiError {
    let reason = format!("the body of a request must be at most {BODY_MAX} bytes long");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
}

/// Reads the parts of an explanation's query; other parameters are ignored.
fn explain_query(query: &str) -> ExplainQuery {
    let value = |name: &str| {
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    ExplainQuery {
        method: value("method"),
        host: value("host"),
        path: value("path"),
        query: value("query"),
        scheme: value("scheme"),
        client: value("client"),
    }
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

async fn login(
    request: &Request,
    shared: &Shared,
    generation: &Generation,
    client: &str,
) -> Response {
    let Ok(Login { token: given }) = serde_json::from_slice(&request.body) else {
        let reason = "the body must be JSON: {\"token\": \"…\"}";
        return Response::refusal(&request.path, StatusCode::BAD_REQUEST, reason);
    };
    let done = Response::text(StatusCode::NO_CONTENT, "");
    let is_token = |token: &&Token| access::is_token(&given, token);
    match generation.config.admin.as_ref().and_then(|admin| admin.token.as_ref()) {
        None => done,
        Some(token) if is_token(&token) => {
            done.with(SET_COOKIE, &access::cookie(token, shared.tls().is_some()))
        }
        Some(_) => {
            pause(shared, client).await;
            Denial::WrongToken.response(&request.path)
        }
    }
}

fn event_stream_reply(path: &str, shared: &Shared, seen: u64) -> Reply {
    let feed = shared.api.events();
    let permit = Arc::clone(&shared.streams).try_acquire_owned();
    match permit {
        Ok(permit) => Reply::EventStream(feed, seen, permit),
        Err(_) => {
            let reason = format!("{} clients follow the events already", MAX_EVENT_STREAMS);
            Reply::Response(Response::refusal(path, StatusCode::SERVICE_UNAVAILABLE, &reason))
        }
    }
}

/// Waits until there may be one more response that is long. The error is the response without it.
async fn may_be_long(path: &str, shared: &Shared) -> Result<OwnedSemaphorePermit, Response> {
    let permit = Arc::clone(&shared.long_responses).acquire_owned();
    match time::timeout(CLIENT_TIMEOUT, permit).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => {
            let reason = format!("{MAX_LONG_RESPONSES} clients are slow in taking theirs");
            Err(Response::refusal(path, StatusCode::SERVICE_UNAVAILABLE, &reason))
        }
    }
}

/// The response that needs no computing, where the resource has one.
fn known_at_once(resource: &Resource, shared: &Shared) -> Option<Response> {
    match resource {
        Resource::Live => Some(response::live()),
        Resource::Ready => {
            let untrusted = shared.api.current.pin().untrusted_hosts(clock::wall());
            Some(response::ready(shared.api.readiness.check(), &untrusted))
        }
        Resource::Page(file) => Some(Response::page(file)),
        Resource::Logout => {
            let done = Response::text(StatusCode::NO_CONTENT, "");
            Some(done.with(SET_COOKIE, &access::no_cookie(shared.tls().is_some())))
        }
        _ => None,
    }
}

/// Makes a response that takes a while to compute, and may be long.
async fn computed(resource: Resource, request: Request, shared: &Shared, client: &str) -> Reply {
    let permit = match may_be_long(&request.path, shared).await {
        Ok(permit) => permit,
        Err(refusal) => return Reply::Response(refusal),
    };
    let response = compute_apart(resource, request, shared, client).await;
    if response.body.len() > PIECE {
        return Reply::LongResponse(response, permit);
    }
    Reply::Response(response)
}

/// Computes a response on a thread for such work.
async fn compute_apart(
    resource: Resource,
    request: Request,
    shared: &Shared,
    client: &str,
) -> Response {
    let (api, client) = (shared.api.clone(), client.to_owned());
    let path = request.path.clone();
    let computing = spawn_blocking(move || compute(&api, resource, &request, &client));
    match computing.await {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => refused(&path, &refusal),
        Err(error) => {
            log::error!(error:% = error, path; "the admin listener failed to make a response");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Response::refusal(&path, status, "the response could not be made; the log says why")
        }
    }
}

fn compute(
    api: &Api,
    resource: Resource,
    request: &Request,
    client: &str,
) -> Result<Response, ApiError> {
    Ok(match resource {
        Resource::Status => Response::json(&api.status()),
        Resource::Pool(name) => Response::json(&api.pool(&name)?),
        Resource::Backend(name) => Response::json(&api.backend(&name)?),
        Resource::Certificates => Response::json(&api.certificates()),
        Resource::Config => Response::json(&api.config()),
        Resource::Explain => Response::json(&api.explain(&request.query)?),
        Resource::Change(verb, name) => {
            let change = Change::parse(verb, &request.body)?;
            Response::json(&api.change(&name, change, client)?)
        }
        _ => Denial::NoResource(NoResource::UnknownPath).response(&request.path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_asked_for_in_the_query() {
        let query = explain_query(
            "method=GET&host=a.example&path=%2Fa%20b%2Bc+d&client=%3A%3A1&x=y&scheme=https",
        );
        let some = |text: &str| Some(text.to_owned());
        let expected = ExplainQuery {
            method: some("GET"),
            host: some("a.example"),
            path: some("/a b+c d"),
            query: None,
            scheme: some("https"),
            client: some("::1"),
        };
        assert_eq!(query, expected);
        assert_eq!(explain_query(""), ExplainQuery::default());
        let odd =
            ExplainQuery { path: some(""), host: some("\u{fffd}"), ..ExplainQuery::default() };
        assert_eq!(explain_query("path&host=%ff"), odd);
    }
}
