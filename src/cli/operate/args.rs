//! The arguments of the commands that go over the admin listener.
//!
//! A token is never an argument, because every user of the machine can read arguments.

use std::str::FromStr;

use clap::{Args, Subcommand};

use crate::cli::client::{AdminTarget, SampleRequest};

/// The form of the output.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct OutputArguments {
    /// Print JSON, as the admin listener sends it.
    #[arg(long)]
    pub(super) json: bool,
}

/// The commands that go over the admin listener.
#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum Operation {
    /// Show every pool and backend: state, reason, requests, errors, latency.
    Status(StatusArguments),
    /// Say which backend would get a request now, and why not another one. Sends no request.
    Explain(Box<ExplainArguments>),
    /// Show the certificates of all listeners: names, days left, issuer, source.
    Certificates(CertificatesArguments),
    /// Stop sending new requests to a backend, until `lb undrain`.
    Drain(DrainArguments),
    /// Send requests to a drained backend again.
    Undrain(ChangeArguments),
    /// Take a backend out of service for a time, as if it had failed. One request then probes it.
    Eject(EjectArguments),
    /// Return an ejected backend to service at once.
    Readmit(ChangeArguments),
    /// Change the weight of a backend.
    Weight(WeightArguments),
    /// Watch all backends live, and change them with single keys.
    Top(AdminTarget),
}

/// Arguments of `lb status`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct StatusArguments {
    /// Only this pool.
    pub(super) pool: Option<String>,
    #[command(flatten)]
    pub(super) print: OutputArguments,
    #[command(flatten)]
    pub(super) target: AdminTarget,
}

/// Arguments of `lb certificates`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct CertificatesArguments {
    #[command(flatten)]
    pub(super) print: OutputArguments,
    #[command(flatten)]
    pub(super) target: AdminTarget,
}

/// Arguments of `lb explain`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ExplainArguments {
    /// The URL of the request, whose scheme and port choose the listener.
    #[arg(
        help = "The URL of the request, such as example.com/path or https://example.com:8443/. \
                  Scheme and port choose the listener"
    )]
    pub(super) url: RequestUrl,
    /// The method of the request.
    #[arg(long, default_value = "GET")]
    pub(super) method: http::Method,
    /// The address of the client.
    #[arg(long, value_name = "IP")]
    pub(super) client: Option<std::net::IpAddr>,
    #[command(flatten)]
    pub(super) print: OutputArguments,
    #[command(flatten)]
    pub(super) target: AdminTarget,
}

impl ExplainArguments {
    /// The request that these arguments describe.
    pub(super) fn sample(&self) -> SampleRequest {
        let RequestUrl { scheme, host, path, query } = self.url.clone();
        let (method, client) = (self.method.clone(), self.client);
        SampleRequest { method, scheme, host, path, query, client }
    }
}

/// Arguments of a change: the backend.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ChangeArguments {
    /// The name of its pool.
    pub(super) pool: String,
    /// Its address and port, as in `lb status`.
    #[arg(value_parser = backend)]
    pub(super) backend: String,
    #[command(flatten)]
    pub(super) print: OutputArguments,
    #[command(flatten)]
    pub(super) target: AdminTarget,
}

/// Arguments of `lb drain`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct DrainArguments {
    #[command(flatten)]
    pub(super) named: ChangeArguments,
    /// Drain it without a question, even if no other backend of the pool serves.
    #[arg(long, short)]
    pub(super) yes: bool,
}

/// Arguments of `lb eject`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct EjectArguments {
    #[command(flatten)]
    pub(super) named: ChangeArguments,
    /// The length of the ejection, such as 30s [default: as for failures].
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(super) duration: Option<String>,
}

/// Arguments of `lb weight`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct WeightArguments {
    /// The name of its pool.
    pub(super) pool: String,
    /// Its address and port, as in `lb status`.
    #[arg(value_parser = backend)]
    pub(super) backend: String,
    /// From 1 to 1000, or `default` for the one in the configuration.
    #[arg(value_name = "N|default")]
    pub(super) weight: Weight,
    #[command(flatten)]
    pub(super) print: OutputArguments,
    #[command(flatten)]
    pub(super) target: AdminTarget,
}

/// A weight; `None` is the configuration's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Weight(pub(super) Option<u32>);

impl FromStr for Weight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(weight @ 1..=1000) => Ok(Self(Some(weight))),
            Ok(0) => Err("must be between 1 and 1000 (to stop traffic: lb drain)".to_owned()),
            _ if text == "default" => Ok(Self(None)),
            _ => Err("must be between 1 and 1000, or default".to_owned()),
        }
    }
}

/// The parts of a URL that listeners and routes look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct RequestUrl {
    /// `http` or `https`; `None` if the URL has none.
    pub(super) scheme: Option<&'static str>,
    /// Its port is left out if the URL has none.
    pub(super) host: String,
    /// Without the query.
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl FromStr for RequestUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = ["http", "https"]
            .into_iter()
            .find_map(|scheme| Some((Some(scheme), after_scheme(text, scheme)?)))
            .unwrap_or((None, text));
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err("must have a host, as in http://example.com/path".to_owned());
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { scheme, host: host.to_owned(), path: path.to_owned(), query })
    }
}

/// What stands behind `SCHEME://`, in any case (RFC 3986 section 3.1).
fn after_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = text.split_once("://")?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Reads the name of a backend, also in the form of the access log.
fn backend(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("http://").unwrap_or(text);
    Ok(address.strip_suffix('/').unwrap_or(address).to_owned())
}

fn duration(text: &str) -> Result<String, String> {
    match humantime::parse_duration(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a duration such as 30s or 5m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_lack_what_a_browser_adds() {
        for (text, scheme, host, path, query) in [
            ("http://example.com/a/b?c=/d#e", Some("http"), "example.com", "/a/b", Some("c=/d")),
            ("example.com", None, "example.com", "/", None),
            ("HTTPS://example.com:8443?x", Some("https"), "example.com:8443", "/", Some("x")),
            ("[::1]:8080/x", None, "[::1]:8080", "/x", None),
        ] {
            let query = query.map(str::to_owned);
            let expected =
                RequestUrl { scheme, host: host.to_owned(), path: path.to_owned(), query };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "/path", "http:///path", "a b/c"] {
            text.parse::<RequestUrl>().unwrap_err();
        }
    }

    #[test]
    fn a_weight_is_a_number_or_the_configurations() {
        assert_eq!("1000".parse(), Ok(Weight(Some(1000))));
        assert_eq!("default".parse(), Ok(Weight(None)));
        assert!("0".parse::<Weight>().unwrap_err().contains("lb drain"));
        for text in ["1001", "-1", "", "1.5"] {
            text.parse::<Weight>().unwrap_err();
        }
    }

    #[test]
    fn a_backend_may_be_pasted_from_the_log() {
        assert_eq!(backend("http://127.0.0.1:9001/").unwrap(), "127.0.0.1:9001");
        assert_eq!(backend("[::1]:80").unwrap(), "[::1]:80");
    }
}
