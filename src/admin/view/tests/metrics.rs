//! The metrics: they agree with the status and with the file that lists them.

use std::{env, fs, path::Path};

use super::{Process, SECOND, value};
use crate::admin::metrics::{TABLE, listing};
use crate::backend::CheckResult;
use crate::clock;
use crate::count::{Outcome, StatusClass};

#[tokio::test]
async fn every_metric_is_there_and_says_what_the_status_says() {
    let process = Process::new("round_robin").await;
    let pool = process.pool("web");
    let seen = pool.backends(clock::now()).next().unwrap();
    let counts = seen.backend.counts();
    counts.attempt_ended(Outcome::Ok, StatusClass::Success, SECOND);
    counts.attempt_ended(Outcome::Reset, StatusClass::None, 2 * SECOND);
    pool.counts().request_ended(StatusClass::Success, SECOND);
    pool.counts().retried(Outcome::Reset);
    process.current.reloaded(Err("a mistake"));
    process.refuse(2);

    let text = process.metrics();
    for metric in TABLE.iter().filter(|metric| metric.name != "lb_backend_check_duration_seconds") {
        assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{} is missing", metric.name);
    }
    let web = |name: &str, more: &str| {
        let (name, suffix) = name.split_once('|').unwrap_or((name, ""));
        value(&text, &format!("{name}{suffix}{{{more}}}"))
    };
    let own = r#"backend="127.0.0.1:1",pool="web""#;
    for (name, labels, expected) in [
        ("lb_pool_requests_total", r#"pool="web",code="2xx""#, 1.0),
        ("lb_pool_retries_total", r#"pool="web",reason="reset""#, 1.0),
        ("lb_config_reloads_total", r#"result="failure""#, 1.0),
        ("lb_pool_backends", r#"pool="web",state="ejected""#, 1.0),
        ("lb_pool_backends", r#"pool="web",state="eligible""#, 2.0),
    ] {
        assert_eq!(web(name, labels), Some(expected), "{name} {labels}\n{text}");
    }
    let labels = r#"pool="web",backend="127.0.0.1:1",address="127.0.0.1:1""#;
    let ejected = r#"pool="web",backend="127.0.0.1:2",address="127.0.0.1:2",cause="refused""#;
    assert_eq!(web("lb_backend_request_duration_seconds_sum", labels), Some(3.0), "{own}");
    assert_eq!(web("lb_backend_ejections_total", ejected), Some(1.0));
    let below = |le: &str| {
        web("lb_backend_request_duration_seconds_bucket", &format!("{labels},le=\"{le}\""))
    };
    assert_eq!([below("0.128"), below("2.048"), below("8.192")], [Some(0.0), None, Some(2.0)]);
    assert_eq!(below("+Inf"), Some(2.0));
    for own in ["process_cpu_seconds_total", "process_open_fds", "process_max_fds"] {
        assert!(value(&text, own).is_some(), "{own}");
    }

    let status = process.status();
    assert_eq!((status.pools[0].requests, status.pools[0].retries), (1, 1));
    assert_eq!((process.backend(1).requests, process.backend(1).errors), (2, 1));
}

#[tokio::test]
async fn a_scrape_in_pieces_is_the_same_scrape_and_no_piece_is_much_longer_than_asked_for() {
    let process = Process::new("round_robin").await;
    let series = |text: String| {
        let of_system = |line: &&str| line.contains("process_");
        text.lines().filter(|line| !of_system(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    let pieces = process.metrics_in_pieces(1000);
    let of_system = pieces.last().unwrap().len();
    // The series of one source in one family, at most those of a pool's histogram.
    let longest = pieces.iter().rev().skip(1).map(String::len).max().unwrap();
    assert!(longest < 4000 && of_system < 4000 && pieces.len() > 10, "{longest} {of_system}");
    assert_eq!(series(pieces.concat()), series(process.metrics()));
}

#[tokio::test]
async fn the_listed_metrics_are_those_of_a_scrape() {
    let process = Process::new("round_robin").await;
    let pool = process.pool("web");
    let seen = pool.backends(clock::now()).next().unwrap();
    seen.backend.counts().checked(CheckResult { failure: None, took: SECOND, at: clock::now() });
    let actual = listing(&process.metrics());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/reference/metrics.md");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &actual).unwrap();
    }
    let told = fs::read_to_string(&path).unwrap_or_default();
    assert!(told == actual, "UPDATE_GOLDEN=1 writes {} anew:\n{actual}", path.display());
}
