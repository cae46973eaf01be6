//! Prometheus' text format 0.0.4, a family at a time: written by hand, because the library builds every
//! series as an object before it writes the first one.

use std::fmt::{Display, Write as _};

use super::table::{Kind, Metric};
use crate::count::DurationSnapshot;

/// The text to which the series of one metric are appended.
pub(super) struct Family<'a> {
    text: &'a mut String,
    metric: &'a Metric,
}

impl<'a> Family<'a> {
    pub(super) fn new(text: &'a mut String, metric: &'a Metric) -> Self {
        Self { text, metric }
    }

    /// Writes the lines that come before the first series.
    pub(super) fn head(&mut self) {
        let Metric { name, kind, help, .. } = self.metric;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        self.append(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Writes a counter with the values of the metric's labels.
    pub(super) fn count(&mut self, labels: &[&str], count: u64) {
        self.series("", labels, None, count);
    }

    /// Writes a gauge with the values of the metric's labels.
    pub(super) fn gauge(&mut self, labels: &[&str], value: f64) {
        self.series("", labels, None, value);
    }

    /// Writes a histogram whose buckets end at these powers of two of a millisecond.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        labels: &[&str],
        observed: &DurationSnapshot,
        powers: [i8; N],
    ) {
        for (power, count) in powers.into_iter().zip(observed.up_to(powers)) {
            let bound = f64::from(power).exp2() / 1000.0;
            self.series("_bucket", labels, Some(&bound), count);
        }
        self.series("_bucket", labels, Some(&"+Inf"), observed.count());
        self.summary(labels, observed);
    }

    /// Writes the number of durations and their sum.
    pub(super) fn summary(&mut self, labels: &[&str], observed: &DurationSnapshot) {
        self.series("_sum", labels, None, observed.sum().as_secs_f64());
        self.series("_count", labels, None, observed.count());
    }

    fn series(
        &mut self,
        suffix: &str,
        labels: &[&str],
        bound: Option<&dyn Display>,
        value: impl Display,
    ) {
        let names = self.metric.labels;
        self.text.push_str(self.metric.name);
        self.text.push_str(suffix);
        let mut separator = '{';
        for (name, value) in names.iter().zip(labels) {
            self.text.push(separator);
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escaped(value);
            self.text.push('"');
            separator = ',';
        }
        if let Some(bound) = bound {
            self.append(format_args!("{separator}le=\"{bound}\""));
            separator = ',';
        }
        self.text.push_str(if separator == ',' { "} " } else { " " });
        self.append(format_args!("{value}\n"));
    }

    fn escaped(&mut self, value: &str) {
        if !value.contains(['\\', '"', '\n']) {
            return self.text.push_str(value);
        }
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }

    fn append(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.text.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped_and_a_metric_without_labels_has_no_braces() {
        let metric = |labels| Metric { name: "lb_x", kind: Kind::Gauge, labels, help: "Help." };
        let mut text = String::new();
        Family::new(&mut text, &metric(&[])).gauge(&[], 0.5);
        Family::new(&mut text, &metric(&["a", "b"])).count(&["\"\\", "\n"], 7);
        assert_eq!(text, "lb_x 0.5\nlb_x{a=\"\\\"\\\\\",b=\"\\n\"} 7\n");
    }
}
