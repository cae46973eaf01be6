//! The lines of fields in a head or in the trailers of a chunked body.

use super::{known::Known, refusal::Refusal, syntax};

/// One line: the name as it was spelled, the value without the blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// A token of at least one byte.
    pub name: &'a [u8],
    /// It may contain tabs and bytes from 0x80, but no other control character: the types in which
    /// it is forwarded could not carry them.
    pub value: &'a [u8],
    /// Which field it is, if something in the proxy asks about it.
    pub known: Option<Known>,
}

/// Reads one line at the start of `bytes`. Returns the field, or nothing for the empty line that
/// ends a section, and what comes behind the line.
///
/// # Errors
/// The fault of the line; a missing line end is one.
pub(in crate::http1) fn field_line(bytes: &[u8]) -> Result<(Option<Field<'_>>, &[u8]), Refusal> {
    let (name, rest) = bytes.split_at(syntax::token_len(bytes));
    let rest = match rest {
        [b':', rest @ ..] if !name.is_empty() => rest,
        _ if name.is_empty() && matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..]) => {
            return Ok((None, line_end(rest)?));
        }
        _ => return Err(Refusal::bad(wrong_name(name, rest))),
    };
    let (value, rest) = rest.split_at(syntax::value_len(rest));
    let field = Field { name, value: syntax::trim(value), known: Known::of(name) };
    Ok((Some(field), line_end(rest)?))
}

/// Returns the bytes behind the line end with which `rest` begins.
fn line_end(rest: &[u8]) -> Result<&[u8], Refusal> {
    match rest {
        [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => Ok(rest),
        [b'\r', ..] => Err(Refusal::bad(LONE_CARRIAGE_RETURN)),
        [0, ..] => Err(Refusal::bad("the value of a field has a NUL")),
        [_, ..] => Err(Refusal::bad("the value of a field has a control character")),
        [] => Err(Refusal::bad("a field is cut off")),
    }
}

const LONE_CARRIAGE_RETURN: &str = "a carriage return stands alone in a field";

fn wrong_name(name: &[u8], rest: &[u8]) -> &'static str {
    match (name, rest) {
        ([], [b' ' | b'\t', ..]) => "a field is folded onto a second line, or begins with a blank",
        ([], [b':', ..]) => "a field has no name",
        (_, [b' ' | b'\t', ..]) => "a field has a blank in its name or behind it",
        (_, [b'\r', next, ..]) if *next != b'\n' => LONE_CARRIAGE_RETURN,
        (_, [b'\r' | b'\n', ..] | []) => "a field has no colon",
        (_, [0..=0x1f | 0x7f, ..]) => "the name of a field has a control character",
        _ => "the name of a field has a character that does not belong there",
    }
}
