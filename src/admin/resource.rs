//! What there is to ask for: a table of methods and paths.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use super::page::{self, File};

/// Something that can be asked for, or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    /// Whether it lives.
    Live,
    /// Whether it should be sent requests.
    Ready,
    /// A file of the status page.
    Page(&'static File),
    /// Gives the token a cookie.
    Login,
    /// Takes the cookie back.
    Logout,
    /// For Prometheus.
    Metrics,
    /// Everything about the pools.
    Status,
    /// One pool of it.
    Pool(Name),
    /// One backend of it.
    Backend(Name),
    /// Steers a backend.
    Change(Verb, Name),
    /// Loads the configuration anew.
    Reload,
    /// The configuration in force.
    Config,
    /// What happens, as it happens.
    Events,
    /// What would become of a request.
    Explain,
}

/// What can be done to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Drain,
    Undrain,
    Eject,
    Readmit,
    Weight,
}

/// A pool, or a backend of a pool, as the path names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) pool: String,
    pub(super) backend: String,
}

/// Who may ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody, under any name: it tells next to nothing, and the kubelet knows no token.
    Anybody,
    /// Everybody who calls us by one of our names: it carries no data.
    ByName,
    /// Who has the token as well.
    WithToken,
}

/// Why there is nothing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    /// Nothing has this path.
    Unknown,
    /// It can be asked for with these methods alone.
    Method(String),
}

/// What was found, and who may know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) access: Access,
    pub(super) resource: Result<Resource, Miss>,
}

struct Entry {
    method: Method,
    path: &'static str,
    access: Access,
    resource: fn(Name) -> Resource,
}

const fn get(path: &'static str, access: Access, resource: fn(Name) -> Resource) -> Entry {
    Entry { method: Method::GET, path, access, resource }
}

const fn change(method: Method, path: &'static str, resource: fn(Name) -> Resource) -> Entry {
    Entry { method, path, access: Access::WithToken, resource }
}

static TABLE: [Entry; 18] = [
    get("/live", Access::Anybody, |_| Resource::Live),
    get("/ready", Access::Anybody, |_| Resource::Ready),
    Entry {
        method: Method::POST,
        path: "/login",
        access: Access::ByName,
        resource: |_| Resource::Login,
    },
    Entry {
        method: Method::POST,
        path: "/logout",
        access: Access::ByName,
        resource: |_| Resource::Logout,
    },
    get("/metrics", Access::WithToken, |_| Resource::Metrics),
    get("/api/v1/status", Access::WithToken, |_| Resource::Status),
    get("/api/v1/pools", Access::WithToken, |_| Resource::Status),
    get("/api/v1/pools/{pool}", Access::WithToken, Resource::Pool),
    get("/api/v1/pools/{pool}/backends/{address}", Access::WithToken, Resource::Backend),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/drain", |name| {
        Resource::Change(Verb::Drain, name)
    }),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/undrain", |name| {
        Resource::Change(Verb::Undrain, name)
    }),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/eject", |name| {
        Resource::Change(Verb::Eject, name)
    }),
    change(Method::POST, "/api/v1/pools/{pool}/backends/{address}/readmit", |name| {
        Resource::Change(Verb::Readmit, name)
    }),
    change(Method::PUT, "/api/v1/pools/{pool}/backends/{address}/weight", |name| {
        Resource::Change(Verb::Weight, name)
    }),
    change(Method::POST, "/api/v1/reload", |_| Resource::Reload),
    get("/api/v1/config", Access::WithToken, |_| Resource::Config),
    get("/api/v1/events", Access::WithToken, |_| Resource::Events),
    get("/api/v1/explain", Access::WithToken, |_| Resource::Explain),
];

/// Looks up a request; the path is without its query.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    if let Some(file) = page::find(path) {
        let miss = || Miss::Method(allowed(&[&Method::GET]));
        let resource = (*method == Method::GET).then_some(Resource::Page(file)).ok_or_else(miss);
        return Found { access: Access::ByName, resource };
    }
    let matching: Vec<_> =
        TABLE.iter().filter_map(|entry| Some((entry, captured(entry.path, path)?))).collect();
    let Some((first, _)) = matching.first() else {
        return Found { access: Access::WithToken, resource: Err(Miss::Unknown) };
    };
    let access = first.access;
    let methods: Vec<_> = matching.iter().map(|(entry, _)| &entry.method).collect();
    let miss = || Miss::Method(allowed(&methods));
    let right = matching.iter().find(|(entry, _)| entry.method == *method);
    let resource = right.map(|(entry, name)| (entry.resource)(name.clone())).ok_or_else(miss);
    Found { access, resource }
}

/// All paths that there are, for whoever asks for another.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    page::paths().chain(TABLE.iter().map(|entry| entry.path))
}

/// What the braces of a pattern stand for in a path that matches it.
fn captured(pattern: &str, path: &str) -> Option<Name> {
    let mut name = Name::default();
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

/// A segment, of which something must be left.
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

    fn resource(method: Method, path: &str) -> Result<Resource, Miss> {
        find(&method, path).resource
    }

    #[test]
    fn names_in_paths_are_decoded() {
        let name =
            |pool: &str, backend: &str| Name { pool: pool.to_owned(), backend: backend.to_owned() };
        for (path, expected) in [
            ("/api/v1/pools/web", Resource::Pool(name("web", ""))),
            ("/api/v1/pools/a%2Fb%20c", Resource::Pool(name("a/b c", ""))),
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
        let expected = Resource::Change(Verb::Drain, name("web", "10.0.0.1:80"));
        assert_eq!(resource(Method::POST, path), Ok(expected));
    }

    #[test]
    fn nothing_is_elsewhere() {
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
                let expected = Found { access: Access::WithToken, resource: Err(Miss::Unknown) };
                assert_eq!(found, expected, "{method} {path}");
            }
        }
    }

    #[test]
    fn another_method_is_told_which_ones_would_do() {
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
            let expected = Err(Miss::Method(allowed.to_owned()));
            assert_eq!(resource(method.clone(), path), expected, "{method} {path}");
        }
    }

    #[test]
    fn only_what_tells_nothing_is_for_everybody() {
        let access = |path: &str| find(&Method::GET, path).access;
        for path in ["/live", "/ready"] {
            assert_eq!(access(path), Access::Anybody, "{path}");
        }
        for path in ["/login", "/logout"] {
            assert_eq!(access(path), Access::ByName, "{path}");
        }
        let others = TABLE.iter().skip(4);
        assert!(others.clone().count() > 0);
        for entry in others {
            assert_eq!(access(entry.path), Access::WithToken, "{}", entry.path);
        }
    }
}
