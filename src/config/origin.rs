//! A place in the input, as messages name it.

use std::{fmt, sync::Arc};

/// A place in the input: a line of the file, or a flag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, as the user named it; `None` for flags.
    pub file: Option<Arc<str>>,
    /// The line, counted from 1; 0 if no line can be named.
    pub line: usize,
    /// The key or flag, such as `pools.web.backends[1].address` or `--backends`.
    pub key: Arc<str>,
}

impl Origin {
    /// A line of a file, or the whole file if the line is 0.
    #[must_use]
    pub fn file(file: impl Into<Arc<str>>, line: usize) -> Self {
        Self { file: Some(file.into()), line, key: Arc::from("") }
    }

    /// A flag, with its dashes: `--port`.
    #[must_use]
    pub fn flag(name: impl Into<Arc<str>>) -> Self {
        Self { file: None, line: 0, key: name.into() }
    }
}

impl fmt::Display for Origin {
    /// Writes `conf/lb.yaml:12: pools.web`, without unknown parts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            if !self.key.is_empty() {
                f.write_str(": ")?;
            }
        }
        f.write_str(&self.key)
    }
}
