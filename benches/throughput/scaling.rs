//! The gain by a second core.
//!
//! If a proxy has its cores to itself, requests a second show it. If clients and backends share the
//! cores, CPU time per request does: each core provides one second of it per second, so a proxy on
//! two cores serves twice as many requests, reduced by the extra cost of a request there. That
//! holds if all its threads work, because waiting clients then keep both busy.

use std::time::Duration;

use crate::{
    cores::Cores,
    figures::{Spread, cpu, millis, rate},
    proxies::Proxy,
    round::{Row, Sample},
    table::{Table, strings},
};

/// The least share of the CPU time of a thread that works: with less, one core would have been
/// enough.
const WORKS: f64 = 0.2;

pub(crate) fn table(rows: &[Row], cores: &Cores) -> Table {
    let mut table = vec![strings(&[
        "proxy",
        "CPU µs/request",
        "(least to most)",
        "requests/s",
        "(least to most)",
        "p99 ms",
        "errors",
        "cores busy",
        "by thread",
        "two cores / one",
    ])];
    for (proxy, samples) in rows {
        let (cpu, rate) = (Spread::of(samples, cpu), Spread::of(samples, rate));
        let busy = |sample: &Sample| 100.0 * sample.cpu.div_duration_f64(sample.took);
        let by_thread =
            (0..proxy.cores).map(|thread| format!("{:.0} %", 100.0 * share(samples, thread)));
        let works = share(samples, proxy.cores - 1) > WORKS;
        let factor = match kin(rows, proxy) {
            Some(_) if !works => "not shared".to_owned(),
            Some(one) => format!("{:.2} x", factor(one, samples, cores)),
            None => "-".to_owned(),
        };
        table.push(vec![
            proxy.name.to_owned(),
            format!("{:.1}", cpu.median),
            format!("{:.1} to {:.1}", cpu.least, cpu.most),
            format!("{:.0}", rate.median),
            format!("{:.0} to {:.0}", rate.least, rate.most),
            format!("{:.2}", Spread::of(samples, |sample| millis(sample.p99)).median),
            samples.iter().map(|sample| sample.errors).sum::<u64>().to_string(),
            format!("{:.0} %", Spread::of(samples, busy).median),
            by_thread.collect::<Vec<_>>().join(" + "),
            factor,
        ]);
    }
    table
}

/// How to read the last columns.
pub(crate) fn note(cores: &Cores) -> &'static str {
    if cores.are_shared() {
        "Clients and backends run on the same cores, so two cores / one is not of requests/s but 2 x \
         (CPU/request on one) / (CPU/request on two): what two cores could serve if they did nothing \
         else."
    } else {
        "The proxy has its cores to itself, so two cores / one is requests/s on two / requests/s on \
         one."
    }
}

/// The samples of the same program on one core, for a proxy on two.
fn kin<'a>(rows: &'a [Row], proxy: &Proxy) -> Option<&'a [Sample]> {
    let is_on_one = |(other, _): &&Row| other.cores == 1 && other.is_kin(proxy);
    let (_, samples) = rows.iter().find(is_on_one).filter(|_| proxy.cores > 1)?;
    Some(samples)
}

fn factor(one: &[Sample], two: &[Sample], cores: &Cores) -> f64 {
    let ratio = |of: fn(&Sample) -> f64| Spread::of(two, of).median / Spread::of(one, of).median;
    if cores.are_shared() { 2.0 / ratio(cpu) } else { ratio(rate) }
}

/// The share of a thread in the CPU time; the first is the busiest.
fn share(samples: &[Sample], thread: usize) -> f64 {
    let share = |sample: &Sample| {
        let all = sample.threads.iter().sum::<Duration>().max(Duration::from_nanos(1));
        sample.threads.get(thread).map_or(0.0, |cpu| cpu.div_duration_f64(all))
    };
    Spread::of(samples, share).median
}
