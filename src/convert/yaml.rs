//! YAML text, line by line, with comments.
//!
//! A library would write the values, but not the comments, which are half of what is wanted here.

/// A document that grows.
#[derive(Debug, Default)]
pub(super) struct Yaml {
    text: String,
    depth: usize,
    /// Whether the next line begins an item of a list.
    begins_item: bool,
}

impl Yaml {
    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.line(&format!("# {}", one_line(text)));
    }

    /// `key: value`, and a comment behind it if there is one.
    pub(super) fn pair(&mut self, key: &str, value: &str, comment: &str) {
        self.line(&with_comment(format!("{key}: {}", scalar(value)), comment));
    }

    /// Like [`Yaml::pair`]; nothing without a value.
    pub(super) fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.pair(key, value, "");
        }
    }

    /// `key: [a, b]`.
    pub(super) fn flow(&mut self, key: &str, values: &[impl AsRef<str>]) {
        let values: Vec<String> = values.iter().map(|value| scalar(value.as_ref())).collect();
        self.line(&format!("{key}: [{}]", values.join(", ")));
    }

    /// `key:`, and what is below it.
    pub(super) fn below(&mut self, key: &str, comment: &str, write: impl FnOnce(&mut Self)) {
        self.line(&with_comment(format!("{key}:"), comment));
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    /// An item of a list that is a mapping.
    pub(super) fn item(&mut self, write: impl FnOnce(&mut Self)) {
        self.begins_item = true;
        self.depth += 1;
        write(self);
        self.depth -= 1;
        self.begins_item = false;
    }

    fn line(&mut self, text: &str) {
        let is_comment = text.starts_with('#');
        let depth = if self.begins_item { self.depth - 1 } else { self.depth };
        self.text.push_str(&"  ".repeat(depth));
        if self.begins_item && !is_comment {
            self.text.push_str("- ");
            self.begins_item = false;
        }
        self.text.push_str(text);
        self.text.push('\n');
    }
}

fn with_comment(text: String, comment: &str) -> String {
    if comment.is_empty() { text } else { format!("{text} # {}", one_line(comment)) }
}

/// A text whose control characters are written as escapes, so that what follows a line break in it does not
/// leave the comment.
pub(super) fn one_line(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

/// A value, in quotes unless it is surely the same without. A `${` in it is no reference to the
/// environment, which it would be in a configuration of `lb`.
fn scalar(value: &str) -> String {
    let value = &*value.replace("${", "$${");
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | ':' | '%' | '@');
    let begins = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let is_word = begins && value.chars().all(is_plain) && !value.ends_with(':');
    if is_word && !value.eq_ignore_ascii_case("null") {
        return value.to_owned();
    }
    serde_json::Value::from(value).to_string()
}
