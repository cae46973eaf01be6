//! Colours on a terminal, for the words of a line that a person looks for.
//!
//! Lines get their colours where they are written, on the thread of the log: neither a request nor a
//! format knows of them.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// The variable by which people switch colours off (<https://no-color.org>).
const NO_COLOR: &str = "NO_COLOR";

/// An output whose lines get colours.
struct Painted<W>(W);

/// The output with colours, if it is a terminal and nothing speaks against them.
pub(in super::super) fn for_terminal<W: Write + IsTerminal + Send + 'static>(
    output: W,
) -> Box<dyn Write + Send> {
    let is_off = env::var_os(NO_COLOR).is_some_and(|value| !value.is_empty());
    match output.is_terminal() && !is_off {
        true => Box::new(Painted(output)),
        false => Box::new(output),
    }
}

impl<W: Write> Write for Painted<W> {
    /// Takes whole lines; all of them are written.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut painted = Vec::with_capacity(2 * lines.len());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            paint(line, &mut painted);
        }
        self.0.write_all(&painted)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Appends a line: its level is the second word, or its status the fifth.
fn paint(line: &[u8], painted: &mut Vec<u8>) {
    let mut words = Words(line);
    let level = words.nth(1).unwrap_or_default();
    let status = words.nth(2).unwrap_or_default();
    let (word, color) = match (level, status) {
        (b"ERROR", _) => (level, 31),
        (b"WARN", _) => (level, 33),
        (b"INFO", _) => (level, 32),
        (_, [class @ b'1'..=b'5', second, third])
            if [second, third].iter().all(|it| it.is_ascii_digit()) =>
        {
            let colors = [36, 32, 36, 33, 31];
            (status, colors[usize::from(class - b'1')])
        }
        _ => return painted.extend_from_slice(line),
    };
    // A word is a part of the line, so its place is known.
    let start = word.as_ptr().addr() - line.as_ptr().addr();
    painted.extend_from_slice(&line[..start]);
    painted.extend_from_slice(format!("\u{1b}[{color}m").as_bytes());
    painted.extend_from_slice(word);
    painted.extend_from_slice(b"\x1b[0m");
    painted.extend_from_slice(&line[start + word.len()..]);
}

/// The words of a line; a blank between quotes ends none.
struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (mut is_quoted, mut is_escaped) = (false, false);
        let ends = |byte: &u8| {
            match byte {
                b'"' if !is_escaped => is_quoted = !is_quoted,
                b' ' if !is_quoted => return true,
                _ => {}
            }
            is_escaped = is_quoted && *byte == b'\\' && !is_escaped;
            false
        };
        let end = self.0.iter().position(ends).unwrap_or(self.0.len());
        let word = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(lines: &str) -> String {
        let mut output = Vec::new();
        Painted(&mut output).write_all(lines.as_bytes()).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn levels_and_statuses_have_colors() {
        for (line, expected) in [
            ("T INFO started a=1\n", "T \u{1b}[32mINFO\u{1b}[0m started a=1\n"),
            ("T ERROR failed\n", "T \u{1b}[31mERROR\u{1b}[0m failed\n"),
            ("T 1.2.3.4:5 GET / 503 2B 1ms\n", "T 1.2.3.4:5 GET / \u{1b}[31m503\u{1b}[0m 2B 1ms\n"),
            (
                "T - GET /a 200 2B\nT - GET /b 404 2B\n",
                "T - GET /a \u{1b}[32m200\u{1b}[0m 2B\nT - GET /b \u{1b}[33m404\u{1b}[0m 2B\n",
            ),
            ("{\"time\":\"T\", \"status\": 200}\n", "{\"time\":\"T\", \"status\": 200}\n"),
            (
                "T - GET \"/a 500 \\\" 501 x\" 404 2B\n",
                "T - GET \"/a 500 \\\" 501 x\" \u{1b}[33m404\u{1b}[0m 2B\n",
            ),
            ("T - GET / 999 0B\n", "T - GET / 999 0B\n"),
            ("\n", "\n"),
            ("T DEBUG x", "T DEBUG x"),
        ] {
            assert_eq!(painted(line), expected);
        }
    }
}
