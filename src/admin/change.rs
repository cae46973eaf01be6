//! An operator's change of a backend: the reading of its request, and the order for the pool.
//! Values in, values out.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};

use super::view;
use crate::backend::{self, Address};
use crate::config::{self, Weight};

/// The longest ejection that an operator can ask for.
const EJECTION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a request to the API fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    /// The problem, and what to do about it.
    pub(super) reason: String,
}

/// The kind of change, from the last segment of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeVerb {
    Drain,
    Undrain,
    Eject,
    Readmit,
    Weight,
}

/// A pool and a backend in it, as a path names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BackendName {
    pub(super) pool: String,
    /// The address, or the configured name.
    pub(super) backend: String,
}

/// A change of one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Sends it no new requests.
    Drain,
    /// Sends it requests again, even if the configuration drains it.
    Undrain,
    /// Takes it out of service for this long; for as long as its pool's ejections begin with, if no
    /// duration is given.
    Eject(Option<Duration>),
    /// Ends its ejection.
    Readmit,
    /// Sets its weight; `None` restores the weight of the configuration.
    Weight(Option<u32>),
}

impl ApiError {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

impl BackendName {
    /// Returns the one of these backends that has this address or this configured name. A name with
    /// several addresses is refused, because a change of all of them might empty the pool.
    pub(super) fn find_in(&self, backends: Vec<view::Backend>) -> Result<view::Backend, ApiError> {
        let Self { pool, backend: wanted } = self;
        let address: Option<Address> = wanted.parse().ok();
        let is_wanted = |one: &view::Backend| match &address {
            Some(address) => one.address == *address,
            None => one.name.eq_ignore_ascii_case(wanted),
        };
        let all: Vec<_> = backends.iter().map(view::Backend::label).collect();
        let mut found: Vec<_> = backends.into_iter().filter(is_wanted).collect();
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(last), false) => {
                let addresses = found.iter().chain([&last]).map(|one| one.address.to_string());
                let addresses = addresses.collect::<Vec<_>>().join(", ");
                let reason = format!(
                    "{wanted} is several backends of pool {pool}: name one by its address \
                     ({addresses})"
                );
                Err(ApiError::new(StatusCode::CONFLICT, reason))
            }
            (None, _) => {
                let all = all.join(", ");
                let reason = format!("pool {pool} has no backend {wanted}; its backends are {all}");
                Err(ApiError::new(StatusCode::NOT_FOUND, reason))
            }
        }
    }
}

impl Change {
    /// Reads the body of a request for this change.
    pub(super) fn parse(verb: ChangeVerb, body: &[u8]) -> Result<Self, ApiError> {
        let bad = |reason: String| ApiError::new(StatusCode::BAD_REQUEST, reason);
        let is_empty = body.trim_ascii().is_empty();
        let parsed =
            if is_empty { Ok(Map::new()) } else { serde_json::from_slice::<Map<_, _>>(body) };
        let names_weight = parsed.as_ref().is_ok_and(|fields| fields.contains_key("weight"));
        let parsed = parsed.and_then(|fields| serde_json::from_value(Value::Object(fields)));
        let view::ChangeBody { weight, duration } = parsed.map_err(|error| {
            bad(format!("the body must be JSON such as {}: {error}", example(verb)))
        })?;
        if weight.is_some() && verb != ChangeVerb::Weight {
            return Err(bad("a weight is set with PUT, at the backend's weight".to_owned()));
        }
        if duration.is_some() && verb != ChangeVerb::Eject {
            return Err(bad("\"for\" is for an ejection alone".to_owned()));
        }
        Ok(match verb {
            ChangeVerb::Drain => Self::Drain,
            ChangeVerb::Undrain => Self::Undrain,
            ChangeVerb::Readmit => Self::Readmit,
            ChangeVerb::Eject => {
                Self::Eject(duration.as_deref().map(duration_of).transpose().map_err(bad)?)
            }
            ChangeVerb::Weight if !names_weight => {
                return Err(bad(format!("a body is needed, such as {}", example(verb))));
            }
            ChangeVerb::Weight => Self::Weight(weight),
        })
    }

    /// The order of this change for a pool with this configuration.
    pub(super) fn action(self, pool: &config::Pool) -> Result<backend::OperatorAction, ApiError> {
        Ok(match self {
            Self::Drain => backend::OperatorAction::Drain,
            Self::Undrain => backend::OperatorAction::Undrain,
            Self::Readmit => backend::OperatorAction::Readmit,
            Self::Eject(duration) => {
                let default = pool.ejection.unwrap_or_default().base;
                backend::OperatorAction::Eject(duration.unwrap_or(default))
            }
            Self::Weight(None) => backend::OperatorAction::Weight(None),
            Self::Weight(Some(weight)) if (1..=u32::from(Weight::MAX)).contains(&weight) => {
                backend::OperatorAction::Weight(Some(weight.into()))
            }
            Self::Weight(Some(weight)) => {
                let hint = if weight == 0 { " (to stop its traffic, drain it)" } else { "" };
                let reason =
                    format!("\"weight\" must be from 1 to {}, found {weight}{hint}", Weight::MAX);
                return Err(ApiError::new(StatusCode::BAD_REQUEST, reason));
            }
        })
    }
}

fn example(verb: ChangeVerb) -> &'static str {
    match verb {
        ChangeVerb::Weight => {
            "{\"weight\": 3}, or {\"weight\": null} for the weight of the configuration"
        }
        ChangeVerb::Eject => "{\"for\": \"30s\"}, or empty",
        _ => "{}, or empty",
    }
}

fn duration_of(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() && duration <= EJECTION_MAX => Ok(duration),
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
            (ChangeVerb::Drain, "", Change::Drain),
            (ChangeVerb::Undrain, "{}", Change::Undrain),
            (ChangeVerb::Readmit, " \n", Change::Readmit),
            (ChangeVerb::Eject, "", Change::Eject(None)),
            (ChangeVerb::Eject, r#"{"for":"90s"}"#, Change::Eject(Some(Duration::from_secs(90)))),
            (ChangeVerb::Weight, r#"{"weight":3}"#, Change::Weight(Some(3))),
            (ChangeVerb::Weight, r#"{"weight":null}"#, Change::Weight(None)),
        ] {
            assert_eq!(Change::parse(verb, body.as_bytes()), Ok(expected), "{verb:?} {body}");
        }
    }

    #[test]
    fn a_body_that_says_something_else_is_refused() {
        for (verb, body) in [
            (ChangeVerb::Drain, r#"{"for":"30s"}"#),
            (ChangeVerb::Drain, r#"{"weight":3}"#),
            (ChangeVerb::Eject, r#"{"for":"soon"}"#),
            (ChangeVerb::Eject, r#"{"for":"0s"}"#),
            (ChangeVerb::Eject, r#"{"for":"2days"}"#),
            (ChangeVerb::Eject, r#"{"weight":3}"#),
            (ChangeVerb::Weight, ""),
            (ChangeVerb::Weight, r#"{"weight":-1}"#),
            (ChangeVerb::Weight, r#"{"wieght":3}"#),
            (ChangeVerb::Weight, "3"),
            (ChangeVerb::Weight, "{}"),
            (ChangeVerb::Weight, "[3]"),
            (ChangeVerb::Eject, "[]"),
            (ChangeVerb::Drain, "drain"),
        ] {
            let refused = Change::parse(verb, body.as_bytes()).unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{verb:?} {body}");
        }
    }
}
