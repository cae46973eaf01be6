//! The resources of the listener: a table of methods and paths.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::admin::{
    change::{BackendName, ChangeVerb},
    page::{self, File},
};

/// The resource that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    /// Whether the process lives.
    Live,
    /// Whether it should get requests.
    Ready,
    /// A file of the status page.
    Page(&'static File),
    /// Exchanges the token for a cookie.
    Login,
    /// Removes that cookie.
    Logout,
    /// The metrics, for Prometheus.
    Metrics,
    /// The state of all pools.
    Status,
    /// The state of the pool with this name.
    Pool(String),
    /// The state of one backend.
    Backend(BackendName),
    /// Changes a backend.
    Change(ChangeVerb, BackendName),
    /// Loads the configuration file.
    Reload,
    /// The certificates of all listeners.
    Certificates,
    /// The configuration in force.
    Config,
    /// Events as they happen.
    Events,
    /// How a request would be served.
    Explain,
}

/// The requirements for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// None: these paths reveal almost nothing, and the kubelet has no token.
    Public,
    /// One of our names in `Host`; these paths carry no data.
    KnownHost,
    /// One of our names in `Host`, and the token.
    Token,
}

/// The reason why a request names no resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoResource {
    /// Nothing has this path.
    UnknownPath,
    /// The path exists with other methods; these, as `Allow` lists them.
    WrongMethod(String),
}

/// The resource of a request, and the requirements for an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) access: Access,
    pub(super) resource: Result<Resource, NoResource>,
}

struct Entry {
    method: Method,
    path: &'static str,
    access: Access,
    resource: fn(BackendName) -> Resource,
}

const fn get(path: &'static str, access: Access, resource: fn(BackendName) -> Resource) -> Entry {
    Entry { method: Method::GET, path, access, resource }
}

const fn change(
    method: Method,
    path: &'static str,
    resource: fn(BackendName) -> Resource,
) -> Entry {
    Entry { method, path, access: Access::Token, resource }
}

static TABLE: [Entry; 19] = [
    get("/live", Access::Public, |_| Resource::Live),
    get("/ready", Access::Public, |_| Resource::Ready),
    Entry {
        method: Method::POST,
        path: "/login",
        access: Access::KnownHost,
        resource: |_| Resource::Login,
    },
    Entry {
        method: Method::POST,
        path: "/logout",
        access: Access::KnownHost,
        resource: |_| Resource::Logout,
    },
    get("/metrics", Access::Token, |_| Resource::Metrics),
    get("/api/v1/status", Access::Token, |_| Resource::Status),
    get("/api/v1/pools", Access::Token, |_| Resource::Status),
    get("/api/v1/pools/{pool}", Access::Token, |name| Resource::Pool(name.pool)),
    get("/api/v1/pools/{pool}/backends/{address}", Access::Token, Resource::Backend),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/drain", |name| {
        Resource::Change(ChangeVerb::Drain, name)
    }),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/undrain", |name| {
        Resource::Change(ChangeVerb::Undrain, name)
    }),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/eject", |name| {
        Resource::Change(ChangeVerb::Eject, name)
    }),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/readmit", |name| {
        Resource::Change(ChangeVerb::Readmit, name)
    }),
    change(Method::PUT, "/api/v1/pools/{pool}/backends/{address}/weight", |name| {
        Resource::Change(ChangeVerb::Weight, name)
    }),
    change(Method::POST, "/api/v1/reload", |_| Resource::Reload),
    get("/api/v1/certificates", Access::Token, |_| Resource::Certificates),
    get("/api/v1/config", Access::Token, |_| Resource::Config),
    get("/api/v1/events", Access::Token, |_| Resource::Events),
    get("/api/v1/explain", Access::Token, |_| Resource::Explain),
];

/// Looks up a request; the path is without its query.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    if let Some(file) = page::find(path) {
        let miss = || NoResource::WrongMethod(allowed(&[&Method::GET]));
        let resource = (*method == Method::GET).then_some(Resource::Page(file)).ok_or_else(miss);
        return Found { access: Access::KnownHost, resource };
    }
    let matching: Vec<_> =
        TABLE.iter().filter_map(|entry| Some((entry, captured(entry.path, path)?))).collect();
    let Some((first, _)) = matching.first() else {
        return Found { access: Access::Token, resource: Err(NoResource::UnknownPath) };
    };
    let access = first.access;
    let methods: Vec<_> = matching.iter().map(|(entry, _)| &entry.method).collect();
    let miss = || NoResource::WrongMethod(allowed(&methods));
    let right = matching.iter().find(|(entry, _)| entry.method == *method);
    let resource = right.map(|(entry, name)| (entry.resource)(name.clone())).ok_or_else(miss);
    Found { access, resource }
}

/// Every path, for the response to an unknown one.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    page::paths().chain(TABLE.iter().map(|entry| entry.path))
}

/// Returns the values of a pattern's braces in a path that matches it.
fn captured(pattern: &str, path: &str) -> Option<BackendName> {
    let mut name = BackendName::default();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let found = segments.next()?;
        match expected {
            "{pool}" => name.pool = decoded(found)?,
            "{address}" => name.backend = decoded(found)?,
            _ if expected == found => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(name)
}

/// A segment, percent-decoded. It must not be empty.
fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned);
    text.filter(|text| !text.is_empty())
}

fn allowed(methods: &[&Method]) -> String {
    let with_head = methods.iter().map(|method| match **method {
        Method::GET => "GET, HEAD",
        ref other => other.as_str(),
    });
    with_head.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(method: Method, path: &str) -> Result<Resource, NoResource> {
        find(&method, path).resource
    }

    #[test]
    fn names_in_paths_are_decoded() {
        let name = |pool: &str, backend: &str| BackendName {
            pool: pool.to_owned(),
            backend: backend.to_owned(),
        };
        for (path, expected) in [
            ("/api/v1/pools/web", Resource::Pool("web".to_owned())),
            ("/api/v1/pools/a%2Fb%20c", Resource::Pool("a/b c".to_owned())),
            (
                "/api/v1/pools/web/backends/%5B%3A%3A1%5D%3A9001",
                Resource::Backend(name("web", "[::1]:9001")),
            ),
            ("/api/v1/pools/web/backends/[::1]:9001", Resource::Backend(name("web", "[::1]:9001"))),
        ] {
            assert_eq!(resource(Method::GET, path), Ok(expected.clone()), "{path}");
            assert_eq!(resource(Method::HEAD, path), Ok(expected), "{path}");
        }
        let path = "/api/v1/pools/web/backends/10.0.0.1:80/drain";
        let expected = Resource::Change(ChangeVerb::Drain, name("web", "10.0.0.1:80"));
        assert_eq!(resource(Method::POST, path), Ok(expected));
    }

    #[test]
    fn unknown_paths_lead_nowhere() {
        for path in [
            "",
            "*",
            "/ready/",
            "/livez",
            "/LIVE",
            "//ready",
            "/live/ready",
            "/%6Cive",
            "/api",
            "/api/v1/pools/",
            "/api/v1/pools/%ff",
            "/api/v1/pools/web/backends",
            "/api/v1/pools/web/backends/1.2.3.4:5/stop",
        ] {
            for method in [Method::GET, Method::POST] {
                let found = find(&method, path);
                let expected =
                    Found { access: Access::Token, resource: Err(NoResource::UnknownPath) };
                assert_eq!(found, expected, "{method} {path}");
            }
        }
    }

    #[test]
    fn a_wrong_method_is_answered_with_the_right_ones() {
        let drain = "/api/v1/pools/web/backends/1.2.3.4:5/drain";
        let weight = "/api/v1/pools/web/backends/1.2.3.4:5/weight";
        for (method, path, allowed) in [
            (Method::POST, "/live", "GET, HEAD"),
            (Method::OPTIONS, "/ready", "GET, HEAD"),
            (Method::DELETE, "/api/v1/pools/web", "GET, HEAD"),
            (Method::GET, drain, "POST"),
            (Method::HEAD, drain, "POST"),
            (Method::POST, weight, "PUT"),
            (Method::OPTIONS, weight, "PUT"),
            (Method::GET, "/login", "POST"),
        ] {
            let expected = Err(NoResource::WrongMethod(allowed.to_owned()));
            assert_eq!(resource(method.clone(), path), expected, "{method} {path}");
        }
    }

    #[test]
    fn only_paths_without_data_are_public() {
        let access = |path: &str| find(&Method::GET, path).access;
        for path in ["/live", "/ready"] {
            assert_eq!(access(path), Access::Public, "{path}");
        }
        for path in ["/login", "/logout"] {
            assert_eq!(access(path), Access::KnownHost, "{path}");
        }
        let others = TABLE.iter().skip(4);
        assert!(others.clone().count() > 0);
        for entry in others {
            assert_eq!(access(entry.path), Access::Token, "{}", entry.path);
        }
    }
}
