//! The mark that requests get on their way, by which one that goes round in a circle of proxies is known.
//!
//! The field is `CDN-Loop` (RFC 8586), which was made for just this. `Via` has other effects: nginx, for
//! one, does not compress the answer to a request that has it (`gzip_proxied`). An id of the
//! request would be no proof, because services pass it on in requests of their own.
//!
//! Going through the same balancer twice is an ordinary thing (a gateway behind it that asks other
//! services through it), so only a request that has come through several times is called a loop.

use std::sync::LazyLock;

use crate::digits::write_hex;
use crate::http1::{Fields, Known};

/// Names this process. Static, so that a copy for each request touches no memory that threads share.
static MARK: LazyLock<&'static str> = LazyLock::new(|| {
    let mut digits = [b'0'; 16];
    write_hex(&mut digits, fastrand::u128(..));
    format!("lb-{}", String::from_utf8_lossy(&digits)).leak()
});

/// How often a request may pass through this process.
const MOST_PASSES: usize = 4;

/// Whether a request with these lines of `CDN-Loop` has passed through this process as often as it may.
pub fn is_loop<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    passes(lines, MARK.as_bytes()) >= MOST_PASSES
}

/// Marks a request that goes on.
pub fn mark(sent: &mut Fields) {
    sent.add(Known::CdnLoop, MARK.as_bytes());
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
        let mut request = Fields::default();
        request.add(Known::CdnLoop, b"other; loops=9");
        for pass in 0..MOST_PASSES {
            assert!(!is_loop(request.all(Known::CdnLoop)), "{pass}");
            mark(&mut request);
        }
        assert!(is_loop(request.all(Known::CdnLoop)));
        assert_eq!(request.all(Known::CdnLoop).count(), MOST_PASSES + 1);
    }
}
