//! The files that an `include` names: a path, or a pattern with `*`, `?` and `[…]` in any part.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use crate::files as fs_files;

/// The most files of one pattern: more than any configuration has.
const MOST: usize = 1000;

/// The files with their names and texts, in the order of their names. A relative path begins in
/// `folder`, that of the file that is converted.
///
/// An error says why there are none; a pattern that no file matches is none.
pub(super) fn files(folder: &Path, pattern: &str) -> Result<Vec<(String, String)>, String> {
    let path = folder.join(pattern);
    let paths = if is_pattern(pattern) { matching(&path) } else { vec![path] };
    if paths.len() > MOST {
        return Err(format!("there are more than {MOST} such files"));
    }
    let read = |path: PathBuf| {
        let name = path.display().to_string();
        let text = fs_files::read_text(&path);
        text.map(|text| (name.clone(), text)).map_err(|error| match is_pattern(pattern) {
            true => format!("{name} {}", reason(&error)),
            false => reason(&error),
        })
    };
    paths.into_iter().map(read).collect()
}

/// Why a file cannot be read, without the codes of the system.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "cannot be read: there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "cannot be read: it is a directory, not a file".to_owned(),
        io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The paths that match, in order.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str();
        found = match (component, name.to_str().filter(|name| is_pattern(name))) {
            (Component::Normal(_), Some(pattern)) => {
                found.iter().flat_map(|folder| entries(folder, pattern)).take(MOST + 1).collect()
            }
            _ => found.into_iter().map(|path| path.join(name)).collect(),
        };
    }
    found.retain(|path| path.exists());
    found
}

fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(here).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // A hidden file matches only a pattern that begins with a dot.
    names.retain(|name| name.starts_with('.') == pattern.starts_with('.'));
    names.retain(|name| {
        let (pattern, name): (Vec<char>, Vec<char>) =
            (pattern.chars().collect(), name.chars().collect());
        matches(&pattern, &name)
    });
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether a name matches a pattern. Only the last `*` is tried again, which is enough for an answer
/// and keeps the time proportional to both lengths.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        let step = pattern.get(of).and_then(|_| one(pattern, of, name[at]));
        match (pattern.get(of), step) {
            (Some('*'), _) => {
                star = Some((of, at));
                of += 1;
            }
            (_, Some(next)) => {
                of = next;
                at += 1;
            }
            _ => match &mut star {
                Some((star_of, star_at)) => {
                    *star_at += 1;
                    (of, at) = (*star_of + 1, *star_at);
                }
                None => return false,
            },
        }
    }
    pattern.get(of..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// Where the pattern goes on if its part here matches this character.
fn one(pattern: &[char], of: usize, c: char) -> Option<usize> {
    match pattern.get(of)? {
        '?' => Some(of + 1),
        '[' => {
            let length = pattern.get(of + 1..)?.iter().skip(1).position(|c| *c == ']')? + 1;
            let set = pattern.get(of + 1..of + 1 + length)?;
            let (is_not, set) = match set.split_first() {
                Some(('!' | '^', rest)) => (true, rest),
                _ => (false, set),
            };
            let is_range = |it: &[char]| it.get(1) == Some(&'-') && it[0] <= c && c <= it[2];
            let is_in = set.contains(&c) || set.windows(3).any(is_range);
            (is_in != is_not).then_some(of + 2 + length)
        }
        other => (*other == c).then_some(of + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_in_a_shell() {
        let matches = |pattern: &str, name: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        for (pattern, name) in [
            ("*.conf", "a.conf"),
            ("*", "x"),
            ("a*b*c", "a-b-b-c"),
            ("site-?.conf", "site-1.conf"),
            ("[ab]*", "beta"),
            ("[0-9]x", "7x"),
            ("[!0-9]x", "ax"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.conf", "a.conf~"),
            ("a*b", "a-b-c"),
            ("?", ""),
            ("[0-9]x", "ax"),
            ("[a", "a"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_relative_pattern_begins_in_the_folder_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["sites-b/2.conf", "sites-a/1.conf", "sites-a/1.conf~", "sites-a/.hidden.conf"]
        {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let found = |pattern: &str| {
            let files = files(folder.path(), pattern)?;
            Ok::<_, String>(files.into_iter().map(|(_, text)| text).collect::<Vec<_>>())
        };
        assert_eq!(found("sites-*/*.conf").unwrap(), ["sites-a/1.conf", "sites-b/2.conf"]);
        assert_eq!(found("sites-a/1.conf").unwrap(), ["sites-a/1.conf"]);
        assert_eq!(found("none/*.conf").unwrap(), Vec::<String>::new());
        assert_eq!(found("none.conf").unwrap_err(), "cannot be read: there is no such file");
    }
}
