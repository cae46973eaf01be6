//! Names of pools, from names that other balancers allow.

/// The name of a pool without anything to name it after.
const FALLBACK: &str = "pool";

/// The text in characters that the name of a pool may have; it may be empty.
pub(super) fn plain(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' };
    text.chars().map(allowed).collect::<String>().trim_matches('-').to_owned()
}

/// The first of the names that is not taken: the name itself, with a part behind it, with a number.
pub(super) fn unique(name: &str, part: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let (name, part) = (plain(name), plain(part));
    let name = if name.is_empty() { FALLBACK.to_owned() } else { name };
    let longer = (!part.is_empty()).then(|| format!("{name}-{part}"));
    let numbered = (2..).map(|number: usize| format!("{name}-{number}"));
    let mut names = [Some(name.clone()), longer].into_iter().flatten().chain(numbered);
    names.find(|name| !is_taken(name)).unwrap_or(name)
}
