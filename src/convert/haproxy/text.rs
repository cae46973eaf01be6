//! The grammar of HAProxy: a line is a statement, and a section lasts until the next one begins.

use std::sync::Arc;

use crate::convert::{
    ledger::Ledger,
    source::{Source, SyntaxError},
    statement::{Place, Statement},
};

/// Words that begin a section.
const SECTIONS: [&str; 18] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "userlist",
    "mailers",
    "cache",
    "program",
    "http-errors",
    "ring",
    "log-forward",
    "log-profile",
    "fcgi-app",
    "crt-store",
    "traces",
];

/// Whether a line that begins with this word begins a section.
pub(crate) fn is_section(word: &str) -> bool {
    SECTIONS.contains(&word)
}

/// Reads a configuration: each section is a statement, with its lines as the block.
pub(crate) fn parse(
    source: &Source<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<Statement>, SyntaxError> {
    let file: Arc<str> = source.name.into();
    let mut sections: Vec<Statement> = Vec::new();
    let mut id = 0;
    for (line, text) in lines(source.text) {
        let place = Place { file: Arc::clone(&file), line };
        let split = words(&text).map_err(|message| SyntaxError { place: place.clone(), message });
        let (words, has_variable) = split?;
        let Some(first) = words.first() else { continue };
        let is_section = is_section(first);
        let block = is_section.then(Vec::new);
        let statement = Statement { id, place, words, block, last_line: line };
        id += 1;
        if has_variable {
            ledger.left_out(&statement, "it has a variable of the environment: write its value");
        }
        match sections.last_mut().filter(|it| !is_section && it.block.is_some()) {
            Some(section) => {
                section.last_line = line;
                section.block.get_or_insert_default().push(statement);
            }
            None => sections.push(statement),
        }
    }
    Ok(sections)
}

/// The lines with their numbers; one that ends with a backslash goes on in the next one.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r').trim_start_matches('\u{feff}');
        let (part, next) = match line.strip_suffix('\\').filter(|it| !it.ends_with('\\')) {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, whole)) => whole.push_str(part),
            None => lines.push((index + 1, part.to_owned())),
        }
        goes_on = next;
    }
    lines
}

/// The words of a line, and whether one has a variable of the environment.
fn words(line: &str) -> Result<(Vec<String>, bool), String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut has_variable = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' => break,
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("the quote ' does not end".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => word.extend(chars.next().map(escaped)),
                        Some(c) => {
                            let name = chars.peek();
                            has_variable |=
                                c == '$' && name.is_some_and(|it| *it == '{' || it.is_alphabetic());
                            word.push(c);
                        }
                        None => return Err("the quote \" does not end".to_owned()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next().map(escaped)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok((words, has_variable))
}

fn escaped(c: char) -> char {
    match c {
        'r' => '\r',
        'n' => '\n',
        't' => '\t',
        c => c,
    }
}
