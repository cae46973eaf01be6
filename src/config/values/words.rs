//! Words that switch a setting on or off, and values that are words with a hint of their own.

use serde_json::json;

use super::kind::{Form, Kind, choice};
use crate::config::{
    model::{
        Algorithm, ClientAuthMode, ClientCertStyle, ListenerProtocol, LogFormat, OtlpProtocol,
        RetryMethods, SampledParent, TlsVersion, Traceparent, UnknownSni,
    },
    word::Word,
    wording::{alternatives, is_same_word, quoted, with_nearest},
};

/// The message about `on` if the default is on.
pub(in crate::config) const ON_IS_DEFAULT: &str = "on is the default: remove this line";

pub(in crate::config) const TRUTH: Kind<bool> = Kind {
    expected: "true or false",
    parse: truth,
    show: |value| json!(value),
    shape: Form::Truth.alone(),
};

pub(in crate::config) const ALGORITHM: Kind<Algorithm> = Kind {
    parse: |text| choice(text).map_err(|message| other_algorithm(text, Algorithm::word, message)),
    ..Kind::word("round_robin, least_conn or ewma")
};

/// Names of algorithms in other balancers, and the one that does the same.
const OTHER_ALGORITHMS: [(&[&str], Algorithm); 3] = [
    (&["rr", "wrr", "weighted_round_robin", "static_rr"], Algorithm::RoundRobin),
    (
        &["lc", "wlc", "least_connections", "least_connection", "least_request", "least_requests"],
        Algorithm::LeastConn,
    ),
    (&["least_time", "latency", "peak_ewma", "fastest", "response_time"], Algorithm::Ewma),
];

/// Names of algorithms that do not exist yet.
const LATER_ALGORITHMS: [&str; 16] = [
    "ip_hash",
    "hash",
    "source",
    "uri",
    "url_param",
    "hdr",
    "consistent_hash",
    "ring_hash",
    "maglev",
    "sticky",
    "cookie",
    "random",
    "random_two",
    "p2c",
    "power_of_two_choices",
    "first",
];

/// The message about a word that is no algorithm, better than `message` if it is one elsewhere;
/// `spell` writes the words that are allowed.
pub(in crate::config) fn other_algorithm(
    text: &str,
    spell: fn(Algorithm) -> &'static str,
    message: String,
) -> String {
    let is_one = |word: &&str| is_same_word(word, text);
    let words: Vec<&str> = Algorithm::ALL.iter().map(|word| spell(*word)).collect();
    let words = alternatives(&words);
    if let Some((_, same)) = OTHER_ALGORITHMS.iter().find(|(names, _)| names.iter().any(is_one)) {
        return format!("must be {words}, found {} (write {})", quoted(text), spell(*same));
    }
    if LATER_ALGORITHMS.iter().any(is_one) {
        return format!("not yet: the algorithm {} (write {words})", quoted(text));
    }
    message
}

pub(in crate::config) const METHODS: Kind<RetryMethods> = Kind {
    parse: |text| match text {
        _ if is_same_word(text, "non_idempotent") => {
            Err(format!("must be idempotent or all, found {} (write all)", quoted(text)))
        }
        _ => choice(text),
    },
    ..Kind::word("idempotent or all")
};

pub(in crate::config) const TRACEPARENT: Kind<Traceparent> = Kind {
    parse: |text| {
        let instead =
            |word| format!("must be start or pass, found {} (write {word})", quoted(text));
        match text {
            _ if is_off(text) => Err(instead("pass")),
            _ if is_on(text) => Err(instead("start")),
            _ => choice(text),
        }
    },
    ..Kind::word("start or pass")
};

pub(in crate::config) const OTLP_PROTOCOL: Kind<OtlpProtocol> = Kind {
    parse: |text| {
        let instead = |word| {
            Err(format!("must be http/protobuf or grpc, found {} (write {word})", quoted(text)))
        };
        match text {
            _ if is_same_word(text, "http") || is_same_word(text, "protobuf") => {
                instead("http/protobuf")
            }
            "http/json" => Err("not yet: http/json (write http/protobuf)".to_owned()),
            _ => choice(text),
        }
    },
    ..Kind::word("http/protobuf or grpc")
};

pub(in crate::config) const SAMPLED_PARENT: Kind<SampledParent> =
    Kind::word("any, trusted or none");

/// The type of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum CheckType {
    Http,
    Tcp,
}

impl Word for CheckType {
    const ALL: &'static [Self] = &[Self::Http, Self::Tcp];

    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

pub(in crate::config) const CHECK_TYPE: Kind<CheckType> = Kind::word("http or tcp");

/// The format of the process log; `None` for one that is chosen by the other log.
pub(in crate::config) const ERROR_LOG_FORMAT: Kind<Option<LogFormat>> = Kind {
    expected: "auto, json or text",
    parse: |text| match text {
        "auto" => Ok(None),
        "json" => Ok(Some(LogFormat::Json)),
        "text" => Ok(Some(LogFormat::Text)),
        "combined" => Err("must be auto, json or text, found \"combined\" (which is a format of \
                           requests)"
            .to_owned()),
        _ => {
            let message = format!("must be auto, json or text, found {}", quoted(text));
            Err(with_nearest(message, text, ["auto", "json", "text"]))
        }
    },
    show: |format| json!(format.map_or("auto", LogFormat::word)),
    shape: Form::Choice(|| vec!["auto", "json", "text"]).alone(),
};

pub(in crate::config) const TLS_VERSION: Kind<TlsVersion> = Kind::word("1.2 or 1.3");

pub(in crate::config) const UNKNOWN_SNI: Kind<UnknownSni> = Kind::word("default or refuse");

pub(in crate::config) const CLIENT_AUTH_MODE: Kind<ClientAuthMode> =
    Kind::word("require or optional");

pub(in crate::config) const CLIENT_CERT_STYLE: Kind<ClientCertStyle> =
    Kind::word("x-client-cert or client-cert");

pub(in crate::config) const PROTOCOL: Kind<ListenerProtocol> = Kind {
    parse: |text| {
        let meant = OTHER_PROTOCOLS.iter().find(|(other, _)| is_same_word(other, text));
        choice(text).map_err(|message| match meant {
            Some((_, hint)) => {
                format!("must be {}, found {} ({hint})", PROTOCOL.expected, quoted(text))
            }
            None => message,
        })
    },
    ..Kind::word("h3, h2, h2c or http/1.1")
};

/// Other names of protocols, and what to write instead.
const OTHER_PROTOCOLS: [(&str, &str); 9] = [
    ("http/3", "write h3"),
    ("http3", "write h3"),
    ("quic", "write h3"),
    ("http/2", "write h2, or h2c without TLS"),
    ("http2", "write h2, or h2c without TLS"),
    ("http/1.0", "http/1.1 includes it"),
    ("http/1", "write http/1.1"),
    ("http1", "write http/1.1"),
    ("h1", "write http/1.1"),
];

/// Whether a text means "not at all"; YAML 1.1 tools write `off` as `false`.
pub(in crate::config) fn is_off(text: &str) -> bool {
    matches!(text, "off" | "false")
}

/// Whether a text means no more than "not off".
pub(in crate::config) fn is_on(text: &str) -> bool {
    matches!(text, "on" | "true" | "yes")
}

/// Adds a word to the message about a value, if the word may be written instead.
pub(super) fn or_word<T>(word: &str, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|message| message.replacen("must be ", &format!("must be {word} or "), 1))
}

fn truth(text: &str) -> Result<bool, String> {
    let word = match text {
        "true" => return Ok(true),
        "false" => return Ok(false),
        "on" | "yes" | "1" => "true",
        "off" | "no" | "0" => "false",
        _ => text,
    };
    let message = format!("must be true or false, found {}", quoted(text));
    Err(with_nearest(message, word, ["true", "false"]))
}
