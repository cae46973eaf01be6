//! What the listener asks the process, and what it has done there.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{
    effective, explain, metrics,
    readiness::{Phase, Readiness},
    resource::{Name, Verb},
    status::{self, Looked},
    stream::Feed,
    view,
    watched::Watched,
};
use crate::backend::{self, Address};
use crate::clock;
use crate::config::{self, PoolName, Weight, defaults};
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::pool::OrderError;
use crate::process::control::{self, Command, PendingCommand};

/// No ejection by hand is longer.
const EJECTION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why something is not answered or not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) reason: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// What is to be done to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing new for it.
    Drain,
    /// Requests again, whatever the configuration says.
    Undrain,
    /// Out, for so long; where nothing is said, as its pool would.
    Eject(Option<Duration>),
    /// Back in.
    Readmit,
    /// This weight; `None` for that of the configuration.
    Weight(Option<u32>),
}

/// Which request is to be explained; what is left out is up to whoever explains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) method: Option<String>,
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    pub(super) client: Option<String>,
}

/// The process, as far as the listener knows it.
#[derive(Debug, Clone)]
pub struct Api {
    pub(super) readiness: Arc<Readiness>,
    pub(super) current: Arc<Current>,
    in_flight: InFlight,
    pub(super) watched: Arc<Watched>,
    /// `None` where there is no file to load.
    orders: Option<mpsc::Sender<PendingCommand>>,
}

impl Api {
    /// Of a process that serves this, and takes commands here if it runs from a file.
    #[must_use]
    pub fn new(
        readiness: Arc<Readiness>,
        current: Arc<Current>,
        in_flight: InFlight,
        orders: Option<mpsc::Sender<PendingCommand>>,
    ) -> Self {
        Self { readiness, current, in_flight, watched: Arc::default(), orders }
    }

    /// For Prometheus. May take long.
    pub(super) fn metrics(&self) -> Result<String, Refused> {
        self.look(|looked| metrics::scrape(looked, clock::now()))
            .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    }

    fn look<T>(&self, at: impl FnOnce(Looked<'_>) -> T) -> T {
        let Self { readiness, current, in_flight, watched, .. } = self;
        let samples = watched.samples.lock();
        at(Looked { current, readiness, in_flight, samples: &samples })
    }

    /// Everything about the pools. May take long.
    pub(super) fn status(&self) -> view::Status {
        self.look(|looked| status::status(looked, clock::now()))
    }

    /// Does something to a backend, for `by`; the backend as it is then.
    pub(super) fn change(
        &self,
        name: &Name,
        change: Change,
        by: &str,
    ) -> Result<view::Backend, Refused> {
        if !self.readiness.takes_orders() {
            let reason = "it is starting, or another process takes over: try again in a moment";
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
        let address = self.backend(name)?.address;
        if let Some(pool) = self.current.pin().pool(&PoolName::new(&*name.pool)) {
            let order = order(change, pool.config())?;
            match pool.order(&address, order, by, clock::now()) {
                // A reload has just removed it, which is said below.
                Ok(()) | Err(OrderError::UnknownBackend) => {}
                Err(error) => return Err(Refused::new(StatusCode::CONFLICT, error.to_string())),
            }
        }
        self.backend(name)
    }

    /// What would become of a request.
    pub(super) fn explain(&self, question: &Question) -> Result<view::Explanation, Refused> {
        let question = explain::Question::of(question)
            .map_err(|reason| Refused::new(StatusCode::BAD_REQUEST, reason))?;
        Ok(explain::explain(&self.current, &question, clock::now()))
    }

    /// What happens.
    pub(super) fn events(&self) -> Feed {
        self.watched.feed(&self.current)
    }

    /// One pool of the status.
    pub(super) fn pool(&self, name: &Name) -> Result<view::Pool, Refused> {
        let pools = self.status().pools;
        let names: Vec<_> = pools.iter().map(|pool| pool.name.clone()).collect();
        pools.into_iter().find(|pool| pool.name == name.pool).ok_or_else(|| {
            let reason = format!("there is no pool {:?}; there is {}", name.pool, names.join(", "));
            Refused::new(StatusCode::NOT_FOUND, reason)
        })
    }

    /// One backend of the status.
    pub(super) fn backend(&self, name: &Name) -> Result<view::Backend, Refused> {
        find(self.pool(name)?.backends, name)
    }

    /// The configuration that serves.
    pub(super) fn config(&self) -> serde_json::Value {
        effective::json(&self.current.pin().config)
    }

    /// Loads the configuration anew; says what `lb reload` says.
    pub(super) async fn reload(&self, by: &str) -> Result<String, Refused> {
        let refused = |reason: String| Refused::new(StatusCode::CONFLICT, reason);
        let Some(orders) = &self.orders else {
            let reason = "not reloaded: there is no file to load from (-c FILE)";
            return Err(refused(reason.to_owned()));
        };
        log::info!(by; "reload asked for");
        match control::order(orders, Command::Reload).await {
            Ok(text) => Ok(text),
            Err(reason) if self.readiness.phase() == Phase::Draining => Err(refused(reason)),
            Err(reason) => Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, reason)),
        }
    }
}

/// What a change is to a backend of this pool.
fn order(change: Change, pool: &config::Pool) -> Result<backend::OperatorAction, Refused> {
    Ok(match change {
        Change::Drain => backend::OperatorAction::Drain,
        Change::Undrain => backend::OperatorAction::Undrain,
        Change::Readmit => backend::OperatorAction::Readmit,
        Change::Eject(length) => {
            let usual = pool.ejection.unwrap_or(defaults::EJECTION).base;
            backend::OperatorAction::Eject(length.unwrap_or(usual))
        }
        Change::Weight(None) => backend::OperatorAction::Weight(None),
        Change::Weight(Some(weight)) if (1..=u32::from(Weight::MAX)).contains(&weight) => {
            backend::OperatorAction::Weight(Some(weight.into()))
        }
        Change::Weight(Some(weight)) => {
            let hint = if weight == 0 { " (to give it nothing, drain it)" } else { "" };
            let reason =
                format!("\"weight\" must be from 1 to {}, found {weight}{hint}", Weight::MAX);
            return Err(Refused::new(StatusCode::BAD_REQUEST, reason));
        }
    })
}

/// The backend that a path names, by its address or by its configured name. A name with several
/// addresses is refused, with the addresses: to change all of them might empty the pool.
pub(super) fn find(backends: Vec<view::Backend>, name: &Name) -> Result<view::Backend, Refused> {
    let Name { pool, backend: asked } = name;
    let address: Option<Address> = asked.parse().ok();
    let is_asked = |one: &view::Backend| match &address {
        Some(address) => one.address == *address,
        None => one.name.eq_ignore_ascii_case(asked),
    };
    let all: Vec<_> = backends.iter().map(view::Backend::label).collect();
    let mut found: Vec<_> = backends.into_iter().filter(is_asked).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            let addresses = found.iter().chain([&last]).map(|one| one.address.to_string());
            let addresses = addresses.collect::<Vec<_>>().join(", ");
            let reason = format!(
                "{asked} is several backends of pool {pool}: name one by its address ({addresses})"
            );
            Err(Refused::new(StatusCode::CONFLICT, reason))
        }
        (None, _) => {
            let reason = format!("pool {pool} has no backend {asked}; it has {}", all.join(", "));
            Err(Refused::new(StatusCode::NOT_FOUND, reason))
        }
    }
}

/// What a request wants done, by its path and its body.
pub(super) fn change(verb: Verb, body: &[u8]) -> Result<Change, Refused> {
    let bad = |reason: String| Refused::new(StatusCode::BAD_REQUEST, reason);
    let is_empty = body.trim_ascii().is_empty();
    let wish = if is_empty { Ok(Map::new()) } else { serde_json::from_slice::<Map<_, _>>(body) };
    let names_weight = wish.as_ref().is_ok_and(|wish| wish.contains_key("weight"));
    let wish = wish.and_then(|wish| serde_json::from_value(Value::Object(wish)));
    let view::Wish { weight, how_long } = wish.map_err(|error| {
        bad(format!("the body must be JSON such as {}: {error}", example(verb)))
    })?;
    if weight.is_some() && verb != Verb::Weight {
        return Err(bad("a weight is set with PUT, at the backend's weight".to_owned()));
    }
    if how_long.is_some() && verb != Verb::Eject {
        return Err(bad("\"for\" is for an ejection alone".to_owned()));
    }
    Ok(match verb {
        Verb::Drain => Change::Drain,
        Verb::Undrain => Change::Undrain,
        Verb::Readmit => Change::Readmit,
        Verb::Eject => Change::Eject(how_long.as_deref().map(length).transpose().map_err(bad)?),
        Verb::Weight if !names_weight => {
            return Err(bad(format!("a body is needed, such as {}", example(verb))));
        }
        Verb::Weight => Change::Weight(weight),
    })
}

fn example(verb: Verb) -> &'static str {
    match verb {
        Verb::Weight => "{\"weight\": 3}, or {\"weight\": null} for that of the configuration",
        Verb::Eject => "{\"for\": \"30s\"}, or none",
        _ => "{}, or none",
    }
}

fn length(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(length) if !length.is_zero() && length <= EJECTION_MAX => Ok(length),
        Ok(_) => Err(format!("\"for\" must be above 0s and at most 24h, found {text:?}")),
        Err(_) => Err(format!("\"for\" must be a duration such as 30s, found {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_how_a_backend_is_to_be_changed() {
        for (verb, body, expected) in [
            (Verb::Drain, "", Change::Drain),
            (Verb::Undrain, "{}", Change::Undrain),
            (Verb::Readmit, " \n", Change::Readmit),
            (Verb::Eject, "", Change::Eject(None)),
            (Verb::Eject, r#"{"for":"90s"}"#, Change::Eject(Some(Duration::from_secs(90)))),
            (Verb::Weight, r#"{"weight":3}"#, Change::Weight(Some(3))),
            (Verb::Weight, r#"{"weight":null}"#, Change::Weight(None)),
        ] {
            assert_eq!(change(verb, body.as_bytes()), Ok(expected), "{verb:?} {body}");
        }
    }

    #[test]
    fn a_body_that_says_something_else_is_refused() {
        for (verb, body) in [
            (Verb::Drain, r#"{"for":"30s"}"#),
            (Verb::Drain, r#"{"weight":3}"#),
            (Verb::Eject, r#"{"for":"soon"}"#),
            (Verb::Eject, r#"{"for":"0s"}"#),
            (Verb::Eject, r#"{"for":"2days"}"#),
            (Verb::Eject, r#"{"weight":3}"#),
            (Verb::Weight, ""),
            (Verb::Weight, r#"{"weight":-1}"#),
            (Verb::Weight, r#"{"wieght":3}"#),
            (Verb::Weight, "3"),
            (Verb::Weight, "{}"),
            (Verb::Weight, "[3]"),
            (Verb::Eject, "[]"),
            (Verb::Drain, "drain"),
        ] {
            let refused = change(verb, body.as_bytes()).unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{verb:?} {body}");
        }
    }
}
