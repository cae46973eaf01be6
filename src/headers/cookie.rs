//! Keeps the admin listener's cookie from backends.
//!
//! Cookies know no ports (RFC 6265 section 8.5): a browser that has signed in at the admin listener
//! sends its cookie to every listener of the same host, and there it would go to the backends.

use crate::http1::{Fields, Known};

/// The name of the cookie.
pub const ADMIN_COOKIE: &str = "lb_admin";

/// Removes the cookie from what is sent, and leaves all others.
pub(super) fn keep_ours(sent: &mut Fields, received: &Fields) {
    let has_ours = |line: &[u8]| line.split(is_separator).any(is_ours);
    if !received.all(Known::Cookie).any(has_ours) {
        return;
    }
    sent.remove(Known::Cookie);
    for line in received.all(Known::Cookie) {
        let others = line.split(is_separator).filter(|pair| !is_ours(pair)).map(<[u8]>::trim_ascii);
        let kept = others.filter(|pair| !pair.is_empty()).collect::<Vec<_>>().join(&b"; "[..]);
        if !kept.is_empty() {
            sent.add(Known::Cookie, &kept);
        }
    }
}

fn is_separator(byte: &u8) -> bool {
    *byte == b';'
}

fn is_ours(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.trim_ascii() == ADMIN_COOKIE.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::{request, written};

    #[test]
    fn only_the_admin_cookie_is_removed() {
        for (sent, passed_on) in [
            (&["a=1; b=2"][..], &["a=1; b=2"][..]),
            (&["lb_admin=t"], &[]),
            (&["a=1; lb_admin=t; b=2"], &["a=1; b=2"]),
            (&["lb_admin=t;a=1;", "lb_admin = t ;; c=3"], &["a=1", "c=3"]),
            (&["xlb_admin=t; lb_admin2=t"], &["xlb_admin=t; lb_admin2=t"]),
            (&[], &[]),
        ] {
            let lines: Vec<_> = sent.iter().map(|line| ("Cookie", *line)).collect();
            let received = request(&lines);
            let mut left = received.clone();
            keep_ours(&mut left, &received);
            let expected: Vec<_> = passed_on.iter().map(|line| format!("Cookie: {line}")).collect();
            assert_eq!(written(&left), expected, "{sent:?}");
        }
    }
}
