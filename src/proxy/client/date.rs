//! The `Date` of an answer that came without one (RFC 9110 section 6.6.1), put together once a second.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::clock;

thread_local! {
    static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The current time as a `Date` value.
pub(in super::super) fn date() -> HeaderValue {
    let now = clock::wall();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|last| match last {
        Some((at, value)) if *at == second => value.clone(),
        _ => {
            let value = written(now);
            *last = Some((second, value.clone()));
            value
        }
    })
}

fn written(now: SystemTime) -> HeaderValue {
    let text = httpdate::fmt_http_date(now);
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}
