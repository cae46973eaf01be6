//! The listeners by which a request of `lb explain` may come in, and those that redirect it.

use super::model::explanation::Redirect;
use crate::config::{HTTPS_PORT, Listener};
use crate::generation::{REDIRECT_STATUS, redirect_location, redirect_port};

/// The port of URLs without TLS that name none (RFC 9110 section 4.2.1).
const HTTP_PORT: u16 = 80;

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// # Errors
    ///
    /// A sentence that says which schemes there are.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Http, Self::Https];
        let found = all.into_iter().find(|scheme| scheme.word() == text);
        found.ok_or_else(|| format!("scheme must be http or https, found {text:?}"))
    }

    fn of(listener: &Listener) -> Self {
        if listener.tls.is_some() { Self::Https } else { Self::Http }
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Http => HTTP_PORT,
            Self::Https => HTTPS_PORT,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The port behind a host. A host that ends with a colon has none.
///
/// # Errors
///
/// A sentence that says which ports there are.
pub(super) fn port_behind(host: &str) -> Result<Option<u16>, String> {
    let digits = host.rsplit_once(':').map(|(_, port)| port);
    let digits = digits.filter(|port| !port.is_empty() && !port.contains(']'));
    let malformed = |port| format!("the port of host must be between 0 and 65535, found {port:?}");
    digits.map(|port| port.parse().map_err(|_| malformed(port))).transpose()
}

/// The listeners that may take a request: those at the port of its URL, with TLS or without as its scheme
/// says. A URL without a port means the usual one, but also any other, because what is in front of `lb` may
/// pass connections on.
///
/// # Errors
///
/// A sentence that says which listeners there are, if none of them takes it.
pub(super) fn of(
    listeners: &[Listener],
    (scheme, port): (Option<Scheme>, Option<u16>),
) -> Result<Vec<&Listener>, String> {
    let has_scheme = |it: &Listener| scheme.is_none_or(|scheme| Scheme::of(it) == scheme);
    match (port, scheme) {
        (None, None) => Ok(listeners.iter().collect()),
        (Some(port), _) => {
            let here = at(listeners, port);
            let found: Vec<_> = here.iter().copied().filter(|it| has_scheme(it)).collect();
            match (here.first(), found.is_empty()) {
                (_, false) => Ok(found),
                (None, true) => Err(format!("no listener has port {port}: {}", all(listeners))),
                (Some(other), true) => Err(other_scheme(other)),
            }
        }
        (None, Some(scheme)) => {
            let found: Vec<_> = listeners.iter().filter(|it| has_scheme(it)).collect();
            let has_usual = |it: &&Listener| port_of(it) == Some(scheme.usual_port());
            let usual: Vec<_> = found.iter().copied().filter(has_usual).collect();
            match (scheme, usual.is_empty(), found.is_empty()) {
                (_, false, _) => Ok(usual),
                (_, true, false) => Ok(found),
                // TLS may end in front of `lb`.
                (Scheme::Https, true, true) => Ok(listeners.iter().collect()),
                (Scheme::Http, true, true) => {
                    Err(format!("every listener has TLS, so ask for https://: {}", all(listeners)))
                }
            }
        }
    }
}

/// The listeners at a port, or those whose port the system has chosen.
fn at(listeners: &[Listener], port: u16) -> Vec<&Listener> {
    let with = |port| listeners.iter().filter(move |it| port_of(it) == Some(port));
    let exact: Vec<_> = with(port).collect();
    if exact.is_empty() { with(0).collect() } else { exact }
}

fn port_of(listener: &Listener) -> Option<u16> {
    listener.address.tcp().map(|address| address.port())
}

fn other_scheme(listener: &Listener) -> String {
    let scheme = Scheme::of(listener);
    let has = if scheme == Scheme::Https { "has TLS" } else { "has no TLS" };
    format!("the listener {} {has}: ask for {}://", listener.address, scheme.word())
}

fn all(listeners: &[Listener]) -> String {
    let one = |it: &Listener| format!("{}://{}", Scheme::of(it).word(), it.address);
    let listeners: Vec<String> = listeners.iter().map(one).collect();
    format!("the listeners are {}", listeners.join(", "))
}

/// The redirects of those listeners that have one. A client that reaches a listener without TLS over TLS
/// comes by way of a proxy that says so, and is served.
pub(super) fn redirects(
    listeners: &[&Listener],
    https_port: u16,
    (scheme, host): (Option<Scheme>, Option<&str>),
    path_and_query: &str,
) -> Vec<Redirect> {
    let of = |listener: &&Listener| {
        let port = redirect_port(listener, https_port)?;
        if listener.tls.is_some() || scheme == Some(Scheme::Https) {
            return None;
        }
        let location = redirect_location(host.unwrap_or_default(), port, path_and_query);
        let status = if location.is_some() { REDIRECT_STATUS } else { 400 };
        Some(Redirect { listener: listener.address.to_string(), status, location })
    };
    listeners.iter().filter_map(of).collect()
}

/// The redirects as a sentence.
pub(super) fn sentence(redirects: &[Redirect]) -> String {
    let one = |redirect: &Redirect| {
        let Redirect { listener, status, location } = redirect;
        match location {
            Some(location) => {
                format!("{listener} answers with a redirect to TLS: {status}, Location: {location}")
            }
            None => format!("{listener} answers {status}: there is no host to redirect to"),
        }
    };
    redirects.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags, ListenAddress, parse};

    fn config() -> Config {
        let text = "listeners:\n  - { address: \"0.0.0.0:80\", redirect_to_https: true }\n  - { address: \
                    127.0.0.1:8080 }\n  - { address: \"0.0.0.0:8443\", tls: { local: [a] } }\nroutes: [ { \
                    pool: a } ]\npools: { a: { backends: [ { address: 127.0.0.1:9 } ] } }\n";
        parse("lb.yaml", text, &Flags::default()).unwrap().config
    }

    /// The parts of a URL that choose a listener.
    fn parts(scheme: &str, host: &str) -> (Option<Scheme>, Option<u16>) {
        let scheme = (!scheme.is_empty()).then(|| Scheme::parse(scheme).unwrap());
        (scheme, port_behind(host).unwrap())
    }

    #[test]
    fn a_listener_is_found_by_scheme_and_port() {
        let config = config();
        let all =
            "the listeners are http://0.0.0.0:80, http://127.0.0.1:8080, https://0.0.0.0:8443";
        for (scheme, host, expected) in [
            ("", "a", Ok(vec!["0.0.0.0:80", "127.0.0.1:8080", "0.0.0.0:8443"])),
            ("http", "a", Ok(vec!["0.0.0.0:80"])),
            // No listener has the usual port, and another one may be what is in front of it leads to.
            ("https", "a", Ok(vec!["0.0.0.0:8443"])),
            ("http", "a:8080", Ok(vec!["127.0.0.1:8080"])),
            ("", "[::1]:8443", Ok(vec!["0.0.0.0:8443"])),
            ("", "[::1]", Ok(vec!["0.0.0.0:80", "127.0.0.1:8080", "0.0.0.0:8443"])),
            ("https", "a:443", Err(format!("no listener has port 443: {all}"))),
            ("", "a:81", Err(format!("no listener has port 81: {all}"))),
            (
                "http",
                "a:8443",
                Err("the listener 0.0.0.0:8443 has TLS: ask for https://".to_owned()),
            ),
            (
                "https",
                "a:8080",
                Err("the listener 127.0.0.1:8080 has no TLS: ask for http://".to_owned()),
            ),
        ] {
            let found = of(&config.listeners, parts(scheme, host));
            let found: Result<Vec<String>, String> =
                found.map(|found| found.iter().map(|it| it.address.to_string()).collect());
            let expected = expected.map(|it| it.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{scheme}://{host}");
        }
    }

    #[test]
    fn tls_may_end_in_front_of_a_listener_and_not_the_other_way_round() {
        let mut config = config();
        let tls = config.listeners.pop().unwrap();
        let found = of(&config.listeners, parts("https", "a")).unwrap();
        assert_eq!(found.len(), 2);
        let asked = (Some(Scheme::Https), Some("a"));
        assert_eq!(redirects(&found, config.https_port(), asked, "/"), []);
        let refused = of(&[tls], parts("http", "a")).unwrap_err();
        assert!(refused.contains("ask for https://"), "{refused}");
        for listener in &mut config.listeners {
            listener.address = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        }
        assert_eq!(of(&config.listeners, parts("http", "a:5555")).unwrap().len(), 2);
    }

    #[test]
    fn a_redirect_has_status_and_location() {
        let config = config();
        let found = |scheme: &str, host: &str| {
            let parts = parts(scheme, host);
            let listeners = of(&config.listeners, parts).unwrap();
            let host = Some(host).filter(|host| !host.is_empty());
            sentence(&redirects(&listeners, config.https_port(), (parts.0, host), "/a?b=c"))
        };
        let says = "0.0.0.0:80 answers with a redirect to TLS: 308, Location: https://a:8443/a?b=c";
        assert_eq!(found("http", "a"), says);
        assert_eq!(found("", "a:80"), says);
        assert_eq!(found("", "a"), says);
        assert_eq!(found("http", "a:8080"), "");
        assert_eq!(found("https", "a"), "");
        let none = "0.0.0.0:80 answers 400: there is no host to redirect to";
        assert_eq!(found("http", ""), none);
    }

    #[test]
    fn a_malformed_port_or_scheme_is_refused() {
        Scheme::parse("ftp").unwrap_err();
        for host in ["a:99999", "a:b", "[::1]:x"] {
            port_behind(host).unwrap_err();
        }
        assert_eq!(port_behind("a:"), Ok(None));
    }
}
