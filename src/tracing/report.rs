//! What the process log is told of spans: that some were dropped, at most once a minute, and that they are
//! sent again.

use std::time::{Duration, Instant};

/// The least time between two messages about dropped spans, and how long all is well before the log says
/// so.
const INTERVAL: Duration = Duration::from_secs(60);

/// A message for the process log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Spans were dropped since the last message: because of this, or because they waited for too long.
    Dropped {
        /// The number of spans.
        spans: u64,
        /// Why the collector has not got the last of those that were sent to it.
        why: Option<String>,
    },
    /// The collector takes spans again.
    Recovered,
}

/// What the process log was told, and what it is to be told.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The dropped spans that the log was told of.
    told: u64,
    told_at: Option<Instant>,
    /// Why an export failed since the last message.
    why: Option<String>,
    /// Whether the last message was of dropped spans.
    is_failing: bool,
    failed_at: Option<Instant>,
}

impl Report {
    /// Goes on after spans that another report has told of.
    pub(super) fn after(told: u64) -> Self {
        Self { told, ..Self::default() }
    }

    /// An export has failed.
    pub(super) fn failed(&mut self, why: String, now: Instant) {
        (self.why, self.failed_at) = (Some(why), Some(now));
    }

    /// The message that is due, given the number of spans that were dropped; at the end it need not wait.
    pub(super) fn news(&mut self, dropped: u64, now: Instant, is_last: bool) -> Option<News> {
        let is_early = !is_last && self.told_at.is_some_and(|at| now < at + INTERVAL);
        if dropped > self.told && !is_early {
            let spans = dropped - std::mem::replace(&mut self.told, dropped);
            (self.told_at, self.is_failing) = (Some(now), true);
            return Some(News::Dropped { spans, why: self.why.take() });
        }
        let is_well = dropped == self.told
            && !is_early
            && self.failed_at.is_none_or(|at| now >= at + INTERVAL);
        (is_well && std::mem::take(&mut self.is_failing)).then_some(News::Recovered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn drops_are_told_at_once_then_once_a_minute_and_at_the_end() {
        let start = crate::clock::now();
        let mut report = Report::after(5);
        assert_eq!(report.news(5, start, false), None);
        report.failed("no answer".to_owned(), start);
        let first = News::Dropped { spans: 2, why: Some("no answer".to_owned()) };
        assert_eq!(report.news(7, start, false), Some(first));
        for seconds in 1..60 {
            assert_eq!(report.news(7 + u64::from(seconds), start + SECOND * seconds, false), None);
        }
        let later = News::Dropped { spans: 60, why: None };
        assert_eq!(report.news(67, start + INTERVAL, false), Some(later));
        let last = News::Dropped { spans: 1, why: None };
        assert_eq!(report.news(68, start + INTERVAL + SECOND, true), Some(last));
    }

    #[test]
    fn a_collector_is_well_when_it_has_taken_all_for_a_minute() {
        let start = crate::clock::now();
        let mut report = Report::default();
        report.failed("no answer".to_owned(), start);
        assert!(report.news(1, start, false).is_some());
        report.failed("no answer".to_owned(), start + SECOND * 59);
        assert_eq!(report.news(1, start + INTERVAL, false), None, "it has failed a second ago");
        assert_eq!(report.news(1, start + SECOND * 119, false), Some(News::Recovered));
        assert_eq!(report.news(1, start + SECOND * 500, false), None, "once");
    }
}
