//! Keys that are not known where they are written.
//!
//! Such a key has no reader. If it is known at another place, its value is still compared with the
//! table of keys, so that one run shows the mistakes inside a block at the wrong level too.

use super::{cursor::Cursor, section::Section, tree::Value, written::without_colon};
use crate::config::{
    advice::{Meaning, belongs, meaning},
    keys::{Absent, Content, Row, below, is_free, is_known, keys_of, path_below, pools::POOLS},
    wording::{nearest, visible},
};

impl Section<'_> {
    /// Reports the keys that were neither read nor taken for a misspelt one.
    pub(super) fn refuse_the_rest(self) {
        let parent = self.asked.first().map_or("", |path| parent(path));
        for (index, (name, cursor)) in self.entries.iter().enumerate() {
            let is_asked = self.asked.iter().any(|path| self::name(path) == *name);
            let is_read = self.misspelt.iter().any(|(read, _)| *read == index);
            if !is_asked && !is_read && !is_free(name) {
                self.refuse(parent, name, cursor);
            }
        }
    }

    fn refuse(&self, parent: &str, name: &str, cursor: &Cursor<'_>) {
        if cursor.is_lost_pool() {
            let advice = match parent {
                "" => "indent it under \"pools:\"",
                _ => "indent it like the name of the pool above",
            };
            cursor.problem(format!("is not a known key (its keys are those of a pool: {advice})"));
            cursor.look_at_keys(&keys_of(&POOLS));
            return;
        }
        if let Some((key, rest)) = without_colon(parent, name, cursor) {
            let written = visible(&format!("{key}: {rest}"));
            cursor.problem(format!("is not a known key (a colon is missing: write \"{written}\")"));
            return;
        }
        let is_like = |row: &dyn Row| cursor.is_like(row);
        match meaning(parent, name, |key| self.has(key), is_like) {
            Meaning::Missing(row) => {
                cursor.problem(format!("is not a known key (did you mean \"{}\"?)", row.name()));
            }
            Meaning::Given(key) => {
                cursor.problem(format!("is not a known key (did you mean \"{key}\"?)"));
            }
            Meaning::Elsewhere(rows) => {
                cursor.problem(belongs(parent, &rows));
                let is_group = |row: &&dyn Row| matches!(row.content(), Content::Group(_));
                // Groups of one name have much the same keys, the first of them all.
                if let [row, others @ ..] = rows.as_slice()
                    && (others.is_empty() || rows.iter().all(is_group))
                {
                    cursor.look_into(*row);
                }
            }
            Meaning::Message(message) => cursor.problem(message),
            Meaning::Unknown => {
                let known: Vec<&str> = below(parent).iter().map(|row| row.name()).collect();
                let hint = match cursor.node.value {
                    // `{ expect: 200,204 }` is two keys to YAML.
                    Value::Nothing => "; a value with a comma must be in quotes inside { }",
                    _ => "",
                };
                let known = known.join(", ");
                cursor.problem(format!("is not a known key (known here: {known}{hint})"));
            }
        }
    }
}

impl Cursor<'_> {
    /// Whether the value is a mapping with a key that a file has at its top.
    pub(in crate::config) fn has_known_key(&self) -> bool {
        let Value::Mapping(entries) = &self.node.value else { return false };
        entries.iter().any(|entry| is_known("", &entry.key))
    }

    pub(in crate::config) fn is_nothing(&self) -> bool {
        matches!(self.node.value, Value::Nothing)
    }

    /// Whether this entry, which is in place of a named mapping of `names`, is a key of such a
    /// mapping.
    pub(in crate::config) fn is_lost_key(&self, names: &dyn Row, key: &str) -> bool {
        let has = |key: &str| match &self.node.value {
            Value::Mapping(entries) => entries.iter().any(|entry| entry.key == key),
            _ => false,
        };
        let mut required =
            keys_of(names).into_iter().filter(|row| row.about().absent == Absent::Refused);
        is_known(&path_below(names), key) && !required.any(|row| has(row.name()))
    }

    /// Reports such an entry: it belongs to the mapping of the name `above` it.
    pub(in crate::config) fn refuse_lost_key(&self, names: &dyn Row, key: &str, above: &str) {
        let name = names.name();
        let one = name.strip_suffix('s').unwrap_or(name);
        self.problem(format!("belongs to a {one} (indent it under \"{}:\")", visible(above)));
        if let Some(row) = keys_of(names).into_iter().find(|row| row.name() == key) {
            self.look_into(row);
        }
    }

    /// Whether the value is a mapping with mostly the keys of a pool.
    pub(super) fn is_lost_pool(&self) -> bool {
        let Value::Mapping(entries) = &self.node.value else { return false };
        let path = path_below(&POOLS);
        let known = entries.iter().filter(|entry| is_known(&path, &entry.key)).count();
        known > 0 && 2 * known >= entries.len()
    }

    /// Whether the value has the form that the values of a key have.
    pub(in crate::config) fn is_like(&self, row: &dyn Row) -> bool {
        match (row.content(), &self.node.value) {
            (_, Value::Nothing) => true,
            (Content::Value(_), value) => matches!(value, Value::Text(_)),
            (Content::List(..), value) => matches!(value, Value::Text(_) | Value::List(_)),
            (Content::Group(_), value) => matches!(value, Value::Text(_) | Value::Mapping(_)),
            (Content::Items, value) => matches!(value, Value::List(_)),
            (Content::Names | Content::Shared(_) | Content::Pairs(_), value) => {
                matches!(value, Value::Mapping(_))
            }
        }
    }

    /// Reports the mistakes in the value of a key that is at the wrong place.
    fn look_into(&self, row: &dyn Row) {
        match (row.content(), &self.node.value) {
            (Content::Value(_), Value::Text(text)) => self.check(row, text),
            (Content::List(..), Value::List(_)) => {
                for item in self.list("").into_iter().flatten() {
                    if let Value::Text(text) = &item.node.value {
                        item.check(row, text);
                    }
                }
            }
            (Content::Group(_), Value::Mapping(_)) => self.look_at_keys(&keys_of(row)),
            (Content::Items, Value::List(_)) => {
                for item in self.list("").into_iter().flatten() {
                    item.look_at_keys(&keys_of(row));
                }
            }
            (Content::Names, Value::Mapping(entries)) => {
                for entry in entries {
                    self.below(entry).look_at_keys(&keys_of(row));
                }
            }
            (Content::Pairs(_), Value::Mapping(entries)) => {
                for entry in entries {
                    if let Value::Text(text) = &entry.node.value {
                        self.below(entry).check(row, text);
                    }
                }
            }
            _ => {}
        }
    }

    fn look_at_keys(&self, keys: &[&'static dyn Row]) {
        let Value::Mapping(entries) = &self.node.value else { return };
        for entry in entries.iter().filter(|entry| !is_free(&entry.key)) {
            let cursor = self.below(entry);
            let find = |name: &str| keys.iter().find(|row| row.name() == name);
            if let Some(row) = find(&entry.key) {
                cursor.look_into(*row);
            } else if let Some(row) =
                nearest(&entry.key, keys.iter().map(|row| row.name())).and_then(find)
            {
                cursor.problem(format!("is not a known key (did you mean \"{}\"?)", row.name()));
                cursor.look_into(*row);
            }
        }
    }

    fn check(&self, row: &dyn Row, text: &str) {
        if let Err(message) = row.check(text) {
            self.invalid(row.expected(), &message);
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn name(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, name)| name)
}
