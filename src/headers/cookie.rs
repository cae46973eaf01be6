//! Keeps the admin listener's cookie from backends.
//!
//! Cookies know no ports (RFC 6265 section 8.5): a browser that has signed in at the admin listener
//! sends its cookie to every listener of the same host, and there it would go to the backends.

use http::{HeaderValue, header::COOKIE};
use pingora::{Result, http::RequestHeader};

use crate::http1::{Known, KnownFields};

/// The name of the cookie.
pub const ADMIN_COOKIE: &str = "lb_admin";

/// Removes the cookie from the request, and leaves all others. `received` are the known fields that
/// came.
pub(super) fn keep_ours(request: &mut RequestHeader, received: KnownFields) -> Result<()> {
    if !received.has(Known::Cookie) {
        return Ok(());
    }
    let mut lines = request.headers.get_all(COOKIE).into_iter();
    if !lines.any(|line| line.as_bytes().split(is_separator).any(is_ours)) {
        return Ok(());
    }
    let lines = request.headers.get_all(COOKIE).into_iter().map(|line| {
        let others = line.as_bytes().split(is_separator).filter(|pair| !is_ours(pair));
        others.map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b"; "[..])
    });
    let kept: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    request.remove_header(&COOKIE);
    for line in kept {
        if let Ok(line) = HeaderValue::try_from(line) {
            request.append_header("Cookie", line)?;
        }
    }
    Ok(())
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
    use crate::headers::fields::tests::known;

    #[test]
    fn only_the_admin_cookie_is_removed() {
        for (sent, passed_on) in [
            (&["a=1; b=2"][..], &["a=1; b=2"][..]),
            (&["lb_admin=t"], &[]),
            (&["a=1; lb_admin=t; b=2"], &["a=1; b=2"]),
            (&["lb_admin=t;a=1", " lb_admin = t ; c=3"], &["a=1", "c=3"]),
            (&["xlb_admin=t; lb_admin2=t"], &["xlb_admin=t; lb_admin2=t"]),
            (&[], &[]),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            for line in sent {
                request.append_header("Cookie", *line).unwrap();
            }
            let received = known(&request);
            keep_ours(&mut request, received).unwrap();
            let left = request.headers.get_all(COOKIE).iter().map(|line| line.to_str().unwrap());
            assert_eq!(left.collect::<Vec<_>>(), passed_on, "{sent:?}");
        }
    }
}
