//! Links lead somewhere, and the book has every page.

use std::path::{Component, Path, PathBuf};

use super::page::{Page, all, book, root};

/// The path without `..` in it.
fn joined(folder: &Path, target: &str) -> PathBuf {
    folder.join(target).components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => drop(path.pop()),
            other => path.push(other),
        }
        path
    })
}

/// What is wrong with a link; `None` if it leads somewhere.
fn fault(pages: &[Page], page: &Page, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    if target.contains(':') {
        return Some(format!("{target} is neither a file nor https"));
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.path.clone(),
        file => joined(page.path.parent().expect("a file"), file),
    };
    if !root().join(&path).exists() {
        return Some(format!("{} does not exist", path.display()));
    }
    if page.path.starts_with("docs/src") && !path.starts_with("docs/src") {
        return Some(format!("{} is not in the book: name it as code", path.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    let Some(other) = pages.iter().find(|other| other.path == path) else {
        return Some(format!("{} has no anchors", path.display()));
    };
    let has_anchor = other.anchors().iter().any(|it| it == anchor);
    (!has_anchor).then(|| format!("{} has no heading for #{anchor}", path.display()))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = all();
    let mut found = 0;
    let mut faults = Vec::new();
    for page in &pages {
        for (target, line) in page.links() {
            found += 1;
            let fault = fault(&pages, page, &target);
            faults.extend(fault.map(|fault| format!("{}: {fault}", page.at(line))));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(found > 50, "{found}");
}

#[test]
fn the_book_has_every_page_once() {
    let pages = book();
    let summary = pages.iter().find(|page| page.path.ends_with("SUMMARY.md")).expect("a summary");
    let mut listed: Vec<_> = summary.links().into_iter().map(|(target, _)| target).collect();
    listed.sort();
    let inside = |page: &Page| page.path.strip_prefix("docs/src").unwrap().display().to_string();
    let mut all: Vec<_> = pages.iter().map(inside).filter(|it| it != "SUMMARY.md").collect();
    all.sort();
    assert_eq!(listed, all);
}
