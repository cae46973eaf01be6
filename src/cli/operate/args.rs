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
    Explain(ExplainArguments),
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
    /// The URL of the request, such as example.com/path, with or without http:// before it.
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
        let RequestUrl { host, path } = self.url.clone();
        SampleRequest { method: self.method.clone(), host, path, client: self.client }
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

/// The two parts of a URL that routes look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct RequestUrl {
    /// Its port is left out if the URL has none.
    pub(super) host: String,
    /// Without the query.
    pub(super) path: String,
}

impl FromStr for RequestUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.unwrap_or(text);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err("must have a host, as in http://example.com/path".to_owned());
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { host: host.to_owned(), path: path.to_owned() })
    }
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
        for (text, host, path) in [
            ("http://example.com/a/b?c=/d#e", "example.com", "/a/b"),
            ("example.com", "example.com", "/"),
            ("https://example.com:8443?x", "example.com:8443", "/"),
            ("[::1]:8080/x", "[::1]:8080", "/x"),
        ] {
            let target: RequestUrl = text.parse().unwrap();
            assert_eq!((target.host.as_str(), target.path.as_str()), (host, path), "{text}");
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
