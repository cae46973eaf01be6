//! Which certificates suit a name: those for exactly this name, else those for any first part, else
//! the first one.

use std::collections::HashMap;

/// Places of certificates by the names that they are for.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By what follows the first part: `example.com` of `*.example.com`.
    wildcard: HashMap<Box<str>, Vec<usize>>,
    /// The first certificate, and the others with the same names.
    first: Vec<usize>,
}

impl Names {
    /// Certificates in the order in which they are preferred, with their names in lower case.
    pub(super) fn new<'a>(certificates: impl Iterator<Item = &'a [Box<str>]>) -> Self {
        let (mut all, mut first_names) = (Self::default(), None);
        for (place, names) in certificates.enumerate() {
            if *first_names.get_or_insert(names) == names {
                all.first.push(place);
            }
            for name in names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut all.wildcard, rest),
                    None => (&mut all.exact, &**name),
                };
                map.entry(name.into()).or_default().push(place);
            }
        }
        all
    }

    /// The certificates for this name, which is in lower case.
    pub(super) fn find(&self, name: &str) -> Option<&[usize]> {
        let exact = self.exact.get(name);
        let wildcard = || name.split_once('.').and_then(|(_, rest)| self.wildcard.get(rest));
        exact.or_else(wildcard).map(Vec::as_slice)
    }

    /// The certificates for a client that asks for no name.
    pub(super) fn first(&self) -> &[usize] {
        &self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(certificates: &[&[&str]]) -> Names {
        let owned: Vec<Vec<Box<str>>> = certificates
            .iter()
            .map(|names| names.iter().map(|name| (*name).into()).collect())
            .collect();
        Names::new(owned.iter().map(Vec::as_slice))
    }

    #[test]
    fn an_exact_name_comes_before_a_wildcard_and_that_before_the_first() {
        let names = names(&[
            &["shop.example", "www.shop.example"],
            &["*.example"],
            &["shop.example", "www.shop.example"],
            &["api.example"],
        ]);
        let cases: [(&str, Option<&[usize]>); 6] = [
            ("shop.example", Some(&[0, 2])),
            ("api.example", Some(&[3])),
            ("other.example", Some(&[1])),
            ("a.b.example", None),
            ("example", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(names.find(name), expected, "{name}");
        }
        assert_eq!(names.first(), [0, 2]);
    }
}
