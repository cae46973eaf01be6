//! Files that import each other in a circle: none of them can be understood, tested or moved
//! without the others.
//!
//! In each folder of a module, files and subfolders are treated alike. A folder imports everything
//! that a file in it imports.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use super::{imports, source::sources};

/// Files and folders of one folder, each of which leads to all the others.
pub(crate) struct Circle {
    /// The folder that holds them, relative to `src`.
    folder: String,
    names: Vec<String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}: {}", self.folder, self.names.join(" ↔ "))
    }
}

/// The names that a name imports.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// Every circle in `src`.
pub(crate) fn in_sources() -> Vec<Circle> {
    let mut folders: BTreeMap<String, Edges> = BTreeMap::new();
    for file in sources() {
        for target in imports::files_named(&file.path, &file.code) {
            if let Some((folder, from, to)) = where_they_part(&file.path, &target) {
                let edges = folders.entry(folder).or_default();
                edges.entry(from).or_default().insert(to);
            }
        }
    }
    // The modules themselves have layers.
    folders.remove("");
    let found = folders.into_iter().flat_map(|(folder, edges)| {
        circles_of(&edges).into_iter().map(move |names| Circle { folder: folder.clone(), names })
    });
    found.collect()
}

/// The innermost folder that holds both files, and the name in it that leads to each.
fn where_they_part(from: &Path, to: &Path) -> Option<(String, String, String)> {
    let names = |path: &Path| -> Vec<String> {
        path.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let (from, to) = (names(from), names(to));
    let part = from.iter().zip(&to).position(|(from, to)| from != to)?;
    Some((from[..part].join("/"), from[part].clone(), to[part].clone()))
}

fn circles_of(edges: &Edges) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        edges.keys().map(|name| (name, all_reached(name, edges))).collect();
    let leads = |from: &String, to: &String| reached.get(from).is_some_and(|all| all.contains(to));
    let mut circles = BTreeSet::new();
    for name in edges.keys().filter(|name| leads(name, name)) {
        let both = edges.keys().filter(|other| leads(name, other) && leads(other, name));
        circles.insert(both.cloned().collect::<Vec<_>>());
    }
    circles.into_iter().collect()
}

fn all_reached<'a>(from: &String, edges: &'a Edges) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&String> = edges.get(from).into_iter().flatten().collect();
    while let Some(name) = next.pop() {
        if reached.insert(name) {
            next.extend(edges.get(name).into_iter().flatten());
        }
    }
    reached
}
