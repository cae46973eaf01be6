//! What must be true of any request to the admin listener, for the tests and for the target in `fuzz/`.

use std::{sync::LazyLock, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::admin::change::Change;
use crate::admin::listener::{
    access::{self, AccessRules, Denial, Exposure, RequestHead},
    resource::{self, Access, Resource},
};
use crate::backend::Address;
use crate::config::{self, Flags, Token};

const SECRET: &str = "the-token-of-the-operators-0123456789";
static TOKEN: LazyLock<Token> = LazyLock::new(|| {
    let yaml = format!(
        "listeners: [ {{ address: 127.0.0.1:1 }} ]\nroutes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}\n\
         admin: {{ address: 127.0.0.1:2, token: {SECRET} }}\n"
    );
    let loaded = config::parse("lb.yaml", &yaml, &Flags::default()).expect("a configuration");
    loaded.config.admin.and_then(|admin| admin.token).expect("a token")
});
const HOSTS: [&str; 2] = ["lb.example", "*.lb.example"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A request as text: method and path, fields, an empty line, a body.
pub(crate) fn admin(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")).take(100) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            headers.append(name, value);
        }
    }
    let path = path.split('?').next().unwrap_or_default();
    let head = RequestHead { method: &method, path, headers: &headers };
    for token in [None, Some(&*TOKEN)] {
        let hosts = HOSTS.map(Into::into);
        let [local, near, far] = [Exposure::UnixSocket, Exposure::Loopback, Exposure::Network]
            .map(|exposure| access::judge(head, AccessRules { exposure, token, hosts: &hosts }));
        // What may be done from afar may be done from here.
        assert!(far.is_err() || far == near, "{far:?} {near:?}");
        assert!(near.is_err() || near == local, "{near:?} {local:?}");
        for verdict in [local, near, far] {
            check(head, token, verdict);
        }
    }
    if let Ok(Resource::Change(verb, name)) = resource::find(&method, path).resource {
        if let Ok(address) = name.backend.parse::<Address>() {
            assert_eq!(address.to_string().parse().as_ref(), Ok(&address));
        }
        match Change::parse(verb, body.as_bytes()) {
            Ok(Change::Eject(Some(time))) => assert!(!time.is_zero() && time <= DAY),
            Ok(_) => {}
            Err(refused) => assert_eq!(refused.status, StatusCode::BAD_REQUEST),
        }
    }
}

fn check(head: RequestHead<'_>, token: Option<&Token>, verdict: Result<Resource, Denial>) {
    match verdict {
        Ok(_) => {
            let is_public = resource::find(head.method, head.path).access != Access::Token;
            let has_secret =
                |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(SECRET));
            let shown = head.headers.values().any(has_secret);
            assert!(is_public || token.is_none() || shown, "{} {}", head.method, head.path);
            let changes = ![Method::GET, Method::HEAD].contains(head.method);
            assert!(!changes || head.headers.contains_key("x-requested-with"));
        }
        Err(denial) => {
            let response = denial.response(head.path);
            assert!(response.status.is_client_error() || response.status.is_server_error());
            let body = String::from_utf8_lossy(&response.body);
            // A client that has sent it may see it again, in a host or a path.
            assert!(
                !body.contains(SECRET) || head.path.contains(SECRET) || denial_shows_host(&denial)
            );
        }
    }
}

fn denial_shows_host(denial: &Denial) -> bool {
    matches!(denial, Denial::Host(Some(host)) if host.contains(SECRET))
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("admin", super::admin);
    }
}
