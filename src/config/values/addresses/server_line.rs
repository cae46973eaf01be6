//! A backend as nginx and HAProxy write it: an address and its parameters on one line.

use super::parts::is_number;

/// A backend on one line: `server 10.0.0.1:80 weight=2 backup;`, `server web1 10.0.0.1:80 check`.
pub(super) struct ServerLine {
    /// An address that can be written as it is.
    pub(super) address: String,
    /// The parameters that are keys here, with their values.
    pub(super) keys: Vec<(&'static str, String)>,
}

/// Reads such a line; `is_address` says whether a word can be written as an address. `None` for a text that is no more than an address, or has none.
pub(super) fn server_line(text: &str, is_address: fn(&str) -> bool) -> Option<ServerLine> {
    let text = text.trim().trim_end_matches(';').trim_end();
    let bare = text.strip_prefix("server").filter(|rest| rest.starts_with(char::is_whitespace));
    let words: Vec<&str> = bare.unwrap_or(text).split_whitespace().collect();
    let is_one = |word: &&str| is_address(word);
    let has_parameter = words.iter().skip(1).any(|word| word.contains('='));
    let is_line = words.len() > 1 && (has_parameter || words.first().is_some_and(is_one));
    if bare.is_none() && !is_line {
        return None;
    }
    let at = words.iter().position(|word| is_address(word)).unwrap_or(0);
    let address = mended(words.get(at)?, is_address)?;
    let mut keys = Vec::new();
    let mut rest = words[at + 1..].iter().copied();
    while let Some(word) = rest.next() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let key = match name {
            "weight" => "weight",
            "max_conns" | "maxconn" => "max_connections",
            "backup" => "backup",
            "down" | "disabled" => "drain",
            _ => continue,
        };
        let value = match (key, value) {
            ("backup" | "drain", _) => "true",
            (_, "") => rest.next().unwrap_or_default(),
            (_, value) => value,
        };
        if value == "true" || is_number(value) {
            keys.push((key, value.to_owned()));
        }
    }
    Some(ServerLine { address, keys })
}

/// The address that was meant by a text that lacks a host or a port.
pub(super) fn mended(text: &str, is_address: fn(&str) -> bool) -> Option<String> {
    let candidates = match is_number(text) {
        true => vec![format!("127.0.0.1:{text}")],
        false => vec![text.to_owned(), format!("{text}:80"), format!("[{text}]:80")],
    };
    candidates.into_iter().find(|text| is_address(text))
}
