//! The page that stands in for an answer.

use serde_json::json;

use super::kind::{Form, Kind};

/// The greatest length in bytes: such an answer is sent when much fails, and is in memory as a whole.
const MAX_LENGTH: usize = 64 * 1024;

pub(in crate::config) const PAGE: Kind<Box<str>> = Kind {
    expected: "the text of a page, such as \"We are back at noon.\"",
    parse: page,
    show: |page| json!(page),
    shape: Form::Text("\\S").alone(),
};

fn page(text: &str) -> Result<Box<str>, String> {
    if text.trim().is_empty() {
        return Err("must be the text of a page, found nothing".to_owned());
    }
    if text.len() > MAX_LENGTH {
        let length = text.len();
        return Err(format!("must have at most {MAX_LENGTH} bytes, found {length}"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_as_it_is_written_unless_it_is_blank_or_too_long() {
        assert_eq!(page("<h1>a</h1>\n").as_deref(), Ok("<h1>a</h1>\n"));
        assert!(page(" \n").is_err());
        assert!(page(&"a".repeat(MAX_LENGTH)).is_ok());
        let error = page(&"a".repeat(MAX_LENGTH + 1)).unwrap_err();
        assert_eq!(error, "must have at most 65536 bytes, found 65537");
    }
}
