//! Everything goes wrong at once, as a seed says: five backends are killed, stopped, refuse, close,
//! reset, dribble, answer errors and garbage; clients of HTTP/1 and HTTP/2 leave, pipeline and drip;
//! operators reload and upgrade. A plan of faults is made from the seed, clients and backends note what
//! they see, and a pure function says which rules that breaks.
//!
//! `LB_CHAOS_SECONDS` and `LB_CHAOS_SEED` make it longer, and play the same faults again.

mod backends;
mod clients;
mod fault;
mod habit;
mod judge;
mod ledger;
mod log;
mod order;
mod plan;
mod site;
mod stalls;

use std::{
    collections::{BTreeMap, HashMap},
    env, fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use lb::clock;

use crate::failures::Turn;
use backends::Backends;
use clients::Clients;
use judge::{Verdict, judge};
use ledger::{Arrival, End, Ledger};
use plan::Plan;
use site::Site;
use stalls::Stalls;

/// Of faults, unless the environment says otherwise.
const SECONDS: u64 = 20;
/// Of the run, unless the environment says otherwise.
const SEED: u64 = 14;
/// Without faults, before the process is measured.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long a backend may take to the first byte of an answer.
const LIMIT: Duration = Duration::from_millis(1_500);

fn from_environment(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}: {value}")))
}

#[test]
fn nothing_goes_wrong_that_need_not() {
    let seconds = from_environment("LB_CHAOS_SECONDS").unwrap_or(SECONDS);
    let seed = from_environment("LB_CHAOS_SEED").unwrap_or(SEED);
    let _turn = Turn::wait();
    println!("seed {seed}, {seconds} s: LB_CHAOS_SEED={seed} LB_CHAOS_SECONDS={seconds}");
    let run = Run::of(seed, Duration::from_secs(seconds));
    println!("{run}");
    let verdict = judge(&run.ledger);
    println!("excused: {:?}", verdict.excused);
    assert!(verdict.broken.is_empty(), "{}", run.tell(&verdict));
}

/// Says that a part of a run is over, also when the test fails there.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A run that is over.
struct Run {
    seed: u64,
    faults: usize,
    reloads: usize,
    ledger: Ledger,
    site: Site,
}

impl Run {
    fn of(seed: u64, length: Duration) -> Self {
        let plan = Plan::of(seed, length);
        let (start, began) = (clock::now(), clock::wall());
        let mut backends = Backends::new(start);
        let addresses = backends.addresses();
        let site = Site::new(addresses.clone());
        let next_id = Arc::new(AtomicU64::new(0));
        let clients = |seed| Clients::start(seed, start, site.address(), &next_id);

        site.upgrade();
        let warm_up = clients(seed);
        thread::sleep(WARM_UP);
        let mut visits = warm_up.finish();
        let before = site.footprint();

        let stalls = Stalls::watch(start);
        let is_over = AtomicBool::new(false);
        let chaos = clients(!seed);
        let chaos_http2 = Clients::start_http2(!seed, start, site.address(), &next_id);
        let (bad, operations) = thread::scope(|scope| {
            let operations = scope.spawn(|| site.operate(start, &is_over));
            let over = Over(&is_over);
            let bad = backends.play(&plan);
            drop(over);
            (bad, operations.join().expect("operators do not panic"))
        });
        let out = site.wait_for_comeback();
        visits.extend(chaos.finish());
        visits.extend(chaos_http2.finish());
        let remains = site.remains(&before);
        site.stop();

        let log = site.log();
        let mut complaints = operations.complaints;
        complaints.extend(log::complaints(&log));
        let ledger = Ledger {
            visits,
            arrivals: by_id(backends.arrivals()),
            changed_bodies: backends.changed_bodies(),
            bad,
            notices: log::notices(&log, &addresses, began),
            upgrades: operations.upgrades,
            stalls: stalls.finish(),
            complaints,
            remains: ledger::Remains { out, ..remains },
        };
        let (faults, reloads) = (plan.periods.len(), operations.reloads);
        Self { seed, faults, reloads, ledger, site }
    }

    /// All that is broken, with what is known of it.
    fn tell(&self, verdict: &Verdict) -> String {
        const MOST: usize = 12;
        let mut text = format!("seed {}: {} broken\n", self.seed, verdict.broken.len());
        for (rule, what) in verdict.broken.iter().take(MOST) {
            text.push_str(&format!("{rule:?}: {what}\n"));
            let id = what.strip_prefix("request ").and_then(|rest| rest.split(':').next());
            for line in id
                .and_then(|id| id.parse().ok())
                .map(|id| self.site.access_lines(id))
                .iter()
                .flatten()
            {
                text.push_str(&format!("    {line}\n"));
            }
        }
        text.push_str(&format!("{self}\n"));
        for bad in &self.ledger.bad {
            text.push_str(&format!("    {bad:?}\n"));
        }
        text.push_str(&self.site.log().join("\n"));
        text
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ledger { visits, arrivals, notices, upgrades, stalls, remains, .. } = &self.ledger;
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for visit in visits {
            let kind = match &visit.end {
                End::Cut(_) => "Cut".to_owned(),
                End::Unanswered(_) => "Unanswered".to_owned(),
                end => format!("{end:?}"),
            };
            *ends.entry(kind).or_default() += 1;
        }
        let attempts: usize = arrivals.values().map(Vec::len).sum();
        write!(
            f,
            "{} requests {ends:?}, {attempts} attempts; {} faults, {} reloads, {} upgrades, \
             {} backends taken out, {} stalls; {remains:?}",
            visits.len(),
            self.faults,
            self.reloads,
            upgrades.len(),
            notices.len(),
            stalls.len(),
        )
    }
}

fn by_id(all: Vec<Arrival>) -> HashMap<u64, Vec<Arrival>> {
    let mut by_id: HashMap<_, Vec<_>> = HashMap::new();
    for arrival in all {
        by_id.entry(arrival.id).or_default().push(arrival);
    }
    by_id
}
