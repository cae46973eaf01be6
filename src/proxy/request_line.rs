//! The first line of a request as the client sent it.
//!
//! Pingora percent-escapes what does not belong into a request line and goes on, so its parsed
//! request does not show that a NUL or a bare CR was there. This looks at the bytes as they come.

/// The first line of a request, looked at as it comes.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    /// A byte of it has come; what comes before it are empty lines, which parsers skip.
    has_begun: bool,
    has_ended: bool,
    /// The last byte was a CR, which is in order only before the LF that ends the line.
    after_cr: bool,
    has_control: bool,
}

impl RequestLine {
    /// Whether a control character was seen.
    pub(super) fn has_control(&self) -> bool {
        self.has_control
    }

    /// Goes on with these bytes, up to the end of the line.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.has_ended {
                return;
            }
            match byte {
                b'\n' => self.has_ended = self.has_begun,
                b'\r' => {}
                _ => {
                    self.has_begun = true;
                    // A tab may stand in a field's value, which this may be looking at when a
                    // pipelined header was cut.
                    let is_control = byte.is_ascii_control() && *byte != b'\t';
                    self.has_control |= self.after_cr || is_control;
                }
            }
            self.after_cr = *byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_control(pieces: &[&[u8]]) -> bool {
        let mut line = RequestLine::default();
        pieces.iter().for_each(|piece| line.read(piece));
        line.has_control()
    }

    #[test]
    fn a_control_character_in_the_request_line_is_seen_however_it_is_cut() {
        assert!(has_control(&[b"GET /\0 HTTP/1.1\r\n"]));
        assert!(has_control(&[b"GET /\rx HTTP/1.1\r\n"]));
        assert!(has_control(&[b"GET /\r", b"x HTTP/1.1\r\n"]));
        assert!(has_control(&[b"\r\n\r\nGE", b"T /\x7f HTTP/1.1\n"]));
    }

    #[test]
    fn what_comes_after_the_request_line_is_not_looked_at() {
        assert!(!has_control(&[b"\r\nGET / HTTP/1.1\r", b"\nX: \0\r\r\0"]));
        assert!(!has_control(&[b"GET / HTTP/1.1\n", b"\0"]));
    }
}
