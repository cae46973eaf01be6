//! Tables from samples, a row for each proxy: on standard output as soon as a workload is done, and
//! all of them as Markdown.

use std::fmt::Write as _;

use lb::clock;

use crate::{
    cores::Cores,
    figures::{Spread, cpu, float, millis, rate},
    machine, proxies,
    round::{Plan, Row, Sample},
    scaling,
    table::{Table, as_markdown, plain, strings},
    workload::Workload,
};

/// All tables so far.
#[derive(Debug)]
pub(crate) struct Report {
    markdown: String,
}

impl Report {
    /// A report that begins with the facts needed to read the figures; prints them.
    pub(crate) fn new(cores: &Cores, plan: &Plan, named: Option<&str>) -> Self {
        let mut facts = vec![
            format!("Machine: {}", machine::describe()),
            format!("Layout: {}", cores.describe()),
            format!("Date: {}", humantime::format_rfc3339_seconds(clock::wall())),
            format!("Load average at the start: {}", machine::load_average()),
            format!("Rounds: {} of {:?} for each proxy", plan.rounds, plan.turn),
            format!("lb {}", env!("CARGO_PKG_VERSION")),
        ];
        facts.extend(proxies::versions(named));
        let mut markdown = String::new();
        for fact in facts {
            println!("{fact}");
            let _ = writeln!(markdown, "- {fact}");
        }
        Self { markdown }
    }

    /// Prints the table of a workload that was measured with this layout, and keeps it.
    pub(crate) fn add(&mut self, workload: &Workload, rows: &[Row], cores: &Cores) {
        let (table, note) = if workload.idle > 0 {
            (idle(rows), "")
        } else if workload.cores > 1 {
            (scaling::table(rows, cores), scaling::note(cores))
        } else {
            (busy(rows), "")
        };
        println!("\n{}: {}\n{}{note}", workload.name, workload.says, plain(&table));
        println!("load average: {}", machine::load_average());
        let _ = writeln!(
            self.markdown,
            "\n**{}**: {}\n\n{}\n{note}",
            workload.name,
            workload.says,
            as_markdown(&table)
        );
    }

    pub(crate) fn markdown(&self) -> &str {
        &self.markdown
    }
}

fn busy(rows: &[Row]) -> Table {
    let mut table = vec![strings(&[
        "proxy",
        "CPU µs/request",
        "(least to most)",
        "lb = 1",
        "requests/s",
        "(least to most)",
        "p50 ms",
        "p99 ms",
        "errors",
        "hanging",
        "core busy",
        "by others",
        "memory MB",
    ])];
    let reference = rows.first().map(|(_, samples)| Spread::of(samples, cpu).median);
    for (proxy, samples) in rows {
        let (cpu, rate) = (Spread::of(samples, cpu), Spread::of(samples, rate));
        let ratio = reference.map_or(0.0, |reference| cpu.median / reference);
        let median = |of: fn(&Sample) -> f64| Spread::of(samples, of).median;
        table.push(vec![
            proxy.name.to_owned(),
            format!("{:.1}", cpu.median),
            format!("{:.1} to {:.1}", cpu.least, cpu.most),
            format!("{ratio:.2}"),
            format!("{:.0}", rate.median),
            format!("{:.0} to {:.0}", rate.least, rate.most),
            format!("{:.2}", median(|sample| millis(sample.p50))),
            format!("{:.2}", median(|sample| millis(sample.p99))),
            samples.iter().map(|sample| sample.errors).sum::<u64>().to_string(),
            samples.iter().map(|sample| sample.hanging).sum::<u64>().to_string(),
            format!("{:.0} %", median(|sample| 100.0 * sample.cpu.div_duration_f64(sample.took))),
            format!(
                "{:.0} %",
                median(|sample| 100.0 * sample.others.div_duration_f64(sample.took))
            ),
            format!("{:.0}", median(|sample| float(sample.memory) / 1e6)),
        ]);
    }
    table
}

fn idle(rows: &[Row]) -> Table {
    let mut table =
        vec![strings(&["proxy", "KB/connection", "(least to most)", "lb = 1", "memory MB"])];
    let kilobytes = |sample: &Sample| float(sample.idle) / 1e3;
    let reference = rows.first().map(|(_, samples)| Spread::of(samples, kilobytes).median);
    for (proxy, samples) in rows {
        let each = Spread::of(samples, kilobytes);
        let memory = Spread::of(samples, |sample| float(sample.memory) / 1e6).median;
        table.push(vec![
            proxy.name.to_owned(),
            format!("{:.1}", each.median),
            format!("{:.1} to {:.1}", each.least, each.most),
            format!("{:.2}", reference.map_or(0.0, |reference| each.median / reference)),
            format!("{memory:.0}"),
        ]);
    }
    table
}
