//! Slips of the pen: a text in place of a mapping, and a key without its colon. What is meant is known, so
//! messages say how to write it.

use super::{cursor::Cursor, tree::Value};
use crate::config::{
    keys::{Absent, Content, Row, TABLE, is_known, keys_of},
    wording::visible,
};

impl Cursor<'_> {
    /// The mapping to write for a text that is found in its place: with the required key if it takes this
    /// text, or else with the one key of the example that does.
    pub(super) fn as_mapping(&self, expected: &str) -> Option<String> {
        let text = self.text().filter(|_| self.node.source.is_none())?;
        let is_this = |row: &&&dyn Row| {
            matches!(row.content(), Content::Group(_)) && row.expected() == expected
        };
        let group = *TABLE.iter().find(is_this)?;
        let is_shown = |row: &dyn Row| expected.contains(&format!("{}: ", row.name()));
        let takes = |row: &&'static dyn Row| {
            matches!(row.content(), Content::Value(_)) && is_shown(*row) && row.check(text).is_ok()
        };
        let taking: Vec<&dyn Row> = keys_of(group).into_iter().filter(takes).collect();
        let required = taking.iter().find(|row| row.about().absent == Absent::Refused);
        let found = match (required, taking.as_slice()) {
            (Some(row), _) => *row,
            (None, [row]) => *row,
            _ => return None,
        };
        Some(format!("{}: {{ {}: {} }}", group.name(), found.name(), visible(text)))
    }
}

/// The key and the rest of an entry whose colon is missing, as in `admin { address: …` and in
/// `{ address 127.0.0.1:9900 }`; `None` for any other.
pub(super) fn without_colon<'n>(
    parent: &str,
    name: &'n str,
    cursor: &Cursor<'_>,
) -> Option<(&'n str, String)> {
    let (key, rest) = name.split_once(' ')?;
    if !is_known(parent, key) {
        return None;
    }
    match (&cursor.node.value, rest.starts_with('{')) {
        (_, true) => Some((key, "{ … }".to_owned())),
        (Value::Nothing, false) => Some((key, rest.to_owned())),
        _ => None,
    }
}
