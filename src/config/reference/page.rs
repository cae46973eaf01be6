//! `docs/src/reference/configuration.md`: a table of keys for each mapping of the file.

use std::fmt::Write;

use super::yaml::flow;
use crate::config::keys::{Absent, Apply, Content, Row, below, keys_of, path_below};

const HEAD: &str = "\
# Configuration keys

Generated from the table of keys in `src/config/keys`; `conf/reference.yaml` is the same as a file that
loads, and `lb schema` prints it as a JSON Schema. `*` is the name of a pool, and `[]` is an item of a
list. The last column but one says whether `lb reload` is enough to change a key, or `lb upgrade` is
needed.
";

/// Returns the text of the page.
#[must_use]
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    section(&mut text, "The file", "", &below(""));
    text
}

/// A table of these keys, and the sections of the mappings among them.
fn section(text: &mut String, title: &str, doc: &str, rows: &[&'static dyn Row]) {
    let _ = write!(text, "\n## {title}\n");
    if !doc.is_empty() {
        let _ = write!(text, "\n{}\n", cell(doc));
    }
    text.push_str("\n| key | value | left out | change | meaning |\n|---|---|---|---|---|\n");
    for row in rows {
        let about = row.about();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            row.name(),
            cell(row.expected()),
            cell(&left_out(*row)),
            apply(*row),
            cell(about.doc)
        );
    }
    for row in rows.iter().filter(|row| !keys_of(**row).is_empty()) {
        let title = format!("`{}`", path_below(*row));
        section(text, &title, row.about().doc, &keys_of(*row));
    }
}

fn left_out(row: &dyn Row) -> String {
    match (row.about().absent, row.default()) {
        (Absent::Refused, _) => "required".to_owned(),
        (Absent::Means(meaning), _) => meaning.to_owned(),
        (Absent::Default, Some(default)) => format!("`{}`", flow(&default)),
        (Absent::Default, None) => "the defaults below".to_owned(),
    }
}

fn apply(row: &dyn Row) -> &'static str {
    match (row.content(), row.about().apply) {
        (Content::Value(_) | Content::List(..) | Content::Pairs(_), Apply::Reload) => "reload",
        (_, Apply::Upgrade) => "upgrade",
        _ => "",
    }
}

/// A `|` would end the cell, and a `*` would begin an emphasis.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*")
}
