//! The trace that a request is a part of: `traceparent` and `tracestate`, as in the W3C's
//! [Trace Context](https://www.w3.org/TR/trace-context/).
//!
//! We record no spans, so a `traceparent` that came is passed on as it is: no tracing tool would
//! ever receive a span with an id of ours. If none came, or an invalid one, a trace is started, so
//! that the request has the same id in our log and in those of all services behind us. It says "not
//! sampled", because no service before us recorded a span. Ids are random, not secret.

use crate::digits::{is_hex, write_hex};
use crate::http1::{Fields, Known};

/// `00-`, 32 digits of the trace, `-`, 16 digits of the parent, `-`, two digits of flags.
const LENGTH: usize = 55;
const ID: std::ops::Range<usize> = 3..35;
const PARENT: std::ops::Range<usize> = 36..52;

/// The trace that a request is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    id: [u8; 32],
    /// The `traceparent` for the backend; `None` if the client's own is passed on.
    started: Option<[u8; LENGTH]>,
}

impl TraceContext {
    /// The client's trace, if it sent exactly one valid `traceparent`.
    #[must_use]
    pub fn of(received: &Fields) -> Option<Self> {
        let id = valid_id(received.only(Known::TraceParent)?)?;
        Some(Self { id, started: None })
    }

    /// Starts a new trace.
    #[must_use]
    pub fn start() -> Self {
        // All zeros would be invalid.
        let (trace, parent) = (fastrand::u128(1..), fastrand::u64(1..));
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut value[ID], trace);
        write_hex(&mut value[PARENT], u128::from(parent));
        let mut id = [b'0'; 32];
        id.copy_from_slice(&value[ID]);
        Self { id, started: Some(value) }
    }

    /// The trace's id: 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    /// Makes the request a part of this trace. If the trace was started here, the client's trace
    /// headers are removed.
    pub fn apply(&self, sent: &mut Fields) {
        if let Some(started) = &self.started {
            sent.remove(Known::TraceState);
            sent.replace(Known::TraceParent, started);
        }
    }
}

/// The trace's id, if the value is valid. A version later than ours may have more at its end, and
/// is read as ours in all else, as the standard demands.
fn valid_id(value: &[u8]) -> Option<[u8; 32]> {
    let (known, rest) = value.split_at_checked(LENGTH)?;
    let is_hex = |part: &[u8]| part.iter().all(|byte| is_hex(*byte));
    let is_some_id = |part: &[u8]| is_hex(part) && part.iter().any(|byte| *byte != b'0');
    let version = &known[..2];
    let may_go_on = rest.is_empty() || (version != b"00" && rest.starts_with(b"-"));
    let has_dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    let is_valid = may_go_on
        && has_dashes
        && is_hex(version)
        && version != b"ff"
        && is_some_id(&known[ID])
        && is_some_id(&known[PARENT])
        && is_hex(&known[53..]);
    is_valid.then(|| known[ID].try_into().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID_TEXT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn request(lines: &[&str]) -> Fields {
        let mut request = Fields::default();
        request.append(b"tracestate", b"vendor=1");
        lines.iter().for_each(|line| request.append(b"traceparent", line.as_bytes()));
        request
    }

    fn with_id(rest: impl Fn(&str) -> String) -> String {
        rest(ID_TEXT)
    }

    fn lines(request: &Fields, known: Known) -> Vec<&str> {
        request.all(known).map(|value| str::from_utf8(value).unwrap()).collect()
    }

    #[test]
    fn a_valid_traceparent_is_passed_on_unchanged() {
        let values = [
            with_id(|id| format!("00-{id}-00f067aa0ba902b7-01")),
            with_id(|id| format!("00-{id}-00f067aa0ba902b7-ff")),
            with_id(|id| format!("cc-{id}-00f067aa0ba902b7-01")),
            with_id(|id| format!("cc-{id}-00f067aa0ba902b7-01-what-may-come")),
        ];
        for value in values {
            let mut request = request(&[&value]);
            let trace = TraceContext::of(&request).unwrap();
            assert_eq!(trace.id(), ID_TEXT);
            trace.apply(&mut request);
            assert_eq!(lines(&request, Known::TraceParent), [value]);
            assert_eq!(lines(&request, Known::TraceState), ["vendor=1"]);
        }
    }

    #[test]
    fn an_invalid_traceparent_is_ignored() {
        let parent = "00f067aa0ba902b7";
        let invalid = [
            String::new(),
            "00".to_owned(),
            with_id(|id| format!("ff-{id}-{parent}-01")),
            with_id(|id| format!("00-{id}-{parent}-01-more")),
            with_id(|id| format!("cc-{id}-{parent}-01more")),
            with_id(|id| format!("00-{id}-{parent}-1")),
            with_id(|id| format!("00-{id}-{parent}-0g")),
            with_id(|id| format!("0x-{id}-{parent}-01")),
            with_id(|id| format!("00_{id}-{parent}-01")),
            with_id(|id| format!("00-{id}_{parent}-01")),
            with_id(|id| format!("00-{id}-{parent}_01")),
            with_id(|id| format!("00-{}-{parent}-01", id.to_uppercase())),
            with_id(|id| format!("00-{id}-{}-01", parent.to_uppercase())),
            with_id(|id| format!("00-{id}-{}-01", "0".repeat(16))),
            format!("00-{}-{parent}-01", "0".repeat(32)),
        ];
        for value in invalid {
            assert_eq!(TraceContext::of(&request(&[&value])), None, "{value}");
        }
        let valid = with_id(|id| format!("00-{id}-{parent}-01"));
        assert_eq!(TraceContext::of(&request(&[&valid, &valid])), None, "two");
        assert_eq!(TraceContext::of(&request(&[])), None, "none");
    }

    #[test]
    fn a_new_trace_is_valid_and_replaces_all_trace_headers() {
        let mut request = request(&["00-nonsense", "more"]);
        let trace = TraceContext::start();
        trace.apply(&mut request);
        assert_eq!(TraceContext::of(&request).unwrap().id(), trace.id());
        let sent = lines(&request, Known::TraceParent);
        assert!(sent.len() == 1 && sent[0].ends_with("-00"), "{sent:?}");
        assert_eq!(lines(&request, Known::TraceState), [""; 0]);
        assert_ne!(TraceContext::start().id(), trace.id());
    }
}
