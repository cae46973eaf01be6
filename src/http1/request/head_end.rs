//! Where a request's head ends, in a buffer that grows with every read.

use super::line::{self, MAX_EMPTY_LINES, RequestLine};
use crate::http1::rules::syntax;

/// The most bytes of a head, with the request line and the blank line at its end.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Finds the end of a head. It remembers how far it has looked, so that the cost of a head grows
/// with its bytes and not with the number of reads that they come in.
///
/// A line ends with LF, with or without a CR before it. All other faults of a head are found by
/// [`RequestHead::parse`](super::RequestHead::parse).
#[derive(Debug, Clone, Default)]
pub struct HeadEnd {
    looked_at: usize,
    line_start: usize,
    empty_lines: usize,
    request_line: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    #[default]
    Awaited,
    /// The head begins here, and has ended.
    Complete(usize),
    /// The request line is well-formed.
    Checked,
}

impl HeadEnd {
    /// The length of the head at the start of `bytes`, blank line included, once it is complete.
    /// `bytes` begins where the head does, and begins with the bytes of the call before.
    ///
    /// A start that cannot become a head, because its request line is malformed, counts as a
    /// complete one: the parser refuses it with the same words as the whole head, and the client
    /// need not wait.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(ahead) = bytes.get(self.looked_at..).and_then(syntax::line_feed) {
            let line_feed = self.looked_at + ahead;
            let line = &bytes[self.line_start..line_feed];
            let is_empty = matches!(line, [] | [b'\r']);
            let is_end = match self.request_line {
                Progress::Awaited if is_empty => {
                    self.empty_lines += 1;
                    self.empty_lines > MAX_EMPTY_LINES
                }
                Progress::Awaited => {
                    self.request_line = Progress::Complete(self.line_start);
                    false
                }
                Progress::Complete(_) | Progress::Checked => is_empty,
            };
            self.looked_at = line_feed + 1;
            self.line_start = line_feed + 1;
            if is_end {
                return Some(line_feed + 1);
            }
        }
        self.looked_at = bytes.len();
        self.is_hopeless(bytes).then_some(bytes.len())
    }

    /// Whether the request line is malformed as far as it has been received. An unfinished line is
    /// judged by its first byte: if no method can begin with it, the client speaks another
    /// protocol.
    fn is_hopeless(&mut self, bytes: &[u8]) -> bool {
        match self.request_line {
            Progress::Awaited => match bytes.get(self.line_start..).unwrap_or_default() {
                [] | [b'\r'] => false,
                [first, ..] => !syntax::is_token_byte(*first),
            },
            Progress::Complete(start) => {
                self.request_line = Progress::Checked;
                let line = bytes.get(start..).unwrap_or_default();
                line::read(line, &mut RequestLine::default()).is_err()
            }
            Progress::Checked => false,
        }
    }

    /// Whether a byte of the request line has come, behind the empty lines.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.request_line != Progress::Awaited || self.looked_at > self.line_start
    }
}
