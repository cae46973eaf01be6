//! From a request to its answer: who asks, what for, and who knows.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{
    Method, StatusCode,
    header::{CONTENT_LENGTH, EXPECT, SET_COOKIE},
};
use percent_encoding::percent_decode_str;
use pingora_core::protocols::http::ServerSession;
use serde::Deserialize;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking, time};

use super::{
    Shared,
    access::{self, Asked, Denial, Door, Rules},
    answer::{self, Answer},
    api::{self, Api, Question, Refused},
    connection::PATIENCE,
    metrics,
    resource::Resource,
    stream::{self, Feed},
};
use crate::config::{Admin, Token};
use crate::generation::Generation;

/// No change needs more.
const BODY_MAX: usize = 64 << 10;
/// Whoever guesses has to wait; whoever mistypes does not notice.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_millis(100);

/// What becomes of a request.
pub(super) enum Reply {
    /// All of it at once.
    Whole(Answer),
    /// What happens after this number, for as long as the client stays and has a place.
    Events(Feed, u64, OwnedSemaphorePermit),
}

/// What a request says, apart from who sends it.
struct Request {
    path: String,
    question: Question,
    body: Bytes,
}

/// Answers a request whose header has been read; `None` where nobody waits for an answer.
pub(super) async fn respond(
    session: &mut ServerSession,
    shared: &Shared,
    client: &str,
) -> Option<Reply> {
    let generation = shared.api.current.pin();
    let admin = generation.config.admin.as_ref();
    let header = session.req_header();
    let asked = Asked { method: &header.method, path: header.uri.path(), headers: &header.headers };
    let path = asked.path.to_owned();
    let resource = match access::judge(asked, rules(shared, admin)) {
        Ok(resource) => resource,
        Err(denial) => {
            if denial == Denial::WrongToken {
                pause(shared, client).await;
            }
            return Some(Reply::Whole(denial.answer(&path)));
        }
    };
    if resource == Resource::Events && header.method == Method::HEAD {
        return Some(Reply::Whole(Answer::new(StatusCode::OK, stream::CONTENT_TYPE, "")));
    }
    let seen = stream::last_seen(&header.headers);
    let question = question(header.uri.query().unwrap_or_default());
    let body = match read_body(session, shared).await {
        Ok(body) => body,
        Err(Some(refusal)) => return Some(Reply::Whole(refused(&path, &refusal))),
        Err(None) => return None,
    };
    let request = Request { path, question, body };
    Some(match resource {
        Resource::Login => Reply::Whole(login(&request, shared, &generation, client).await),
        Resource::Events => followed(&request.path, shared, seen),
        Resource::Reload => Reply::Whole(match shared.api.reload(client).await {
            Ok(text) => Answer::text(StatusCode::OK, text + "\n"),
            Err(refusal) => refused(&request.path, &refusal),
        }),
        resource => Reply::Whole(whole(resource, request, shared, client).await),
    })
}

fn rules<'a>(shared: &Shared, admin: Option<&'a Admin>) -> Rules<'a> {
    // Where the configuration has no listener, or another, nobody says who may ask at this one.
    let admin = admin.filter(|admin| admin.address == shared.address);
    Rules {
        door: if admin.is_some() { shared.door } else { Door::Open },
        token: admin.and_then(|admin| admin.token.as_ref()),
        hosts: admin.map_or(&[], |admin| &admin.hosts),
    }
}

fn refused(path: &str, refusal: &Refused) -> Answer {
    Answer::refusal(path, refusal.status, &refusal.reason)
}

async fn pause(shared: &Shared, client: &str) {
    if shared.may_complain() {
        log::warn!(client; "the admin listener was asked with a wrong token");
    }
    time::sleep(WRONG_TOKEN_PAUSE).await;
}

/// The body, all of it; or what to answer without it, if anything. One that is too long is read
/// all the same: whoever is still sending would not see the answer.
async fn read_body(session: &mut ServerSession, shared: &Shared) -> Result<Bytes, Option<Refused>> {
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
        read = time::timeout(PATIENCE, read) => read,
        () = wait.is_over() => return Err(None),
    };
    match read {
        _ if is_too_long => Err(Some(too_long())),
        Ok(Ok(())) => Ok(body.freeze()),
        Ok(Err(_)) | Err(_) => Err(None),
    }
}

fn too_long() -> Refused {
    let reason = format!("the body of a request must be at most {BODY_MAX} bytes long");
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
}

/// The query of a question, and nothing of any other.
fn question(query: &str) -> Question {
    let value = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == wanted)?;
        let value = value.replace('+', " ");
        percent_decode_str(&value).decode_utf8().ok().map(|value| value.into_owned())
    };
    Question {
        method: value("method"),
        host: value("host"),
        path: value("path"),
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
) -> Answer {
    let Ok(Login { token: given }) = serde_json::from_slice(&request.body) else {
        let reason = "the body must be JSON: {\"token\": \"…\"}";
        return Answer::refusal(&request.path, StatusCode::BAD_REQUEST, reason);
    };
    let done = Answer::text(StatusCode::NO_CONTENT, "");
    let is_it = |token: &&Token| access::is_token(&given, token);
    match generation.config.admin.as_ref().and_then(|admin| admin.token.as_ref()) {
        None => done,
        Some(token) if is_it(&token) => done.with(SET_COOKIE, &access::cookie(token)),
        Some(_) => {
            pause(shared, client).await;
            Denial::WrongToken.answer(&request.path)
        }
    }
}

fn followed(path: &str, shared: &Shared, seen: u64) -> Reply {
    let feed = shared.api.events();
    let place = std::sync::Arc::clone(&shared.streams).try_acquire_owned();
    match place {
        Ok(place) => Reply::Events(feed, seen, place),
        Err(_) => {
            let reason = format!("{} clients follow the events already", stream::MAX_CLIENTS);
            Reply::Whole(Answer::refusal(path, StatusCode::SERVICE_UNAVAILABLE, &reason))
        }
    }
}

/// What is known at once, and what may take long, on a thread for that.
async fn whole(resource: Resource, request: Request, shared: &Shared, client: &str) -> Answer {
    match resource {
        Resource::Live => return answer::live(),
        Resource::Ready => return answer::ready(shared.api.readiness.check()),
        Resource::Page(file) => return file.answer(),
        Resource::Logout => {
            let done = Answer::text(StatusCode::NO_CONTENT, "");
            return done.with(SET_COOKIE, &access::no_cookie());
        }
        _ => {}
    }
    let (api, client) = (shared.api.clone(), client.to_owned());
    let path = request.path.clone();
    let making = spawn_blocking(move || made(&api, resource, &request, &client));
    match making.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(refusal)) => refused(&path, &refusal),
        Err(error) => {
            log::error!(error:% = error, path; "the admin listener cannot answer");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Answer::refusal(&path, status, "this answer could not be made; the log says why")
        }
    }
}

fn made(api: &Api, resource: Resource, request: &Request, client: &str) -> Result<Answer, Refused> {
    Ok(match resource {
        Resource::Metrics => Answer::new(StatusCode::OK, metrics::CONTENT_TYPE, api.metrics()?),
        Resource::Status => Answer::json(&api.status()),
        Resource::Pool(name) => Answer::json(&api.pool(&name)?),
        Resource::Backend(name) => Answer::json(&api.backend(&name)?),
        Resource::Config => Answer::json(&api.config()),
        Resource::Explain => Answer::json(&api.explain(&request.question)?),
        Resource::Change(verb, name) => {
            let change = api::change(verb, &request.body)?;
            Answer::json(&api.change(&name, change, client)?)
        }
        _ => Denial::Miss(super::resource::Miss::Unknown).answer(&request.path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_in_the_query() {
        let asked = question("method=GET&host=a.example&path=%2Fa%20b%2Bc+d&client=%3A%3A1&x=y");
        let some = |text: &str| Some(text.to_owned());
        let expected = Question {
            method: some("GET"),
            host: some("a.example"),
            path: some("/a b+c d"),
            client: some("::1"),
        };
        assert_eq!(asked, expected);
        assert_eq!(question(""), Question::default());
        assert_eq!(question("path&host=%ff"), Question::default());
    }
}
