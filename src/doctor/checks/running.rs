//! The running process: whether it runs what is on disk, and what it has seen of its backends.

use std::time::Duration;

use super::or_fine;
use crate::doctor::{
    facts::Facts,
    finding::Finding,
    running::{EarlyCloses, RunningFacts},
};

const PROCESS: &str = "process";
const FILE: &str = "newer file";
const PROGRAM: &str = "newer program";
const KEEPALIVE: &str = "keep-alive";
/// Fewer early ends are no pattern.
const PATTERN: usize = 3;
/// Ends that are this close to each other have one reason. They are noticed up to a second late.
const CLOSE: Duration = Duration::from_millis(1500);

/// Whether one runs.
pub(super) fn process(facts: &Facts) -> Vec<Finding> {
    let file = facts.file.display();
    vec![match &facts.running {
        Ok((pid, _)) => Finding::fine(PROCESS, format!("process {pid} runs from {file}")),
        Err(reason) => Finding::skipped(PROCESS, reason.clone()),
    }]
}

/// Whether the configuration in force is the one in the files.
pub(super) fn newer_file(facts: &Facts) -> Vec<Finding> {
    let (_, running) = match running(facts, FILE) {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let file = facts.file.display();
    let names: Vec<_> = running.outdated.iter().map(|it| it.display().to_string()).collect();
    let reload = format!("lb reload -c {file}");
    let found = match (names.first(), running.last_reload_failed) {
        (_, true) => {
            let says = "the last reload failed, and the configuration before it is in force";
            vec![Finding::problem(FILE, says, format!("lb -t -c {file} shows why; then {reload}"))]
        }
        (Some(first), false) => {
            let says = format!("{} changed since it was loaded", listed(&names));
            vec![Finding::warning(FILE, says, reload).at(first.clone())]
        }
        (None, false) => Vec::new(),
    };
    or_fine(found, || Finding::fine(FILE, "the configuration in force is the one in the files"))
}

/// Whether the program that runs is the one on disk.
pub(super) fn newer_program(facts: &Facts) -> Vec<Finding> {
    let (pid, _) = match running(facts, PROGRAM) {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    vec![match facts.machine.program_is_replaced {
        None => Finding::skipped(PROGRAM, "only root and the user of the process may know"),
        Some(false) => Finding::fine(PROGRAM, "the program that runs is the one on disk"),
        Some(true) => {
            let says = format!("process {pid} runs a program that was replaced or removed since");
            let mend = format!("lb upgrade -c {}", facts.file.display());
            Finding::warning(PROGRAM, says, mend).at(format!("/proc/{pid}/exe"))
        }
    }]
}

/// Backends that close idle connections sooner than `lb` does. A request that is sent just then fails, and
/// is tried again only if it can be repeated.
pub(super) fn keepalive(facts: &Facts) -> Vec<Finding> {
    let (_, running) = match running(facts, KEEPALIVE) {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let found = running.early_closes.iter().filter_map(|it| shorter(facts, it)).collect();
    or_fine(found, || {
        Finding::fine(KEEPALIVE, "no backend was seen to close idle connections before lb does")
    })
}

fn shorter(facts: &Facts, closes: &EarlyCloses) -> Option<Finding> {
    let limit = keepalive_of_backend(closes)?;
    let of = facts.configuration.backends.iter().filter(|it| it.address == closes.address);
    let of: Vec<_> = of.map(|it| (it.pool.as_str(), it.name.as_str())).collect();
    let name = of.first().map_or(closes.address.to_string(), |(_, name)| (*name).to_owned());
    let kept = closes.kept_ms / 1000;
    let file = facts.file.display();
    let closed = format!(
        "and lb keeps them for {kept}s: {} were closed so; a request that is sent just then fails, or costs \
         another try",
        closes.count
    );
    let pool = of.first().map_or("NAME", |(pool, _)| pool);
    let longer = format!("let the backend keep them for longer than {kept}s");
    // Noticed up to a second late, so nothing is known of a shorter time.
    let (says, mend) = match limit.as_secs() {
        0 | 1 => (
            format!("backend {name} closes connections at once or within a second, {closed}"),
            format!("{longer}, or say \"Connection: close\" in its answers"),
        ),
        seconds => (
            format!("backend {name} closes idle connections after about {seconds}s, {closed}"),
            format!(
                "{longer}, or write timeouts: {{ keepalive: {}s }} in pool {pool}; then lb reload -c {file}",
                seconds - 1
            ),
        ),
    };
    Some(Finding::warning(KEEPALIVE, says, mend).at(format!("pools.{pool}.timeouts.keepalive")))
}

/// How long a backend keeps an idle connection, by the ages at which it closed the latest ones; `None` if
/// they have no reason in common, as when it was restarted.
fn keepalive_of_backend(closes: &EarlyCloses) -> Option<Duration> {
    let mut ages = closes.latest_ms.clone();
    ages.sort_unstable();
    let median = Duration::from_millis(*ages.get(ages.len() / 2)?);
    let near = |age: &&u64| Duration::from_millis(**age).abs_diff(median) <= CLOSE;
    let alike = ages.iter().filter(near).count();
    let is_pattern = alike >= PATTERN && alike * 2 > ages.len();
    is_pattern.then_some(median)
}

/// What the process says, or the reason why this check is skipped.
fn running<'a>(
    facts: &'a Facts,
    check: &'static str,
) -> Result<(u32, &'a RunningFacts), Vec<Finding>> {
    match &facts.running {
        Ok((pid, running)) => Ok((*pid, running)),
        Err(reason) => Err(vec![Finding::skipped(check, reason.clone())]),
    }
}

/// `a and b`, or the first ones and the number of the others.
fn listed(names: &[String]) -> String {
    match names {
        [one] => format!("{one} has"),
        [one, other] => format!("{one} and {other} have"),
        [one, rest @ ..] => format!("{one} and {} others have", rest.len()),
        [] => "nothing has".to_owned(),
    }
}
