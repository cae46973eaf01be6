//! A place in the input, as messages name it.

use std::{fmt, sync::Arc};

/// A place in the input: a line of the file, or a flag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, as the user named it; `None` for flags.
    pub file: Option<Arc<str>>,
    /// Counted from 1; 0 when there is no line to name.
    pub line: usize,
    /// `pools.web.backends[1].address`, or `--backends`.
    pub key: Arc<str>,
}

impl Origin {
    /// A line of a file, or all of the file when the line is 0.
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
    /// `conf/lb.yaml:12: pools.web`, without the parts that are not known.
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
