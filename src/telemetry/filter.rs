//! Which requests have a line in the access log.
//!
//! The filter is asked before a line is put together, so that a request without one costs nothing.

use std::time::Duration;

use crate::config::LogFilter;

/// The facts about the end of a request that the filter needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The status that the client received.
    pub status: u16,
    /// From the end of the request's header to the last byte of the answer.
    pub latency: Duration,
    /// Whether the answer broke off, and not because the client left. The status does not show
    /// this.
    pub broke_off: bool,
}

/// Whether the request gets a line. `draw` returns a random number below a hundred; it is called
/// only if the sample decides.
pub(super) fn keeps(filter: &LogFilter, ended: &Ended, draw: impl FnOnce() -> u8) -> bool {
    let is_listed = filter.status.as_ref().is_some_and(|status| status.contains(ended.status));
    let is_slow = filter.min_latency.is_some_and(|least| ended.latency >= least);
    if is_listed || is_slow || ended.broke_off {
        return true;
    }
    match filter.sample {
        Some(share) => draw() < share.get(),
        None => filter.status.is_none() && filter.min_latency.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Flags};

    const FINE: Ended =
        Ended { status: 200, latency: Duration::from_millis(499), broke_off: false };
    const MISSING: Ended = Ended { status: 404, ..FINE };
    const SLOW: Ended = Ended { latency: Duration::from_millis(500), ..FINE };
    const BROKEN: Ended = Ended { broke_off: true, ..FINE };

    fn filter(filter: &str) -> LogFilter {
        let yaml = format!(
            "listeners: [{{ address: 127.0.0.1:0 }}]\nroutes: [{{ pool: web }}]\n\
             pools: {{ web: {{ backends: [{{ address: 127.0.0.1:1 }}] }} }}\n\
             access_log: {{ filter: {filter} }}\n"
        );
        let loaded = config::parse("lb.yaml", &yaml, &Flags::default()).unwrap();
        loaded.config.access_log.unwrap().filter.unwrap()
    }

    #[track_caller]
    fn expect(text: &str, drawn: u8, kept: [bool; 4]) {
        let filter = filter(text);
        let of = |ended: &Ended| keeps(&filter, ended, || drawn);
        assert_eq!([FINE, MISSING, SLOW, BROKEN].map(|ended| of(&ended)), kept, "{text} {drawn}");
    }

    #[test]
    fn a_line_needs_one_reason() {
        expect("{ status: 4xx }", 0, [false, true, false, true]);
        expect("{ status: [200, 500-599] }", 0, [true, false, true, true]);
        expect("{ min_latency: 500ms }", 0, [false, false, true, true]);
        expect("{ status: 404, min_latency: 500ms }", 0, [false, true, true, true]);
    }

    #[test]
    fn other_requests_are_sampled() {
        expect("{ status: 4xx, sample: 10% }", 9, [true; 4]);
        expect("{ status: 4xx, sample: 10% }", 10, [false, true, false, true]);
        expect("{ sample: 10% }", 9, [true; 4]);
        expect("{ sample: 10% }", 10, [false, false, false, true]);
        expect("{ sample: 100% }", 99, [true; 4]);
    }

    #[test]
    fn no_number_is_drawn_where_the_sample_does_not_decide() {
        let filter = filter("{ status: 4xx, sample: 10% }");
        assert!(keeps(&filter, &MISSING, || panic!("drawn")));
    }
}
