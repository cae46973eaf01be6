//! The words of routes.

use super::{
    meaning::{
        Meanings,
        Use::{Key, NotYet},
    },
    texts::{AUTHENTICATION, BODY, BODY_WORDS, CACHE, COMPRESSION, MIRROR, RATE},
};

pub(super) const ROUTE: Meanings = &[
    (
        &[
            "backend",
            "backends",
            "upstream",
            "service",
            "target",
            "cluster",
            "proxy_pass",
            "to",
            "use_backend",
            "destination",
        ],
        Key("pool"),
    ),
    (&["location", "prefix", "path_prefix", "uri", "url", "paths"], Key("path")),
    (
        &["server_name", "server_names", "domain", "domains", "hostname", "hostnames", "hosts"],
        Key("host"),
    ),
    (
        &["rewrite", "rewrites", "strip_prefix", "strip_path", "replace_path", "url_rewrite"],
        NotYet("a route does not change the path"),
    ),
    (
        &["redirect", "redirects", "return"],
        NotYet(
            "a route does not redirect; a listener does, to HTTPS, with \"redirect_to_https: true\"",
        ),
    ),
    (
        &[
            "headers",
            "header",
            "add_header",
            "set_header",
            "add_headers",
            "set_headers",
            "request_headers",
            "response_headers",
            "remove_headers",
        ],
        NotYet("a route does not look at headers, and does not change them"),
    ),
    (
        &["method", "methods", "query", "regex", "path_regex", "path_regexp", "match", "exact"],
        NotYet("a route looks at the host and at a prefix of the path, and at nothing else"),
    ),
    (
        &["split", "weights", "weight", "canary", "traffic_split", "pools"],
        NotYet("a route leads to one pool; weights are of backends"),
    ),
    (
        &["root", "static", "files", "file_server", "respond", "index", "try_files"],
        NotYet("lb does not answer from files"),
    ),
    (
        &["allow", "deny", "acl", "ip_allow", "whitelist", "blacklist"],
        NotYet("lb does not refuse clients by their address"),
    ),
    (&["rate_limit", "limit_req", "limit"], NotYet(RATE)),
    (&["auth", "basic_auth", "jwt", "oauth"], NotYet(AUTHENTICATION)),
    (&["gzip", "compress", "compression", "encode"], NotYet(COMPRESSION)),
    (&["cache", "proxy_cache"], NotYet(CACHE)),
    (&["mirror", "shadow"], NotYet(MIRROR)),
    (BODY_WORDS, NotYet(BODY)),
    (&["cors"], NotYet("lb does not answer CORS requests itself")),
];
