//! Other files whose listeners, routes and pools are added to those of the first one.
//!
//! They are added to the tree before it is read, so that a name which two files give is found like one
//! that a single file gives twice, and each problem names the file and the line where it is.

use std::path::Path;

use crate::config::{
    document::{Cursor, Entry, Node, Report, Value, read_tree},
    foreign,
    keys::{
        Row, is_free,
        listeners::{LISTENERS, ROUTES},
        pools::POOLS,
        process::INCLUDE,
    },
    origin::Origin,
    outside::Outside,
    wording::{LINE, escaped},
};

/// The keys that an included file may have.
const PARTS: [&dyn Row; 3] = [&LISTENERS, &ROUTES, &POOLS];

/// A file that is included: its path and its text.
type Part = (String, String);

/// Adds the included files to the root of the first one, whose path is `first`.
pub(super) fn include(root: &mut Node, first: &Path, outside: &Outside, report: &Report) {
    for (path, text) in parts(root, first, outside, report) {
        let alone = Report::default();
        let part = read_tree(&path, &text, outside, &alone);
        let has_known_key =
            part.as_ref().is_some_and(|part| Cursor::root(part, &alone).has_known_key());
        if !has_known_key && let Some(message) = foreign::recognised(&path, &text) {
            report.add(Origin::file(&*path, 0), message);
            continue;
        }
        alone.move_to(report);
        if let Some(part) = part {
            add(root, part, report);
        }
    }
}

/// Reads the included files, in the order of the patterns and of the names.
fn parts(root: &Node, first: &Path, outside: &Outside, report: &Report) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for pattern in Cursor::root(root, report).texts(INCLUDE.name()) {
        // What is wrong with the pattern itself is reported by the reader.
        let Some(text) = pattern.text().filter(|text| INCLUDE.check(text).is_ok()) else {
            continue;
        };
        let names = matching(text, outside).unwrap_or_else(|reason| {
            pattern.problem(format!("{} {reason}", escaped(text, LINE)));
            Vec::new()
        });
        for name in names {
            let path = outside.path(&name);
            let shown = path.display().to_string();
            let is_known = |known: &str| outside.is_same(Path::new(known), &path);
            if outside.is_same(first, &path) || parts.iter().any(|(known, _)| is_known(known)) {
                continue;
            }
            match outside.text(&name) {
                Ok(text) => parts.push((shown, text)),
                Err(reason) => pattern.problem(format!("{} {reason}", escaped(&shown, LINE))),
            }
        }
    }
    parts
}

/// The files that a pattern names; without a `*` or `?` it names one.
fn matching(pattern: &str, outside: &Outside) -> Result<Vec<String>, String> {
    if !pattern.contains(['*', '?']) {
        return match outside.is_folder(pattern) {
            true => Err(format!("is a directory (write {}/*.yaml)", pattern.trim_end_matches('/'))),
            false => Ok(vec![pattern.to_owned()]),
        };
    }
    let (folder, pattern) = match pattern.rsplit_once('/') {
        Some((folder, pattern)) => (format!("{folder}/"), pattern),
        None => (String::new(), pattern),
    };
    let mut names = outside.names(&folder)?;
    names.retain(|name| is_match(pattern, name));
    names.sort();
    Ok(names.into_iter().map(|name| format!("{folder}{name}")).collect())
}

/// Whether a name is one of those that a pattern means. As in a shell, a name that begins with a dot
/// has to be named with it.
fn is_match(pattern: &str, name: &str) -> bool {
    fn rest(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', pattern @ ..], _) => {
                (0..=name.len()).any(|taken| rest(pattern, &name[taken..]))
            }
            ([b'?', pattern @ ..], [_, name @ ..]) => rest(pattern, name),
            ([one, pattern @ ..], [other, name @ ..]) => one == other && rest(pattern, name),
            _ => false,
        }
    }
    name.starts_with('.') == pattern.starts_with('.') && rest(pattern.as_bytes(), name.as_bytes())
}

/// Adds the keys of an included file to the root.
fn add(root: &mut Node, part: Node, report: &Report) {
    let cursor = Cursor::root(&part, report);
    let Value::Mapping(entries) = &part.value else {
        cursor.problem(format!(
            "must be a mapping with listeners, routes or pools, {}",
            cursor.found()
        ));
        return;
    };
    for (key, cursor) in cursor.entries("a mapping").unwrap_or_default() {
        let Some(entry) = entries.iter().find(|it| it.key == key).filter(|_| !is_free(key)) else {
            continue;
        };
        match PARTS.iter().find(|row| row.name() == key) {
            Some(row) if cursor.is_like(*row) => extend(root, entry),
            Some(row) => {
                cursor.problem(format!("must be {}, {}", row.expected(), cursor.found()));
            }
            None if key == INCLUDE.name() => {
                cursor.problem("an included file cannot include others (name them in the first file)");
            }
            None => cursor.problem(
                "cannot be in an included file, which has listeners, routes and pools (move it to the \
                 file that includes this one)",
            ),
        }
    }
}

/// Adds what an entry has to the entry of the same key in the root.
fn extend(root: &mut Node, added: &Entry) {
    let Value::Mapping(entries) = &mut root.value else { return };
    let Some(entry) = entries.iter_mut().find(|entry| entry.key == added.key) else {
        entries.push(added.clone());
        return;
    };
    match (&mut entry.node.value, &added.node.value) {
        (Value::List(known), Value::List(nodes)) => known.extend(nodes.iter().cloned()),
        (Value::Mapping(known), Value::Mapping(entries)) => known.extend(entries.iter().cloned()),
        (known @ Value::Nothing, value) => *known = value.clone(),
        // The reader refuses what the first file has.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_names_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".yaml", false),
            ("*.yaml", "a.yaml~", false),
            ("*.yaml", ".a.yaml", false),
            (".*", ".a.yaml", true),
            ("?0-*.yaml", "10-shop.yaml", true),
            ("?0-*.yaml", "110-shop.yaml", false),
            ("a*b*c", "axxbxxbc", true),
            ("a*b*c", "axxbxxb", false),
            ("*", "", true),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }
}
