//! `${…}` in a value: a variable of the environment, or the content of a file.
//!
//! `${NAME}` has to be set, `${NAME:-default}` need not be; `${file:/run/secrets/token}` is the text of a
//! file without the newline at its end; `$${` is `${` itself. A default and the name of a file may have
//! references, too. The result is always text: a variable cannot add keys. What comes from a file may be a
//! secret, so no message shows it.

use std::sync::Arc;

use super::{
    outside::Outside,
    wording::{LINE, escaped, quoted, visible},
};

/// The beginning of a reference.
const OPEN: &str = "${";
/// The prefix of a file's name.
const FILE: &str = "file:";
/// References within references are a default of a default at most; a file with more is no configuration.
const DEPTH: usize = 8;

/// A text with its references replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// `None` if the text had no reference.
    pub(super) source: Option<Source>,
}

/// The origin of a text that had references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The text as it is written.
    pub(super) written: Arc<str>,
    /// Whether the value must not be shown.
    pub(super) is_secret: bool,
    /// Whether a reference has no value, which has been reported.
    pub(super) is_missing: bool,
}

/// Replaces the references in a text.
///
/// # Errors
///
/// A message that continues the key, and says what to write.
pub(super) fn expanded(text: &str, outside: &Outside) -> Result<Expanded, String> {
    let Replaced { text: result, is_replaced, is_secret } = replaced(text, outside, 0)?;
    let source = Source { written: visible(text).into(), is_secret, is_missing: false };
    Ok(Expanded { text: result, source: is_replaced.then_some(source) })
}

/// A text after its references were replaced.
#[derive(Debug, Default)]
struct Replaced {
    text: String,
    is_replaced: bool,
    /// Whether part of it comes from a file.
    is_secret: bool,
}

/// Replaces the references in a text that is itself within `depth` others.
fn replaced(text: &str, outside: &Outside, depth: usize) -> Result<Replaced, String> {
    if depth > DEPTH {
        return Err(format!("has {OPEN} within {OPEN} more than {DEPTH} deep"));
    }
    let mut result = Replaced::default();
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        let (before, reference) = (&rest[..at], &rest[at + OPEN.len()..]);
        if let Some(before) = before.strip_suffix('$') {
            result.text.extend([before, OPEN]);
            rest = reference;
            continue;
        }
        let Some((reference, behind)) = split_at_its_end(reference) else {
            return Err(format!(
                "has a {OPEN} that is not closed, found {} (write ${{NAME}}, or $${{ for the two \
                 characters)",
                quoted(text)
            ));
        };
        let value = value(reference, outside, depth)?;
        result.text.extend([before, &value.text]);
        result.is_replaced = true;
        result.is_secret |= value.is_secret;
        rest = behind;
    }
    result.text.push_str(rest);
    Ok(result)
}

/// What stands before the brace that ends a reference, and what stands behind. Braces of references within
/// it do not end it.
fn split_at_its_end(text: &str) -> Option<(&str, &str)> {
    let mut open = 0_usize;
    let mut before = ['\0'; 2];
    for (at, c) in text.char_indices() {
        match (before, c) {
            (['$', '$'], '{') => {}
            ([_, '$'], '{') => open += 1,
            (_, '}') if open == 0 => return Some((&text[..at], &text[at + 1..])),
            (_, '}') => open -= 1,
            _ => {}
        }
        before = [before[1], c];
    }
    None
}

/// The value of what stands between the braces.
fn value(reference: &str, outside: &Outside, depth: usize) -> Result<Replaced, String> {
    if let Some(path) = reference.strip_prefix(FILE) {
        if path.is_empty() {
            return Err("names no file (write ${file:/run/secrets/token})".to_owned());
        }
        let path = replaced(path, outside, depth + 1)?.text;
        let shown = escaped(&path, LINE);
        let text = outside.text(&path).map_err(|reason| format!("{shown} {reason}"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
        return Ok(Replaced { text, is_replaced: true, is_secret: true });
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_name(name) {
        let found = quoted(&format!("{OPEN}{reference}}}"));
        return Err(format!(
            "must have ${{NAME}}, ${{NAME:-default}} or ${{file:/path}}, found {found} (write $${{ for \
             the two characters)"
        ));
    }
    let set = outside.variable(name).map_err(|reason| format!("${{{name}}} {reason}"))?;
    // As in a shell, an empty variable has the default too, and a default may have references.
    match (set.filter(|value| !value.is_empty() || default.is_none()), default) {
        (Some(text), _) => Ok(Replaced { text, is_replaced: true, is_secret: false }),
        (None, Some(default)) => replaced(default, outside, depth + 1),
        (None, None) => Err(format!(
            "${{{name}}} is not set in the environment of this command (set it, or write \
             ${{{name}:-default}})"
        )),
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_part) && text.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn outside() -> Outside {
        Outside::fake(|name| match name {
            "PORT" => Some(OsString::from("8080")),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        })
    }

    fn text(text: &str) -> Result<String, String> {
        expanded(text, &outside()).map(|it| it.text)
    }

    #[test]
    fn a_reference_has_its_value_or_its_default() {
        for (written, value) in [
            ("127.0.0.1:${PORT}", "127.0.0.1:8080"),
            ("${PORT}${PORT}", "80808080"),
            ("${PORT:-1}", "8080"),
            ("${NONE:-1}", "1"),
            ("${NONE:-}", ""),
            ("${EMPTY:-a b}", "a b"),
            ("x${EMPTY}y", "xy"),
            ("${NONE:-http://a:1}", "http://a:1"),
            ("$${PORT}", "${PORT}"),
            ("a$${PORT} ${PORT}", "a${PORT} 8080"),
            ("$PORT $", "$PORT $"),
            ("${NONE:-${PORT}}", "8080"),
            ("<${NONE:-a${EMPTY:-b${PORT}c}d}>", "<ab8080cd>"),
            ("${PORT:-${NONE}}", "8080"),
            ("${NONE:-$${PORT}}", "${PORT}"),
            ("${NONE:-a}b}", "ab}"),
        ] {
            assert_eq!(text(written), Ok(value.to_owned()), "{written}");
        }
        assert_eq!(expanded("$${PORT}", &outside()).unwrap().source, None);
        let source = expanded("a${PORT}", &outside()).unwrap().source.unwrap();
        assert_eq!((&*source.written, source.is_secret), ("a${PORT}", false));
    }

    #[test]
    fn a_reference_without_a_value_says_what_to_do() {
        for (written, part) in [
            ("${NONE}", "${NONE} is not set"),
            ("${PORT", "not closed"),
            ("${NONE:-${PORT}", "not closed"),
            ("${NONE:-${NONE}}", "${NONE} is not set"),
            ("${NONE:-${1A}}", "must have ${NAME}"),
            ("${${PORT}}", "found \"${${PORT}}\""),
            ("${}", "found \"${}\""),
            ("${A B}", "found \"${A B}\""),
            ("${1A}", "must have ${NAME}"),
            ("${PORT-1}", "${NAME:-default}"),
            ("${file:}", "names no file"),
            ("${file:/nowhere/token}", "/nowhere/token cannot be read: there is no such file"),
        ] {
            let message = text(written).unwrap_err();
            assert!(message.contains(part), "{written}: {message}");
        }
    }

    #[test]
    fn references_within_references_have_an_end() {
        let nested = |depth: usize| format!("{}x{}", "${NONE:-".repeat(depth), "}".repeat(depth));
        assert_eq!(text(&nested(DEPTH)), Ok("x".to_owned()));
        for depth in [DEPTH + 1, 100_000] {
            assert!(text(&nested(depth)).unwrap_err().contains("more than 8 deep"));
        }
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (content, value) in [("a\n", "a"), ("a\r\n", "a"), ("a\nb\n\n", "a\nb\n"), ("", "")] {
            std::fs::write(&path, content).unwrap();
            let written = format!("x${{file:{}}}", path.display());
            let expanded = expanded(&written, &outside()).unwrap();
            assert_eq!(expanded.text, format!("x{value}"));
            assert!(expanded.source.unwrap().is_secret);
            let nested = format!("${{NONE:-{written}}}");
            assert!(super::expanded(&nested, &outside()).unwrap().source.unwrap().is_secret);
        }
    }
}
