//! `docs/src/reference/metrics.md`: the table for users, made from a scrape, so that it cannot name a metric
//! that does not exist. `UPDATE_GOLDEN=1 cargo test --lib metrics` rewrites it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::table::{Kind, Metric, TABLE};

/// Labels whose values the configuration chooses, and their meaning.
const CHOSEN: [(&str, &str); 5] = [
    ("listener", "its address, as configured"),
    ("pool", "its name"),
    ("backend", "its name: host and port, as configured"),
    ("address", "its address and port, after its name was looked up"),
    ("version", "of the program"),
];

/// The metrics that the library of the process metrics makes.
const OF_THE_PROCESS: [&str; 7] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];

const HEAD: &str = "# Metrics

The metrics that `GET /metrics` of the admin listener returns, in Prometheus' text format. Counters begin
at 0 with the process, and continue over a reload; those of a backend or a pool end when it is removed. The
number of series depends on listeners, pools and backends only, never on traffic.

A backend's series have its configured name and its address, both as labels, because a name may have
several addresses: one backend is still one set of series. They begin again if a name gets another
address; `sum without (address)` adds them up.

The buckets of a pool's histogram end at 0.5 ms and at every doubling of that up to 65.536 s; those of a
backend's histogram at 1, 8, 32 and 128 ms, 1.024 s and 8.192 s. Requests and attempts are counted when
they end. A backend has 54 series, which are 5.7 KB: a scrape of 9,000 backends is 51 MB, takes a tenth of a
second of CPU, and is written as it is made, so that the process needs no memory for it.

| name | type | labels | |
|---|---|---|---|
";

/// The whole file, from a scrape of a process with everything configured.
pub(in crate::admin) fn listing(scrape: &str) -> String {
    let values = values(scrape);
    let mut text = HEAD.to_owned();
    for Metric { name, kind, labels, help } in TABLE {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(text, "| `{name}` | {} | {} | {help} |", word(*kind), labels.join(", "));
    }
    for name in OF_THE_PROCESS {
        let find = |what: &str| {
            let start = format!("# {what} {name} ");
            scrape.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("(missing)")
        };
        let _ = writeln!(text, "| `{name}` | {} |  | {} |", find("TYPE"), find("HELP"));
    }
    text.push_str("\n## Values of labels\n\n| label | of | values |\n|---|---|---|\n");
    for (label, meaning) in CHOSEN {
        let _ = writeln!(text, "| `{label}` | all that have it | {meaning} |");
    }
    for ((label, values), metrics) in alike(&values) {
        let metrics: Vec<_> = metrics.iter().map(|name| format!("`{name}`")).collect();
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        let _ = writeln!(text, "| `{label}` | {} | {} |", metrics.join(", "), values.join(", "));
    }
    text
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    }
}

/// The values of each label of each metric, in order.
fn values(scrape: &str) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((labels, _)) = rest.rsplit_once('}') else { continue };
        for pair in labels.split(',') {
            let Some((label, value)) = pair.split_once('=') else { continue };
            let values = found.entry((name, label)).or_default();
            let value = value.trim_matches('"');
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    found
}

/// The metrics with the same label and the same values.
fn alike<'a>(
    values: &BTreeMap<(&'a str, &'a str), Vec<&'a str>>,
) -> BTreeMap<(&'a str, Vec<&'a str>), BTreeSet<&'a str>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for ((name, label), values) in values {
        let is_chosen = CHOSEN.iter().any(|(chosen, _)| chosen == label);
        // The bounds of buckets are described in the text.
        if !is_chosen && *label != "le" {
            found.entry((*label, values.clone())).or_default().insert(*name);
        }
    }
    found
}
