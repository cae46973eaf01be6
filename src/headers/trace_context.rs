//! The trace that a request is a part of: `traceparent` and `tracestate`, as in the W3C's
//! [Trace Context](https://www.w3.org/TR/trace-context/).
//!
//! If the request is recorded, each of its attempts is a span, and the backend's parent. If it is not, a
//! `traceparent` that came is passed on as it is: no tracing tool would ever receive a span with an id of
//! ours. If none came, or an invalid one, a trace is started, so that the request has the same id in our
//! log and in those of all services behind us. It says "not sampled", because no service before us
//! recorded a span. Ids are random, not secret.

use crate::digits::{is_hex, write_hex};
use crate::http1::{Fields, Known};

/// `00-`, 32 digits of the trace, `-`, 16 digits of the parent, `-`, two digits of flags.
const LENGTH: usize = 55;
const ID: std::ops::Range<usize> = 3..35;
const PARENT: std::ops::Range<usize> = 36..52;
const FLAGS: std::ops::Range<usize> = 53..55;
/// The flag of a caller that records the trace.
const SAMPLED: u8 = 1;
/// The flag of an id that is random, which stays true with another parent.
const RANDOM: u8 = 2;

/// The trace that a request is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    id: [u8; 32],
    /// The caller's part of the `traceparent` that came; `None` if the trace begins here.
    caller: Option<Caller>,
    sent: Sent,
}

/// What a `traceparent` says of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Caller {
    span: [u8; 16],
    flags: u8,
}

/// The `traceparent` for the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The one that came.
    AsItCame,
    /// One that names no span of ours: a number in place of it, and that nothing is recorded.
    Unrecorded(u64),
    /// One that names the span of the attempt; this is the span of the request.
    Recorded(u64),
}

impl TraceContext {
    /// The client's trace, if it sent exactly one valid `traceparent`.
    #[must_use]
    pub fn of(received: &Fields) -> Option<Self> {
        let (id, caller) = valid(received.only(Known::TraceParent)?)?;
        Some(Self { id, caller: Some(caller), sent: Sent::AsItCame })
    }

    /// Starts a new trace, which says that it is not recorded.
    #[must_use]
    pub fn start() -> Self {
        let mut id = [b'0'; 32];
        // All zeros would be invalid.
        write_hex(&mut id, fastrand::u128(1..));
        Self { id, caller: None, sent: Sent::Unrecorded(fastrand::u64(1..)) }
    }

    /// The same trace of a request that is recorded.
    #[must_use]
    pub fn recorded(self) -> Self {
        Self { sent: Sent::Recorded(fastrand::u64(1..)), ..self }
    }

    /// The same trace of a request that is not recorded. A caller that records it is not followed:
    /// the standard demands another parent where the flag is another.
    #[must_use]
    pub fn unrecorded(self) -> Self {
        match self.sent {
            Sent::AsItCame if self.is_sampled() == Some(true) => {
                Self { sent: Sent::Unrecorded(fastrand::u64(1..)), ..self }
            }
            _ => self,
        }
    }

    /// Whether the caller records the trace; `None` if it begins here.
    #[must_use]
    pub fn is_sampled(&self) -> Option<bool> {
        self.caller.map(|caller| caller.flags & SAMPLED != 0)
    }

    /// The trace's id: 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    /// The caller's span, in hexadecimal digits; `None` if the trace begins here.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_ref().map(|caller| std::str::from_utf8(&caller.span).unwrap_or_default())
    }

    /// The span of the request; `None` if it is not recorded.
    #[must_use]
    pub fn span(&self) -> Option<u64> {
        match self.sent {
            Sent::Recorded(span) => Some(span),
            Sent::AsItCame | Sent::Unrecorded(_) => None,
        }
    }

    /// Makes an attempt, by its number from 1, a part of this trace. If the trace was started here, the
    /// client's `tracestate` is removed: it belongs to no trace.
    pub fn apply(&self, sent: &mut Fields, attempt: u32) {
        let (span, sampled) = match self.sent {
            Sent::AsItCame => return,
            Sent::Unrecorded(span) => (span, 0),
            Sent::Recorded(span) => (attempt_span(span, attempt), SAMPLED),
        };
        if self.caller.is_none() {
            sent.remove(Known::TraceState);
        }
        let kept = self.caller.map_or(0, |caller| caller.flags & RANDOM);
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        value[ID].copy_from_slice(&self.id);
        write_hex(&mut value[PARENT], u128::from(span));
        write_hex(&mut value[FLAGS], u128::from(kept | sampled));
        sent.replace(Known::TraceParent, &value);
    }
}

/// The span of an attempt of a request with this span. It need be unique within its trace only, so that it
/// is not drawn, and nothing keeps it.
#[must_use]
pub fn attempt_span(request: u64, attempt: u32) -> u64 {
    // Odd, so that no two attempts share a product; a span of zeros would be invalid.
    (request ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1)
}

/// The trace's id and the caller, if the value is valid. A version later than ours may have more at its
/// end, and is read as ours in all else, as the standard demands.
fn valid(value: &[u8]) -> Option<([u8; 32], Caller)> {
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
        && is_hex(&known[FLAGS]);
    if !is_valid {
        return None;
    }
    let flags = u8::from_str_radix(str::from_utf8(&known[FLAGS]).ok()?, 16).ok()?;
    let caller = Caller { span: known[PARENT].try_into().ok()?, flags };
    Some((known[ID].try_into().ok()?, caller))
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
            trace.apply(&mut request, 1);
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
        trace.apply(&mut request, 1);
        assert_eq!(TraceContext::of(&request).unwrap().id(), trace.id());
        let sent = lines(&request, Known::TraceParent);
        assert!(sent.len() == 1 && sent[0].ends_with("-00"), "{sent:?}");
        assert_eq!(lines(&request, Known::TraceState), [""; 0]);
        assert_ne!(TraceContext::start().id(), trace.id());
    }

    /// The trace's id, the parent and the flags that a backend gets.
    fn sent(trace: &TraceContext, attempt: u32) -> [String; 3] {
        let mut request = request(&[]);
        trace.apply(&mut request, attempt);
        let sent = lines(&request, Known::TraceParent);
        let [line] = sent[..] else { panic!("{sent:?}") };
        let again = TraceContext::of(&request).unwrap();
        [again.id(), again.caller().unwrap(), &line[FLAGS]].map(str::to_owned)
    }

    #[test]
    fn each_attempt_of_a_recorded_request_is_the_parent_of_its_own() {
        let parent = "00f067aa0ba902b7";
        for (flags, expected) in [("00", "01"), ("01", "01"), ("02", "03"), ("ff", "03")] {
            let mut request = request(&[&with_id(|id| format!("00-{id}-{parent}-{flags}"))]);
            let trace = TraceContext::of(&request).unwrap().recorded();
            assert_eq!(trace.caller(), Some(parent));
            let span = trace.span().unwrap();
            let spans: Vec<_> = (1..=3)
                .map(|attempt| {
                    let [id, caller, sent] = sent(&trace, attempt);
                    assert_eq!((&*id, &*sent), (ID_TEXT, expected));
                    assert_eq!(caller, format!("{:016x}", attempt_span(span, attempt)));
                    caller
                })
                .collect();
            assert!(spans[0] != spans[1] && spans[1] != spans[2] && spans[0] != spans[2]);
            assert!(!spans.contains(&parent.to_owned()));
            trace.apply(&mut request, 1);
            assert_eq!(lines(&request, Known::TraceState), ["vendor=1"]);
        }
        let started = TraceContext::start().recorded();
        assert_eq!((started.caller(), started.is_sampled()), (None, None));
        assert_eq!(sent(&started, 1)[2], "01");
    }

    #[test]
    fn a_caller_that_is_not_followed_is_no_parent_of_what_is_not_recorded() {
        let parent = "00f067aa0ba902b7";
        let of = |flags: &str| {
            let line = with_id(|id| format!("00-{id}-{parent}-{flags}"));
            TraceContext::of(&request(&[&line])).unwrap()
        };
        let [id, caller, flags] = sent(&of("03").unrecorded(), 1);
        assert_eq!((&*id, &*flags), (ID_TEXT, "02"));
        assert_ne!(caller, parent);
        let unsampled = of("02").unrecorded();
        assert_eq!(unsampled, of("02"), "it says so itself");
        assert_eq!((of("03").is_sampled(), of("02").is_sampled()), (Some(true), Some(false)));
        assert_eq!(unsampled.span(), None);
    }

    #[test]
    fn no_span_is_zero() {
        assert_eq!(attempt_span(0x9e37_79b9_7f4a_7c15, 1), 1);
    }
}
