//! The mark that requests get on their way, by which one that goes round in a circle of proxies is known.
//!
//! The field is `CDN-Loop` (RFC 8586), which was made for just this. `Via` has other effects: nginx, for
//! one, does not compress the answer to a request that has it (`gzip_proxied`). An id of the
//! request would be no proof, because services pass it on in requests of their own.
//!
//! Going through the same balancer twice is an ordinary thing (a gateway behind it that asks other
//! services through it), so only a request that has come through several times is called a loop.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::{Result, http::RequestHeader};

use crate::digits::write_hex;

static NAME: HeaderName = HeaderName::from_static("cdn-loop");

/// Names this process. Static, so that a copy for each request touches no memory that threads share.
static MARK: LazyLock<&'static str> = LazyLock::new(|| {
    let mut digits = [b'0'; 16];
    write_hex(&mut digits, fastrand::u128(..));
    format!("lb-{}", String::from_utf8_lossy(&digits)).leak()
});

/// How often a request may pass through this process.
const MOST_PASSES: usize = 4;

/// Whether a request with these fields has passed through this process as often as it may.
#[must_use]
pub fn is_loop(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(&NAME).into_iter();
    passes(lines.map(HeaderValue::as_bytes), MARK.as_bytes()) >= MOST_PASSES
}

/// Marks a request that goes on.
///
/// # Errors
///
/// When a header cannot be stored, which no request that was parsed can cause.
pub fn mark(request: &mut RequestHeader) -> Result<()> {
    let mark = HeaderValue::from_static(*MARK);
    request.append_header("CDN-Loop", mark).map(|_| ())
}

/// How often this mark stands in a list of names, each with parameters or without.
fn passes<'a>(lines: impl Iterator<Item = &'a [u8]>, mark: &[u8]) -> usize {
    let entries = lines.flat_map(|line| line.split(|byte| *byte == b','));
    let names = entries.filter_map(|entry| entry.split(|byte| *byte == b';').next());
    names.filter(|name| name.trim_ascii() == mark).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_counted_wherever_it_stands() {
        let count = |lines: &[&str]| passes(lines.iter().map(|line| line.as_bytes()), b"lb-1");
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&["", "other", "lb-12, xlb-1, x;lb-1", "\"lb-1\""]), 0);
        assert_eq!(count(&["lb-1", "a ,\tlb-1 ; x=1,b", "lb-1,lb-1"]), 4);
    }

    #[test]
    fn a_request_may_pass_a_few_times() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.append_header("CDN-Loop", "other; loops=9").unwrap();
        for pass in 0..MOST_PASSES {
            assert!(!is_loop(&request.headers), "{pass}");
            mark(&mut request).unwrap();
        }
        assert!(is_loop(&request.headers));
        assert_eq!(request.headers.get_all(&NAME).iter().count(), MOST_PASSES + 1);
    }
}
