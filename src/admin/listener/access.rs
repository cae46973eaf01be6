//! The rules of access to the listener.
//!
//! Three attackers: another machine, which does not know the token; a page in the operator's
//! browser whose name has been made to lead here (DNS rebinding), which cannot change the `Host`
//! header; and a page that sends requests from the operator's browser, which cannot send a header
//! of its own choice to another site.

use std::net::{IpAddr, Ipv6Addr};

use http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{ALLOW, AUTHORIZATION, COOKIE, HOST, ORIGIN, WWW_AUTHENTICATE},
};
use subtle::ConstantTimeEq;

use super::{
    resource::{self, Access, NoResource, Resource},
    response::Response,
};
use crate::config::{ListenAddress, Token};
use crate::headers::ADMIN_COOKIE;

const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who can connect to the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Users whom the permissions of the socket's file allow.
    UnixSocket,
    /// Users of this machine.
    Loopback,
    /// Other machines.
    Network,
}

impl Exposure {
    pub(super) fn of(address: &ListenAddress) -> Self {
        match address {
            ListenAddress::Unix(_) | ListenAddress::Abstract(_) => Self::UnixSocket,
            ListenAddress::Tcp(_) if address.is_local() => Self::Loopback,
            ListenAddress::Tcp(_) => Self::Network,
        }
    }
}

/// What the configuration demands of requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccessRules<'a> {
    pub(super) exposure: Exposure,
    pub(super) token: Option<&'a Token>,
    pub(super) hosts: &'a [Box<str>],
}

/// The parts of a request on which access depends.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestHead<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denial {
    /// `Host` is not one of our names, or there is not exactly one `Host`.
    Host(Option<String>),
    /// It has no token.
    NoToken,
    /// It has another token.
    WrongToken,
    /// It would need a token, and the configuration has none.
    TokenRemoved,
    /// Nothing has its path and method.
    NoResource(NoResource),
    /// It is a change without the header that a form on another site cannot send.
    NoMarker,
    /// It is a change that a page of another site sent.
    CrossSite,
}

/// Returns what the request leads to, or why it is refused.
pub(super) fn judge(head: RequestHead<'_>, rules: AccessRules<'_>) -> Result<Resource, Denial> {
    let found = resource::find(head.method, head.path);
    if found.access != Access::Public {
        check_host(head.headers, rules)?;
    }
    if found.access == Access::Token {
        check_token(head.headers, rules)?;
    }
    let resource = found.resource.map_err(Denial::NoResource)?;
    if ![Method::GET, Method::HEAD].contains(head.method) {
        check_change(head.headers)?;
    }
    Ok(resource)
}

/// Whether this is the token. The comparison takes as long for a wrong token of the same length.
pub(super) fn is_token(given: &str, token: &Token) -> bool {
    given.as_bytes().ct_eq(token.secret().as_bytes()).into()
}

/// The `Set-Cookie` that gives a browser the token. With TLS the browser must not send it without: another
/// program may answer at the same name.
pub(super) fn cookie(token: &Token, is_tls: bool) -> String {
    set_cookie(token.secret(), is_tls)
}

/// The `Set-Cookie` that removes the cookie.
pub(super) fn no_cookie(is_tls: bool) -> String {
    set_cookie("", is_tls) + "; Max-Age=0"
}

fn set_cookie(value: &str, is_tls: bool) -> String {
    let secure = if is_tls { "; Secure" } else { "" };
    format!("{ADMIN_COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/api/{secure}")
}

fn check_host(headers: &HeaderMap, rules: AccessRules<'_>) -> Result<(), Denial> {
    if rules.exposure == Exposure::UnixSocket {
        return Ok(());
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    match host {
        Some(host) if is_ours(without_port(host), rules.hosts) => Ok(()),
        host => Err(Denial::Host(host.map(str::to_owned))),
    }
}

fn is_ours(host: &str, hosts: &[Box<str>]) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    };
    is_address
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn check_token(headers: &HeaderMap, rules: AccessRules<'_>) -> Result<(), Denial> {
    let Some(token) = rules.token else {
        // A reload may have removed the token.
        return if rules.exposure == Exposure::Network {
            Err(Denial::TokenRemoved)
        } else {
            Ok(())
        };
    };
    let given = [bearer(headers), from_cookie(headers)];
    let mut given = given.into_iter().flatten().peekable();
    if given.peek().is_none() {
        return Err(Denial::NoToken);
    }
    if given.any(|given| is_token(given, token)) { Ok(()) } else { Err(Denial::WrongToken) }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn from_cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';'));
    cookies.find_map(|cookie| match cookie.trim().split_once('=') {
        Some((ADMIN_COOKIE, token)) => Some(token),
        _ => None,
    })
}

fn check_change(headers: &HeaderMap) -> Result<(), Denial> {
    let is_elsewhere = headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site");
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_same = |origin: &str| {
        origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
    };
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().is_ok_and(is_same));
    if is_elsewhere || origin == Some(false) {
        return Err(Denial::CrossSite);
    }
    if headers.contains_key(REQUESTED_WITH) { Ok(()) } else { Err(Denial::NoMarker) }
}

impl Denial {
    /// The response to a request for this path.
    pub(super) fn response(&self, path: &str) -> Response {
        let refusal = |status, reason: &str| Response::refusal(path, status, reason);
        match self {
            Self::Host(Some(host)) => refusal(
                StatusCode::FORBIDDEN,
                &format!(
                    "{host:?} is not a known name of this listener: add it to admin.hosts in the \
                     configuration, or use the address"
                ),
            ),
            Self::Host(None) => refusal(StatusCode::FORBIDDEN, "a request needs one Host header"),
            Self::NoToken => unauthorized(refusal(
                StatusCode::UNAUTHORIZED,
                "a token is required, as in \"Authorization: Bearer TOKEN\"; it is in the \
                 configuration (admin.token or admin.token_file)",
            )),
            Self::WrongToken => {
                unauthorized(refusal(StatusCode::UNAUTHORIZED, "this is not the token"))
            }
            Self::TokenRemoved => refusal(
                StatusCode::FORBIDDEN,
                "other machines can connect to this listener, and the configuration no longer has a \
                 token: add one (admin.token or admin.token_file) and reload",
            ),
            Self::NoResource(NoResource::UnknownPath) => {
                let paths = resource::paths().collect::<Vec<_>>().join(", ");
                let reason = format!("no such path; the paths are {paths}");
                refusal(StatusCode::NOT_FOUND, &reason)
            }
            Self::NoResource(NoResource::WrongMethod(allowed)) => {
                let reason = format!("method not allowed; allowed here: {allowed}");
                refusal(StatusCode::METHOD_NOT_ALLOWED, &reason).with(ALLOW, allowed)
            }
            Self::NoMarker => refusal(
                StatusCode::FORBIDDEN,
                "a change requires the header X-Requested-With, with any value (another site cannot \
                 send it)",
            ),
            Self::CrossSite => refusal(
                StatusCode::FORBIDDEN,
                "a page of another site sent this request (Origin or Sec-Fetch-Site), which may not \
                 change anything",
            ),
        }
    }
}

fn unauthorized(response: Response) -> Response {
    response.with(WWW_AUTHENTICATE, "Bearer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Flags};

    const SECRET: &str = "0123456789abcdef";

    fn token() -> Token {
        let text = format!(
            "listeners: [ {{ address: 127.0.0.1:1 }} ]\nroutes: [ {{ pool: web }} ]\npools: {{ \
             web: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}\nadmin: {{ address: \
             127.0.0.1:2, token: {SECRET} }}"
        );
        let config = config::parse("lb.yaml", &text, &Flags::default()).unwrap().config;
        config.admin.unwrap().token.unwrap()
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), value.parse().unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn ask(
        (method, path): (Method, &str),
        pairs: &[(&str, &str)],
        rules: AccessRules<'_>,
    ) -> Result<Resource, Denial> {
        judge(RequestHead { method: &method, path, headers: &headers(pairs) }, rules)
    }

    fn rules(exposure: Exposure, token: Option<&Token>) -> AccessRules<'_> {
        AccessRules { exposure, token, hosts: &[] }
    }

    const STATUS: (Method, &str) = (Method::GET, "/api/v1/status");
    const RELOAD: (Method, &str) = (Method::POST, "/api/v1/reload");

    #[test]
    fn a_name_of_another_site_is_refused() {
        let known: [Box<str>; 1] = ["lb.internal".into()];
        let rules = AccessRules { hosts: &known, ..rules(Exposure::Loopback, None) };
        for (host, is_known) in [
            ("127.0.0.1:9900", true),
            ("127.0.0.1", true),
            ("[::1]:9900", true),
            ("[::1]", true),
            ("10.1.2.3:80", true),
            ("localhost:9900", true),
            ("LOCALHOST", true),
            ("lb.internal", true),
            ("LB.internal:80", true),
            ("evil.example", false),
            ("evil.example:9900", false),
            ("127.0.0.1.evil.example", false),
            ("lb.internal.evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1:9900:evil", false),
            ("[::1]evil", false),
            ("2130706433", false),
            ("", false),
        ] {
            let expected = if is_known {
                Ok(Resource::Status)
            } else {
                Err(Denial::Host(Some(host.to_owned())))
            };
            assert_eq!(ask(STATUS, &[("host", host)], rules), expected, "{host:?}");
        }
        assert_eq!(ask(STATUS, &[], rules), Err(Denial::Host(None)));
        let two = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(ask(STATUS, &two, rules), Err(Denial::Host(None)));
    }

    #[test]
    fn live_is_answered_under_any_name_and_without_a_token() {
        let token = token();
        for path in ["/live", "/ready"] {
            for headers in [&[("host", "evil.example")][..], &[]] {
                assert!(
                    ask((Method::GET, path), headers, rules(Exposure::Network, Some(&token)))
                        .is_ok()
                );
                assert!(ask((Method::GET, path), headers, rules(Exposure::Network, None)).is_ok());
            }
        }
    }

    #[test]
    fn a_files_permissions_take_the_place_of_the_name() {
        assert_eq!(
            ask(STATUS, &[("host", "any")], rules(Exposure::UnixSocket, None)),
            Ok(Resource::Status)
        );
        let token = token();
        let with = rules(Exposure::UnixSocket, Some(&token));
        assert_eq!(ask(STATUS, &[], with), Err(Denial::NoToken));
    }

    #[test]
    fn the_token_comes_in_a_header_or_a_cookie() {
        let token = token();
        let rules = rules(Exposure::Network, Some(&token));
        let bearer = format!("Bearer {SECRET}");
        let cookie = format!("a=b; lb_admin={SECRET}; c=d");
        let longer = format!("bearer {SECRET}x");
        for (name, value, expected) in [
            ("authorization", bearer.as_str(), Ok(Resource::Status)),
            ("authorization", &bearer.to_lowercase(), Ok(Resource::Status)),
            ("cookie", &cookie, Ok(Resource::Status)),
            ("authorization", &longer, Err(Denial::WrongToken)),
            ("authorization", "Bearer 0123456789abcdeg", Err(Denial::WrongToken)),
            ("authorization", "Bearer ", Err(Denial::WrongToken)),
            ("cookie", "lb_admin=", Err(Denial::WrongToken)),
            ("cookie", "xlb_admin=0123456789abcdef", Err(Denial::NoToken)),
            ("authorization", SECRET, Err(Denial::NoToken)),
            ("authorization", "Basic 0123456789abcdef", Err(Denial::NoToken)),
            ("x-token", SECRET, Err(Denial::NoToken)),
        ] {
            let headers = [("host", "localhost"), (name, value)];
            assert_eq!(ask(STATUS, &headers, rules), expected, "{name}: {value}");
        }
        let page = ask((Method::GET, "/"), &[("host", "localhost")], rules);
        assert!(matches!(page, Ok(Resource::Page(_))), "it asks for the token: {page:?}");
    }

    #[test]
    fn without_a_token_only_local_clients_are_answered() {
        let host = [("host", "localhost")];
        assert_eq!(ask(STATUS, &host, rules(Exposure::Loopback, None)), Ok(Resource::Status));
        assert_eq!(ask(STATUS, &host, rules(Exposure::Network, None)), Err(Denial::TokenRemoved));
    }

    #[test]
    fn a_refused_client_does_not_learn_which_paths_exist() {
        let token = token();
        let nowhere = (Method::GET, "/nowhere");
        let denied = ask(nowhere, &[("host", "localhost")], rules(Exposure::Network, Some(&token)));
        assert_eq!(denied, Err(Denial::NoToken));
    }

    #[test]
    fn a_change_needs_a_header_that_another_site_cannot_send() {
        let rules = rules(Exposure::Loopback, None);
        let marked = ("x-requested-with", "lb");
        let host = ("host", "localhost:9900");
        for (extra, expected) in [
            (&[marked][..], Ok(Resource::Reload)),
            (&[], Err(Denial::NoMarker)),
            (&[marked, ("origin", "http://localhost:9900")], Ok(Resource::Reload)),
            (&[marked, ("sec-fetch-site", "same-origin")], Ok(Resource::Reload)),
            (&[marked, ("sec-fetch-site", "cross-site")], Err(Denial::CrossSite)),
            (&[marked, ("origin", "http://evil.example")], Err(Denial::CrossSite)),
            (&[marked, ("origin", "http://localhost:3000")], Err(Denial::CrossSite)),
            (&[marked, ("origin", "null")], Err(Denial::CrossSite)),
        ] {
            let headers = [&[host], extra].concat();
            assert_eq!(ask(RELOAD, &headers, rules), expected, "{extra:?}");
        }
        for path in ["/login", "/logout"] {
            let denied = ask((Method::POST, path), &[host], rules);
            assert_eq!(denied, Err(Denial::NoMarker), "{path}");
        }
    }

    #[test]
    fn no_refusal_shows_a_secret() {
        for denial in [Denial::NoToken, Denial::WrongToken, Denial::TokenRemoved] {
            let response = denial.response("/metrics");
            assert!(!String::from_utf8_lossy(&response.body).contains(SECRET), "{denial:?}");
        }
    }
}
