//! Path prefixes on segment boundaries, longest first.

/// The prefixes of one host, each with the index of its route.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// The prefixes, longest first, so that the first match is the most specific.
    prefixes: Vec<(Box<str>, usize)>,
}

impl Paths {
    /// Among prefixes of one length, of which at most one can match, the first inserted is first.
    pub(super) fn insert(&mut self, prefix: &str, route: usize) {
        let place = self.prefixes.partition_point(|(other, _)| other.len() >= prefix.len());
        self.prefixes.insert(place, (prefix.into(), route));
    }

    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.prefixes.iter().find(|(prefix, _)| covers(prefix, path)).map(|(_, route)| *route)
    }
}

/// Whether the prefix covers the path. The root covers everything, also the `*` of `OPTIONS *`.
fn covers(prefix: &str, path: &str) -> bool {
    prefix == "/"
        || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path up to the first `?`.
pub(super) fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        for path in ["/v1", "/v1/", "/v1/x", "/v1//"] {
            assert!(covers("/v1", path), "{path}");
        }
        for path in ["/v10", "/v1x/", "/v", "/", "", "/x/v1", "/v1%2Fx", "*"] {
            assert!(!covers("/v1", path), "{path}");
        }
    }

    #[test]
    fn the_root_covers_everything() {
        for path in ["/", "/x", "", "*"] {
            assert!(covers("/", path), "{path}");
        }
    }

    #[test]
    fn the_longest_prefix_is_found_in_any_order_of_insertion() {
        let prefixes = ["/a", "/a/b/c", "/", "/a/b"];
        for turn in 0..prefixes.len() {
            let mut paths = Paths::default();
            for index in (0..prefixes.len()).map(|index| (index + turn) % prefixes.len()) {
                paths.insert(prefixes[index], index);
            }
            let found = |path: &str| prefixes[paths.find(path).unwrap()];
            assert_eq!(found("/a/b/c/d"), "/a/b/c");
            assert_eq!(found("/a/b/d"), "/a/b");
            assert_eq!(found("/a/d"), "/a");
            assert_eq!(found("/d"), "/");
        }
    }
}
