//! The grammar of nginx: words, `;`, `{` and `}`.
//!
//! A quote or a `#` has a meaning only where a word begins. The block of a directive whose name ends in
//! `_by_lua_block` is a program in another language, of which only the braces count.

use std::{iter::Peekable, str::Chars, sync::Arc};

use crate::convert::{
    source::SyntaxError,
    statement::{Id, Place, Statement},
};

/// The greatest depth of blocks: more than any configuration has, and little enough for every stack.
const DEPTH: usize = 32;

/// Reads the text of one file; `next` is the number of the next statement.
pub(super) fn parse(file: &str, text: &str, next: &mut Id) -> Result<Vec<Statement>, SyntaxError> {
    let mut parser = Parser { file: file.into(), chars: text.chars().peekable(), line: 1, next };
    parser.statements(None, 0)
}

struct Parser<'a> {
    file: Arc<str>,
    chars: Peekable<Chars<'a>>,
    line: usize,
    next: &'a mut Id,
}

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

impl Parser<'_> {
    /// Reads statements to the end of the block that begins on this line, or of the file.
    fn statements(
        &mut self,
        opened: Option<usize>,
        depth: usize,
    ) -> Result<Vec<Statement>, SyntaxError> {
        if depth > DEPTH {
            return Err(self.error(format!("blocks are nested more than {DEPTH} deep")));
        }
        let mut statements = Vec::new();
        loop {
            match self.token()? {
                None => match opened {
                    None => return Ok(statements),
                    Some(line) => return Err(self.error_in(line, "this block has no }".to_owned())),
                },
                Some(Token::Word(name)) => statements.push(self.statement(name, depth)?),
                Some(Token::Close) if opened.is_some() => return Ok(statements),
                Some(Token::Close) => return Err(self.error("this } ends no block".to_owned())),
                Some(Token::Open) => {
                    return Err(self.error("this { has no name before it".to_owned()));
                }
                Some(Token::End) => {}
            }
        }
    }

    fn statement(&mut self, name: String, depth: usize) -> Result<Statement, SyntaxError> {
        let (place, id) = (self.place(), *self.next);
        *self.next += 1;
        let mut words = vec![name];
        let block = loop {
            match self.token()? {
                Some(Token::Word(word)) => words.push(word),
                Some(Token::End) => break None,
                Some(Token::Open) if words[0].ends_with("_by_lua_block") => {
                    self.program()?;
                    break None;
                }
                Some(Token::Open) => break Some(self.statements(Some(self.line), depth + 1)?),
                Some(Token::Close) | None => {
                    let text = words.join(" ");
                    return Err(self.error_in(place.line, format!("`{text}` has no ; at its end")));
                }
            }
        };
        Ok(Statement { id, place, words, block, last_line: self.line })
    }

    fn token(&mut self) -> Result<Option<Token>, SyntaxError> {
        loop {
            match self.chars.peek() {
                None => return Ok(None),
                Some('#') => self.skip_line(),
                Some(c) if c.is_whitespace() || *c == '\u{feff}' => {
                    self.step();
                }
                Some(_) => break,
            }
        }
        let token = match self.chars.peek() {
            Some(';') => Token::End,
            Some('{') => Token::Open,
            Some('}') => Token::Close,
            Some('"' | '\'') => return self.quoted().map(Some),
            _ => return Ok(Some(Token::Word(self.word()))),
        };
        self.step();
        Ok(Some(token))
    }

    fn quoted(&mut self) -> Result<Token, SyntaxError> {
        let line = self.line;
        let quote = self.step();
        let mut word = String::new();
        loop {
            match self.step() {
                None => return Err(self.error_in(line, "this quote does not end".to_owned())),
                end if end == quote => return Ok(Token::Word(word)),
                Some('\\') => self.escaped(&mut word),
                Some(c) => word.push(c),
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(&c) = self.chars.peek() {
            if c == '{' && word.ends_with('$') {
                // `${name}` is a variable, and no block.
                while let Some(c) = self.step() {
                    word.push(c);
                    if c == '}' {
                        break;
                    }
                }
                continue;
            }
            if c.is_whitespace() || matches!(c, ';' | '{') {
                break;
            }
            self.step();
            if c == '\\' { self.escaped(&mut word) } else { word.push(c) }
        }
        word
    }

    /// Takes what follows a backslash: the backslash stays, except before a quote or another one.
    fn escaped(&mut self, word: &mut String) {
        match self.step() {
            Some(c @ ('"' | '\'' | '\\')) => word.push(c),
            Some(c) => word.extend(['\\', c]),
            None => word.push('\\'),
        }
    }

    /// Skips a program in Lua up to the brace that ends it. Braces in its strings and comments do not
    /// count.
    fn program(&mut self) -> Result<(), SyntaxError> {
        let line = self.line;
        let mut open = 1;
        let mut quote: Option<char> = None;
        while open > 0 {
            let Some(c) = self.step() else {
                return Err(self.error_in(line, "this block has no }".to_owned()));
            };
            match (quote, c) {
                (Some(_), '\\') => drop(self.step()),
                (Some(open), c) if c == open || c == '\n' => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '-') if self.chars.peek() == Some(&'-') => self.skip_line(),
                (None, '{') => open += 1,
                (None, '}') => open -= 1,
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn skip_line(&mut self) {
        while self.chars.peek().is_some_and(|c| *c != '\n') {
            self.step();
        }
    }

    fn step(&mut self) -> Option<char> {
        let c = self.chars.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn place(&self) -> Place {
        Place { file: Arc::clone(&self.file), line: self.line }
    }

    fn error(&self, message: String) -> SyntaxError {
        self.error_in(self.line, message)
    }

    fn error_in(&self, line: usize, message: String) -> SyntaxError {
        SyntaxError { place: Place { file: Arc::clone(&self.file), line }, message }
    }
}
