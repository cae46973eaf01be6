//! The README is short, and its numbers are those of the book.

use std::{collections::BTreeSet, fs};

use super::page::root;

/// Its lines: what a newcomer reads before the first try.
const LONGEST: usize = 160;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of all tables with a number in them.
fn figures(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let cells = rows.flat_map(|row| row.trim_matches('|').split(" | "));
    let is_figure = |cell: &String| cell.chars().all(|c| c.is_ascii_digit() || ".,".contains(c));
    let plain = cells.map(|cell| cell.trim().trim_matches('*').to_owned());
    plain.filter(|cell| !cell.is_empty()).filter(is_figure).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= LONGEST, "{lines} lines: details belong into docs/");
}

#[test]
fn the_figures_of_the_readme_are_those_of_the_page() {
    let readme = figures(&read("README.md"));
    assert!(readme.len() > 6, "{readme:?}");
    let page = figures(&read("docs/src/performance.md"));
    let other: Vec<_> = readme.difference(&page).collect();
    assert!(other.is_empty(), "{other:?} are not in docs/src/performance.md");
}
