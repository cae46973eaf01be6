//! What the author of a key that is not known here probably meant.
//!
//! There are five usual mistakes: a typing error, the word of another balancer, a block at the wrong
//! level, a feature that does not exist yet, and a pool outside of `pools`. Each is recognised by the
//! table of keys, so a new key takes part without a line here.

mod places;
mod words;

use super::{
    keys::{Row, below},
    wording::{is_plural, nearest},
};

pub(in crate::config) use places::belongs;

/// The meaning of an unknown key.
pub(in crate::config) enum Meaning {
    /// This key of the same mapping, which is not given.
    Missing(&'static dyn Row),
    /// This key of the same mapping, which is given as well.
    Given(&'static str),
    /// A key of other mappings; never empty.
    Elsewhere(Vec<&'static dyn Row>),
    /// Neither; the message says all that is known.
    Message(String),
    /// Nothing is similar.
    Unknown,
}

/// The meaning of a key in the mapping at the path `parent`. `is_given` says whether a key stands
/// beside it, and `is_like` whether its value has the form of a row's values.
pub(in crate::config) fn meaning(
    parent: &str,
    key: &str,
    is_given: impl Fn(&str) -> bool,
    is_like: impl Fn(&dyn Row) -> bool,
) -> Meaning {
    let known = below(parent);
    let find = |name: &str| known.iter().find(|row| row.name() == name).copied();
    let here = |row: &'static dyn Row| match is_given(row.name()) {
        true => Meaning::Given(row.name()),
        false => Meaning::Missing(row),
    };
    match words::find(parent, key) {
        Some(words::Use::Key(name)) => return find(name).map_or(Meaning::Unknown, here),
        Some(words::Use::NotYet(what)) => {
            return Meaning::Message(format!("not yet: {what} (remove it)"));
        }
        Some(words::Use::Message(message)) => return Meaning::Message((*message).to_owned()),
        None => {}
    }
    let elsewhere = places::elsewhere(parent, key, is_like);
    if places::is_certain(parent, &elsewhere) {
        return Meaning::Elsewhere(elsewhere);
    }
    // An `s` too many is no sign of a longer key that begins in the same way.
    let given = known.iter().map(|row| row.name()).filter(|name| is_given(name));
    if let Some(twin) = given.into_iter().find(|name| is_plural(key, name)) {
        return Meaning::Given(twin);
    }
    let missing = known.iter().map(|row| row.name()).filter(|name| !is_given(name));
    if let Some(row) = nearest(key, missing).and_then(find) {
        return Meaning::Missing(row);
    }
    if !elsewhere.is_empty() {
        return Meaning::Elsewhere(elsewhere);
    }
    match nearest(key, known.iter().map(|row| row.name())) {
        Some(name) => Meaning::Given(name),
        None => Meaning::Unknown,
    }
}
