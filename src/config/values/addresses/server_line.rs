//! A backend as nginx and HAProxy write it: an address and its parameters on one line.

use super::{BACKEND_ADDRESS, is_number};

/// A backend on one line: `server 10.0.0.1:80 weight=2 backup;`, `server web1 10.0.0.1:80 check`.
pub(super) struct ServerLine {
    /// An address that can be written as it is.
    pub(super) address: String,
    /// The parameters that are keys here, with their values.
    pub(super) keys: Vec<(&'static str, String)>,
}

/// Reads such a line; `None` for a text that is no more than an address, or has none.
pub(super) fn server_line(text: &str) -> Option<ServerLine> {
    let text = text.trim().trim_end_matches(';').trim_end();
    let bare = text.strip_prefix("server").filter(|rest| rest.starts_with(char::is_whitespace));
    let words: Vec<&str> = bare.unwrap_or(text).split_whitespace().collect();
    let is_address = |word: &&str| (BACKEND_ADDRESS.parse)(word).is_ok();
    let has_parameter = words.iter().skip(1).any(|word| word.contains('='));
    let is_line = words.len() > 1 && (has_parameter || words.first().is_some_and(is_address));
    if bare.is_none() && !is_line {
        return None;
    }
    let at = words.iter().position(is_address).unwrap_or(0);
    let address = mended(words.get(at)?)?;
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
pub(super) fn mended(text: &str) -> Option<String> {
    let candidates = match is_number(text) {
        true => vec![format!("127.0.0.1:{text}")],
        false => vec![text.to_owned(), format!("{text}:80"), format!("[{text}]:80")],
    };
    candidates.into_iter().find(|text| (BACKEND_ADDRESS.parse)(text).is_ok())
}

/// The item of a list that was meant by this text.
pub(in crate::config) fn backend_item(text: &str) -> String {
    let line = server_line(text).or_else(|| {
        let address = mended(text)?;
        Some(ServerLine { address, keys: Vec::new() })
    });
    match line {
        None => "address: 127.0.0.1:9001".to_owned(),
        Some(ServerLine { address, keys }) if keys.is_empty() => {
            format!("address: {}", quoted(&address))
        }
        Some(ServerLine { address, keys }) => {
            let keys: String =
                keys.iter().map(|(key, value)| format!(", {key}: {value}")).collect();
            format!("{{ address: {}{keys} }}", quoted(&address))
        }
    }
}

/// A text that starts a list in YAML needs quotes.
fn quoted(text: &str) -> String {
    if text.starts_with('[') { format!("\"{text}\"") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_balancer_becomes_an_item() {
        for (text, item) in [
            ("8080", "address: 127.0.0.1:8080"),
            ("localhost", "address: localhost:80"),
            ("10.0.0.1:80", "address: 10.0.0.1:80"),
            ("::1", "address: \"[::1]:80\""),
            ("[::1]:80", "address: \"[::1]:80\""),
            ("127.0.0.1:9001 weight=2", "{ address: 127.0.0.1:9001, weight: 2 }"),
            ("server 127.0.0.1:9002", "address: 127.0.0.1:9002"),
            ("server 127.0.0.1:9002;", "address: 127.0.0.1:9002"),
            ("server 8080", "address: 127.0.0.1:8080"),
            (
                "server web1 10.0.0.1:80 check weight 10 maxconn 50 backup",
                "{ address: 10.0.0.1:80, weight: 10, max_connections: 50, backup: true }",
            ),
            (
                "server web.internal max_fails=3 fail_timeout=30s down;",
                "{ address: web.internal:80, drain: true }",
            ),
            ("http://web:80/ weight=x", "address: http://web:80/"),
            ("", "address: 127.0.0.1:9001"),
            ("server", "address: server:80"),
            ("https://a", "address: 127.0.0.1:9001"),
        ] {
            assert_eq!(backend_item(text), item, "{text}");
        }
    }
}
