//! Where a request's head ends, in a buffer that grows with every read.

use crate::http1::rules::syntax;

/// More empty lines than this before a request line are refused. RFC 9112 section 2.2 asks for one,
/// which old clients send behind a body.
pub(super) const MAX_EMPTY_LINES: usize = 8;

/// Finds the end of a head. It remembers how far it has looked, so that the cost of a head grows
/// with its bytes and not with the number of reads that they come in.
///
/// A line ends with LF, with or without a CR before it. Whatever else is wrong in a head is for
/// [`RequestHead::parse`](super::RequestHead::parse) to find.
#[derive(Debug, Clone, Default)]
pub struct HeadEnd {
    looked_at: usize,
    line_start: usize,
    empty_lines: usize,
    has_begun: bool,
}

impl HeadEnd {
    /// The length of the head at the start of `bytes`, blank line included, when it is there.
    /// `bytes` begins where the head does, and has what it had at the call before. A start that
    /// cannot become a head counts as a complete one, because the parser has to refuse it at once.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(ahead) = bytes.get(self.looked_at..).and_then(syntax::line_feed) {
            let line_feed = self.looked_at + ahead;
            let line = &bytes[self.line_start..line_feed];
            let is_empty = matches!(line, [] | [b'\r']);
            self.looked_at = line_feed + 1;
            self.line_start = line_feed + 1;
            self.empty_lines += usize::from(is_empty);
            let is_end = if self.has_begun { is_empty } else { self.empty_lines > MAX_EMPTY_LINES };
            if is_end {
                return Some(line_feed + 1);
            }
            self.has_begun |= !is_empty;
        }
        self.looked_at = bytes.len();
        self.is_hopeless(bytes).then_some(bytes.len())
    }

    /// Whether the first line, of which not all is there, begins with what begins no request: the
    /// client speaks TLS or something else, and would wait for an answer to it.
    fn is_hopeless(&self, bytes: &[u8]) -> bool {
        !self.has_begun
            && match bytes.get(self.line_start..) {
                None | Some([] | [b'\r']) => false,
                Some([first, ..]) => !syntax::is_token_byte(*first),
            }
    }

    /// Whether a byte of the request line has come, behind the empty lines.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_begun || self.looked_at > self.line_start
    }
}
