//! Which route a request belongs to.
//!
//! # The most specific wins
//!
//! 1. Host: a route for exactly this host comes before one for a suffix of it, a longer suffix
//!    before a shorter one, and any suffix before a route without host.
//! 2. Path: within one host, the longest prefix that matches.
//!
//! The host decides first, but only if a path matches there: a host with nothing but `/v1` does not
//! hide the route for all hosts from its other paths. If two routes have the same host and path,
//! the first one written is used.
//!
//! # What is compared
//!
//! The host is compared without case, port, and the dot that may end a full name. The path is
//! compared as it was received, up to the query: nothing is decoded or resolved, because the
//! backend receives it that way too, and two readings of one path are a security hole.

mod path;

use std::collections::HashMap;

use crate::config::{HostPattern, Route};
use crate::host;

use path::Paths;

/// All routes, arranged for the search. A search costs one look-up for each label of the host and
/// one comparison for each path of the hosts that match; the number of hosts does not matter.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact: HashMap<Box<str>, Paths>,
    /// The suffixes, with the leading dot.
    suffixes: HashMap<Box<str>, Paths>,
    /// The length of the longest suffix, which limits the look-ups for a host of many dots.
    longest_suffix: usize,
    any_host: Paths,
}

impl RouteTable {
    /// A table of these routes.
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        Self::from_pairs(routes.iter().map(|route| (route.host.as_ref(), route.path.as_str())))
    }

    fn from_pairs<'a>(routes: impl Iterator<Item = (Option<&'a HostPattern>, &'a str)>) -> Self {
        let mut table = Self::default();
        for (index, (host, path)) in routes.enumerate() {
            table.paths_of(host).insert(path, index);
        }
        table
    }

    fn paths_of(&mut self, host: Option<&HostPattern>) -> &mut Paths {
        match host {
            None => &mut self.any_host,
            Some(HostPattern::Exact(host)) => self.exact.entry(host.clone()).or_default(),
            Some(HostPattern::Suffix(suffix)) => {
                self.longest_suffix = self.longest_suffix.max(suffix.len());
                self.suffixes.entry(suffix.clone()).or_default()
            }
        }
    }

    /// The index, among the routes given to [`RouteTable::new`], of the route for this request;
    /// `None` when no route matches.
    ///
    /// `host` as the client sent it, a port included; `path` as the client sent it, a query
    /// included.
    #[must_use]
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<usize> {
        let path = path::without_query(path);
        let has_hosts = !self.exact.is_empty() || !self.suffixes.is_empty();
        host.filter(|_| has_hosts)
            .and_then(|host| self.find_for_host(&host::canonical(host), path))
            .or_else(|| self.any_host.find(path))
    }

    fn find_for_host(&self, host: &str, path: &str) -> Option<usize> {
        let find_in = |hosts: &HashMap<Box<str>, Paths>, host: &str| hosts.get(host)?.find(path);
        find_in(&self.exact, host).or_else(|| {
            host::suffixes(host, self.longest_suffix)
                .find_map(|suffix| find_in(&self.suffixes, suffix))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&str, &str)]) -> RouteTable {
        let routes: Vec<_> = routes.iter().map(|(host, path)| (pattern(host), *path)).collect();
        RouteTable::from_pairs(routes.iter().map(|(host, path)| (host.as_ref(), *path)))
    }

    /// A pattern as the configuration writes it; empty for any host.
    fn pattern(host: &str) -> Option<HostPattern> {
        match host.strip_prefix('*') {
            _ if host.is_empty() => None,
            Some(suffix) => Some(HostPattern::Suffix(suffix.into())),
            None => Some(HostPattern::Exact(host.into())),
        }
    }

    /// The route found, as it was written.
    fn found<'a>(routes: &[(&'a str, &'a str)], host: &str, path: &str) -> Option<String> {
        let index = table(routes).find((!host.is_empty()).then_some(host), path)?;
        Some(format!("{}{}", routes[index].0, routes[index].1))
    }

    #[test]
    fn the_most_specific_wins() {
        let mut routes = vec![
            ("", "/"),
            ("", "/v1"),
            ("*.example.com", "/"),
            ("*.eu.example.com", "/"),
            ("*.eu.example.com", "/v1/users"),
            ("api.example.com", "/v1"),
            ("api.example.com", "/v1/users"),
            ("api.eu.example.com", "/admin"),
        ];
        let cases = [
            // Exact host, longest path.
            ("api.example.com", "/v1/users/7", "api.example.com/v1/users"),
            ("api.example.com", "/v1/user", "api.example.com/v1"),
            // Exact before suffix, longer suffix before shorter.
            ("api.eu.example.com", "/admin", "api.eu.example.com/admin"),
            ("www.eu.example.com", "/", "*.eu.example.com/"),
            ("www.us.example.com", "/", "*.example.com/"),
            // The host comes before the path.
            ("www.example.com", "/v1", "*.example.com/"),
            ("www.eu.example.com", "/v1", "*.eu.example.com/"),
            // A host without a matching path falls through, level by level.
            ("api.example.com", "/", "*.example.com/"),
            ("api.eu.example.com", "/v1/users", "*.eu.example.com/v1/users"),
            // A suffix needs something before it.
            ("example.com", "/v1", "/v1"),
            ("eu.example.com", "/v1", "*.example.com/"),
            ("badexample.com", "/", "/"),
            // No host at all.
            ("", "/v1/x", "/v1"),
            ("", "/x", "/"),
        ];
        for _ in 0..2 {
            for (host, path, expected) in cases {
                assert_eq!(found(&routes, host, path).as_deref(), Some(expected), "{host} {path}");
            }
            routes.reverse();
        }
    }

    #[test]
    fn without_a_route_for_all_hosts_a_request_may_match_none() {
        let routes = [("api.example.com", "/v1"), ("*.example.org", "/")];
        assert_eq!(found(&routes, "api.example.com", "/"), None);
        assert_eq!(found(&routes, "www.example.com", "/v1"), None);
        assert_eq!(found(&routes, "", "/v1"), None);
        assert_eq!(RouteTable::new(&[]).find(Some("a"), "/"), None);
    }

    #[test]
    fn case_port_and_final_dot_of_the_host_do_not_matter() {
        let routes = [("api.example.com", "/"), ("*.example.org", "/"), ("[::1]", "/")];
        for host in
            ["API.Example.com", "api.example.com:8080", "api.example.com.", "aPi.example.com.:80"]
        {
            assert_eq!(found(&routes, host, "/").as_deref(), Some("api.example.com/"), "{host}");
        }
        assert_eq!(found(&routes, "A.EXAMPLE.org:1", "/").as_deref(), Some("*.example.org/"));
        assert_eq!(found(&routes, "[::1]:8080", "/").as_deref(), Some("[::1]/"));
    }

    #[test]
    fn the_query_is_not_part_of_the_path() {
        let routes = [("", "/v1"), ("", "/v1/x")];
        assert_eq!(found(&routes, "", "/v1?next=/v1/x").as_deref(), Some("/v1"));
        assert_eq!(found(&routes, "", "/v1/x?").as_deref(), Some("/v1/x"));
        assert_eq!(found(&routes, "", "/v2?/v1"), None);
    }

    #[test]
    fn the_path_is_compared_as_received() {
        let routes = [("", "/v1")];
        for path in ["/V1", "/%761", "/x/../v1", "//v1"] {
            assert_eq!(found(&routes, "", path), None, "{path}");
        }
    }

    #[test]
    fn of_two_equal_routes_the_first_written_is_used() {
        assert_eq!(table(&[("a", "/"), ("a", "/")]).find(Some("a"), "/"), Some(0));
    }

    #[test]
    fn one_of_a_thousand_hosts_is_found() {
        let hosts: Vec<String> = (0..1000).map(|n| format!("host{n}.example.com")).collect();
        let routes: Vec<_> = hosts.iter().map(|host| (host.as_str(), "/")).collect();
        let table = table(&routes);
        for (index, host) in hosts.iter().enumerate() {
            assert_eq!(table.find(Some(host), "/x"), Some(index));
        }
    }
}
