//! The URL of a collector of traces.

use http::Uri;
use serde_json::json;

use crate::config::{
    model::OtlpProtocol,
    values::kind::{Form, Kind},
    wording::quoted,
};

/// The path at which collectors take spans over HTTP.
const PATH: &str = "/v1/traces";
/// The ports that collectors listen on by custom, over HTTP and in gRPC.
const PORTS: (u16, u16) = (4318, 4317);

/// The URL of a collector, without a slash at its end.
pub(in crate::config) const COLLECTOR: Kind<Box<str>> = Kind {
    expected: "a URL such as http://localhost:4318",
    parse: |text| {
        let such = |hint: &str| {
            let found = quoted(text);
            Err(format!("must be a URL such as http://localhost:4318, found {found}{hint}"))
        };
        if !text.contains("://") && !text.is_empty() && !text.contains(['/', ' ']) {
            return such(&format!(" (write http://{text})"));
        }
        let Ok(url) = text.parse::<Uri>() else { return such("") };
        let Some(authority) = url.authority() else { return such("") };
        match url.scheme_str() {
            Some("http" | "https") => {}
            _ => return such(" (it begins with http:// or https://)"),
        }
        if authority.as_str().contains('@') {
            return Err("must have no user and password (write them into headers:)".to_owned());
        }
        if authority.host().is_empty() || url.query().is_some() || text.contains('#') {
            return such("");
        }
        Ok(text.trim_end_matches('/').into())
    },
    show: |url| json!(url),
    shape: Form::Text("^https?://[^/@ ?#]+(/[^ ?#]*)?$").alone(),
};

/// The URL to which spans are sent: the one that is given, or the usual one. The first part is a message
/// about what is probably a mistake.
///
/// # Errors
///
/// A message that continues the key.
pub(in crate::config) fn url_of_traces(
    given: Option<&str>,
    protocol: OtlpProtocol,
) -> Result<(Option<String>, Box<str>), String> {
    let (http, grpc) = PORTS;
    let url = match (given, protocol) {
        (Some(url), _) => url.to_owned(),
        (None, OtlpProtocol::HttpProtobuf) => format!("http://localhost:{http}"),
        (None, OtlpProtocol::Grpc) => format!("http://localhost:{grpc}"),
    };
    let parsed = url.parse::<Uri>().ok();
    let has_path = parsed.as_ref().is_some_and(|url| url.path() != "/");
    let port = parsed.as_ref().and_then(Uri::port_u16);
    let odd = match protocol {
        OtlpProtocol::HttpProtobuf if port == Some(grpc) => Some(format!(
            "has the port that collectors use for gRPC (write \"protocol: grpc\", or the port {http})"
        )),
        OtlpProtocol::Grpc if port == Some(http) => Some(format!(
            "has the port that collectors use for http/protobuf (leave protocol out, or write the port \
             {grpc})"
        )),
        _ => None,
    };
    match protocol {
        OtlpProtocol::Grpc if has_path => {
            Err(format!("must have no path with protocol: grpc, found {}", quoted(&url)))
        }
        OtlpProtocol::HttpProtobuf if !has_path => Ok((odd, format!("{url}{PATH}").into())),
        _ => Ok((odd, url.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_url_without_a_query_and_a_secret() {
        for (text, read) in [
            ("http://localhost:4318", "http://localhost:4318"),
            ("http://localhost:4318/", "http://localhost:4318"),
            ("https://otlp.example/otlp/v1/traces", "https://otlp.example/otlp/v1/traces"),
            ("http://[::1]:4318", "http://[::1]:4318"),
        ] {
            assert_eq!((COLLECTOR.parse)(text).as_deref(), Ok(read), "{text}");
        }
        for (text, part) in [
            ("localhost:4318", "write http://localhost:4318"),
            ("collector", "write http://collector"),
            ("grpc://localhost:4317", "begins with http:// or https://"),
            ("http://user:s3cret@a:1", "no user and password"),
            ("http://a/?key=1", "must be a URL"),
            ("http://", "must be a URL"),
            ("", "must be a URL"),
            ("/v1/traces", "must be a URL"),
        ] {
            let message = (COLLECTOR.parse)(text).unwrap_err();
            assert!(message.contains(part) && !message.contains("s3cret"), "{text}: {message}");
        }
    }

    #[test]
    fn a_path_is_added_where_there_is_none_and_grpc_has_none() {
        let http = |given| url_of_traces(given, OtlpProtocol::HttpProtobuf).unwrap();
        assert_eq!(&*http(None).1, "http://localhost:4318/v1/traces");
        assert_eq!(&*http(Some("http://a")).1, "http://a/v1/traces");
        assert_eq!(&*http(Some("http://a/otlp")).1, "http://a/otlp");
        let grpc = |given| url_of_traces(given, OtlpProtocol::Grpc);
        assert_eq!(&*grpc(None).unwrap().1, "http://localhost:4317");
        assert!(grpc(Some("http://a/v1/traces")).unwrap_err().contains("no path"));
        assert!(http(Some("http://a:4317")).0.is_some());
        assert!(grpc(Some("http://a:4318")).unwrap().0.is_some());
        assert!(grpc(Some("http://a:4317")).unwrap().0.is_none());
    }
}
