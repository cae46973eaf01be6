//! Errors of the YAML parser, in words that say what to do.
//!
//! A YAML parser names the rule of the grammar that did not match. The cause is usually one of a
//! dozen mistakes, which can be guessed from the rule and the text.

use saphyr_parser::ScanError;

use crate::config::wording::visible;

/// An error of the parser about this text: returns the line and the message.
pub(super) fn explain(error: &ScanError, text: &str) -> (usize, String) {
    let what = complaint(error, text);
    let (line, last) = (error.marker().line(), text.trim_end().lines().count());
    // Something that is missing at the end is reported behind it, on a line that does not exist.
    if line > last && last > 0 {
        return (last, format!("is not valid YAML at the end of the file: {what}"));
    }
    (line, format!("is not valid YAML at column {}: {what}", error.marker().col() + 1))
}

fn complaint(error: &ScanError, text: &str) -> String {
    let (marker, info) = (error.marker(), error.info());
    let what = match info {
        info if info.contains("unprintable") => return unprintable(error, text),
        info if info.contains("unknown anchor") => return unknown_alias(error, text),
        info if info.contains("anchor") && starts_at(error, text).starts_with('*') => STAR,
        info if info.contains("block mapping") && line(marker.line(), text).contains("]:") => {
            "an IPv6 address must be in quotes, such as \"[::]:8080\""
        }
        _ if line(marker.line(), text).contains("${") => {
            return format!(
                "{} (a ${{…}} between {{ }} or [ ] must be in quotes: \"${{NAME}}\")",
                in_plain_words(info)
            );
        }
        info => in_plain_words(info),
    };
    what.to_owned()
}

const STAR: &str = "a value that starts with * must be in quotes, such as \"*.example.com\"";

/// The usual mistake behind this message of the parser.
fn in_plain_words(info: &str) -> &str {
    let has = |part: &str| info.contains(part);
    match info {
        "mapping values are not allowed in this context" => {
            "this ':' is not expected here (does the line above lack its ':', is this line \
             indented too far, or must the value be in quotes?)"
        }
        "simple key expected" | "simple key expect ':'" => {
            "a key with its ':' is expected (is a ':' missing, or is a '{' or '[' not closed?)"
        }
        "unexpected eof" | "unexpected end of plain scalar" => "the file ends too early",
        "recursion limit exceeded" => "lists and mappings are nested too deep",
        "invalid indentation" => LINE_UP,
        _ if has("tab") => "indent with spaces: tabs are not allowed in YAML",
        _ if has("block mapping") => LINE_UP,
        _ if has("block collection") || has("block sequence") => {
            "a list item is expected here (start it with '-', in line with the items above)"
        }
        _ if has("node content") => "a value is missing here, or a '{' or '[' is not closed",
        _ if has("flow") || has("':' indicator") || has("bracket") => {
            "a '{' or '[' is not closed, or a ',' is missing before this"
        }
        _ if has("quoted scalar") && (has("escape") || has("hexadecimal")) => {
            "a '\\' in double quotes starts an escape that does not exist (use single quotes)"
        }
        _ if has("trailing content") => "text follows the closing quote (quote all of the value)",
        _ if has("quoted scalar") => "a quote is opened and not closed",
        _ if has("unexpected character") => {
            "a value cannot start with this character (put the value in quotes)"
        }
        _ if has("':' must be followed") => "a space is missing after ':'",
        _ => info,
    }
}

const LINE_UP: &str = "this line does not line up with the others of its block (indent them alike)";

/// The message about a `*` without a matching `&`: an alias without its original, or a host
/// pattern.
fn unknown_alias(error: &ScanError, text: &str) -> String {
    let word: String =
        starts_at(error, text).chars().skip(1).take_while(|c| !c.is_whitespace()).collect();
    if word.starts_with('.') {
        return STAR.to_owned();
    }
    let word = visible(&word);
    format!("nothing above is marked &{word} (a text that starts with * must be in quotes)")
}

/// The message about a character that no text has, such as a NUL of a file that is not text.
fn unprintable(error: &ScanError, text: &str) -> String {
    let name = match starts_at(error, text).chars().next() {
        Some('\0') => "a NUL".to_owned(),
        Some(c) => format!("the character U+{:04X}", u32::from(c)),
        None => "a character".to_owned(),
    };
    format!("{name} cannot be part of a text (remove it, or save the file as UTF-8)")
}

fn starts_at<'a>(error: &ScanError, text: &'a str) -> &'a str {
    let start = text.char_indices().nth(error.marker().index()).map_or(text.len(), |(at, _)| at);
    &text[start..]
}

fn line(number: usize, text: &str) -> &str {
    text.lines().nth(number.saturating_sub(1)).unwrap_or("")
}
