//! The resolution of import paths to files.

use std::path::{Path, PathBuf};

use super::source::{is_in_a_word, root};

/// A path in code, from the root of the crate: `["admin", "metrics", "scrape"]`.
type Segments = Vec<String>;

/// The files of `src` that the code of this file names, without re-exports.
pub(crate) fn files_named(file: &Path, code: &str) -> Vec<PathBuf> {
    let here = module_of(file);
    let code = without_re_exports(code);
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        // `super::super::` is found as a whole, at its beginning; `pub(in crate::…)` imports nothing.
        let before = &code[..at];
        let is_path = !before.ends_with("super::") && !before.ends_with("pub(in ");
        if !before.ends_with(is_in_a_word) && is_path {
            expand(&code[at..], &mut vec![], &mut paths);
        }
    }
    let mut targets: Vec<_> =
        paths.into_iter().filter_map(|path| target(&absolute(&here, path)?)).collect();
    if file.ends_with("mod.rs") {
        targets.extend(children_named(file, &code));
    }
    targets
}

/// The children that a `mod.rs` names without `super::` or `crate::`.
fn children_named(file: &Path, code: &str) -> Vec<PathBuf> {
    let here = module_of(file);
    let is_named = |child: &str| {
        let path = format!("{child}::");
        code.match_indices(&path)
            .any(|(at, _)| !code[..at].ends_with(is_in_a_word) && !code[..at].ends_with("::"))
    };
    declared_modules(code)
        .filter(|child| is_named(child))
        .filter_map(|child| target(&[here.clone(), vec![child.to_owned()]].concat()))
        .collect()
}

fn declared_modules(code: &str) -> impl Iterator<Item = &str> {
    let declarations = code.lines().filter_map(|line| line.trim().strip_suffix(';'));
    declarations.filter_map(|line| line.split_once("mod ").map(|(_, name)| name))
}

/// The code without `pub use child::…;`.
fn without_re_exports(code: &str) -> String {
    let mut statements = code.split_inclusive(';');
    let mut kept = String::new();
    for statement in &mut statements {
        let is_re_export = statement.trim_start().starts_with("pub use ")
            || statement.trim_start().starts_with("pub(") && statement.contains(") use ");
        if !is_re_export {
            kept.push_str(statement);
        }
    }
    kept
}

/// Collects the paths that this text begins with: several where it has `{…}`.
fn expand<'a>(text: &'a str, prefix: &mut Segments, paths: &mut Vec<Segments>) -> &'a str {
    let end = text.find(|c| !is_in_a_word(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    prefix.push(name.to_owned());
    match rest.strip_prefix("::") {
        Some(more) if more.starts_with('{') => {
            rest = &more[1..];
            loop {
                rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
                match rest.strip_prefix('}') {
                    Some(after) => {
                        rest = after;
                        break;
                    }
                    None if rest.is_empty() => break,
                    None => rest = after_item(expand(rest, prefix, paths)),
                }
            }
        }
        Some(more) => rest = expand(more, prefix, paths),
        None => paths.push(prefix.clone()),
    }
    prefix.pop();
    rest
}

/// The text behind an item of a list, such as behind ` as name`.
fn after_item(text: &str) -> &str {
    &text[text.find([',', '}']).unwrap_or(text.len())..]
}

/// `["admin", "metrics"]` of `admin/metrics/mod.rs`.
fn module_of(file: &Path) -> Segments {
    let path = file.with_extension("");
    let names = path.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

fn absolute(here: &Segments, path: Segments) -> Option<Segments> {
    let mut base = if path.first()? == "crate" { vec![] } else { here.clone() };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(base.pop()?),
            _ => base.push(name),
        }
    }
    Some(base)
}

/// The file that defines what this path names.
fn target(path: &[String]) -> Option<PathBuf> {
    let src = root().join("src");
    let mut folder = PathBuf::new();
    for (index, name) in path.iter().enumerate() {
        let file = folder.join(format!("{name}.rs"));
        if src.join(&file).is_file() {
            return Some(file);
        }
        if src.join(&folder).join(name).join("mod.rs").is_file() {
            folder.push(name);
            continue;
        }
        let passed_on = passed_on_from(&src.join(&folder).join("mod.rs"), name);
        return match passed_on {
            Some(child) => {
                let inner = [&path[..index], &[child], &path[index..]].concat();
                target(&inner)
            }
            None => Some(folder.join("mod.rs")),
        };
    }
    Some(folder.join("mod.rs"))
}

/// The child from which a `mod.rs` re-exports this name.
fn passed_on_from(module: &Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(module).ok()?;
    let children: Vec<&str> = declared_modules(&text).collect();
    text.split(';').find_map(|statement| {
        let (_, path) = statement.rsplit_once("use ")?;
        let mut paths = Vec::new();
        expand(path.trim_start_matches("self::"), &mut vec![], &mut paths);
        let path = paths.into_iter().find(|path| path.last().is_some_and(|last| last == name))?;
        let child = path.first().filter(|first| children.contains(&first.as_str()))?;
        (path.len() > 1).then(|| child.clone())
    })
}
