//! Keys that are known at another place, and how to get them there.

use crate::config::{
    keys::{Content, Row, TABLE, below, path_below},
    wording::{alternatives, is_same_word},
};

/// The path of the mapping that a row is a key of.
fn parent(row: &dyn Row) -> &'static str {
    row.about().path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// The names on the way to a mapping, without the `*` of a pool's name.
fn steps(path: &str) -> Vec<&str> {
    path.split('.').filter(|step| !step.is_empty() && *step != "*").collect()
}

/// The levels to climb and then to descend from one mapping to another.
fn way(from: &str, to: &str) -> (usize, usize) {
    let (from, to) = (steps(from), steps(to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    (from.len() - shared, to.len() - shared)
}

/// The keys of this name, and of a form that `is_like` accepts, in other mappings: those that are the
/// fewest levels away.
pub(super) fn elsewhere(
    from: &str,
    key: &str,
    is_like: impl Fn(&dyn Row) -> bool,
) -> Vec<&'static dyn Row> {
    let is_named = |row: &dyn Row| is_same_word(key, row.name()) && parent(row) != from;
    let named = TABLE.iter().filter(|row| is_named(**row) && is_like(**row));
    let mut found: Vec<(usize, &'static dyn Row)> = Vec::new();
    for row in named {
        let (up, down) = way(from, parent(*row));
        // To another branch of the tree is farther than along one.
        let far = if up > 0 && down > 0 { 10 } else { 0 };
        found.push((up + down + far, *row));
    }
    let least = found.iter().map(|(distance, _)| *distance).min();
    let nearest = found.into_iter().filter(|(distance, _)| Some(*distance) == least);
    nearest.map(|(_, row)| row).collect()
}

/// Whether a wrong level is the only likely mistake.
pub(super) fn is_certain(from: &str, elsewhere: &[&'static dyn Row]) -> bool {
    let [row] = elsewhere else { return false };
    matches!(way(from, parent(*row)), (0, 1) | (_, 0))
}

/// The row that has this one in its mapping; `None` for a key at the top of the file.
fn container(row: &dyn Row) -> Option<&'static dyn Row> {
    let parent = parent(row);
    TABLE.iter().find(|row| path_below(**row) == parent).copied()
}

/// Says to which mapping a key at the path `from` belongs, and how to move it.
pub(in crate::config) fn belongs(from: &str, rows: &[&'static dyn Row]) -> String {
    // More advice than this is a list of everything.
    let is_few = rows.len() <= 2;
    let place = |row: &&'static dyn Row| match is_few {
        true => format!("{} ({})", owner(*row), step(from, *row)),
        false => owner(*row),
    };
    let mut places: Vec<String> = rows.iter().map(place).collect();
    places.dedup();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    format!("belongs to {}", alternatives(&places))
}

/// The mapping that a row is a key of, in words.
fn owner(row: &dyn Row) -> String {
    let Some(container) = container(row) else { return "the top of the file".to_owned() };
    let name = container.name();
    if let Content::Items | Content::Names = container.content() {
        return format!("a {}", name.strip_suffix('s').unwrap_or(name));
    }
    match self::container(container) {
        Some(_) => format!("{name} of {}", owner(container)),
        None => name.to_owned(),
    }
}

/// What to do with a key at the path `from` that is this one.
fn step(from: &str, row: &dyn Row) -> String {
    let to = parent(row);
    let (up, down) = way(from, to);
    let Some(container) = container(row) else {
        let first = steps(from).first().map_or("", |step| step.trim_end_matches("[]"));
        return format!("indent it like \"{first}:\"");
    };
    match (up, down, container.content()) {
        (_, 0, _) => {
            let steps = steps(from);
            let beside = steps.get(steps.len() - up).map_or("", |step| step.trim_end_matches("[]"));
            format!("indent it like \"{beside}:\"")
        }
        (0, _, Content::Items) => {
            let first = below(to).first().map_or("", |row| row.name());
            format!("indent it under \"{}:\", beside \"- {first}: …\"", container.name())
        }
        (0, _, Content::Names) => {
            format!("indent it under \"{}:\" and a name", container.name())
        }
        (0, ..) => {
            let all = steps(to);
            let way: Vec<String> = all[all.len() - down..]
                .iter()
                .map(|step| format!("{}:", step.trim_end_matches("[]")))
                .collect();
            format!("indent it under \"{}\"", way.join(" "))
        }
        (_, _, Content::Names) => format!("move it under \"{}:\" and a name", container.name()),
        _ => format!("move it under \"{}:\"", container.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(from: &str, key: &str) -> String {
        belongs(from, &elsewhere(from, key, |_| true))
    }

    #[test]
    fn a_key_at_the_wrong_level_is_told_where_to_go() {
        for (from, key, expected) in [
            ("", "backends", "belongs to a pool (indent it under \"pools:\" and a name)"),
            (
                "pools.*",
                "weight",
                "belongs to a backend (indent it under \"backends:\", beside \"- address: …\")",
            ),
            (
                "pools.*",
                "interval",
                "belongs to health_check of a pool (indent it under \"health_check:\")",
            ),
            ("pools.*.backends[]", "timeouts", "belongs to a pool (indent it like \"backends:\")"),
            (
                "listeners[]",
                "routes",
                "belongs to the top of the file (indent it like \"listeners:\")",
            ),
            (
                "pools.*.health_check",
                "access_log",
                "belongs to the top of the file (indent it like \"pools:\")",
            ),
            ("routes[]", "timeouts", "belongs to a pool (move it under \"pools:\" and a name)"),
            (
                "pools.*",
                "timeout",
                "belongs to health_check of a pool (indent it under \"health_check:\") or queue of a pool \
                 (indent it under \"queue:\")",
            ),
            (
                "listeners[]",
                "min_rate",
                "belongs to body of client of a listener (indent it under \"client: body:\") or answer of client \
                 of a listener (indent it under \"client: answer:\")",
            ),
        ] {
            assert_eq!(said(from, key), expected, "{key} in {from}");
        }
    }

    #[test]
    fn a_level_is_certain_only_along_one_branch() {
        let is_certain = |from, key| super::is_certain(from, &elsewhere(from, key, |_| true));
        assert!(is_certain("pools.*", "weight"));
        assert!(is_certain("pools.*.retry", "timeouts"));
        assert!(!is_certain("pools.*", "timeout"));
        assert!(!is_certain("routes[]", "timeouts"));
        assert!(!is_certain("", "nothing_like_it"));
    }
}
