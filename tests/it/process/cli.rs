//! What the command line prints, and the exit code.

use std::process::Command;

use crate::support::process::LbProcess;

use super::{Outcome, outcome};

const GOOD: &str = "\
listeners: [ { address: 127.0.0.1:0 } ]
routes: [ { pool: web } ]
pools:
  web: { backends: [ { address: 127.0.0.1:1 }, { address: 127.0.0.1:2 } ] }
";

const BAD: &str = "\
listeners:
  - address: 127.0.0.1:0
routes:
  - pool: wbe
pools:
  web:
    algoritm: round_robin
    backends:
      - address: https://127.0.0.1:1
      - address: 127.0.0.1:2
        weight: 0
    health_check: { interval: 1s, timeout: 2s }
";

const ITS_PROBLEMS: &str = "\
lb.yaml:4: routes[0].pool: no pool is named \"wbe\" (did you mean \"web\"?)
lb.yaml:7: pools.web.algoritm: is not a known key (did you mean \"algorithm\"?)
lb.yaml:9: pools.web.backends[0].address: not yet: lb speaks no TLS to backends, found \"https://127.0.0.1:1\" (use http://…)
lb.yaml:11: pools.web.backends[1].weight: must be between 1 and 1000, found 0 (to stop traffic to a backend, write drain: true)
lb.yaml:12: pools.web.health_check.timeout: must be below the interval of 1s, found 2s (a check must end before the next one starts)
lb.yaml: 5 problems
";

fn with_config(text: &str, args: &[&str]) -> Outcome {
    outcome(LbProcess::with_config(text, args))
}

fn run(args: &[&str]) -> Outcome {
    outcome(LbProcess::start(args))
}

#[test]
fn a_good_file_is_ok_in_one_line() {
    let outcome = with_config(GOOD, &["-t"]);
    assert_eq!(outcome.stdout, "ok: 1 listener, 1 route, 1 pool, 2 backends\n");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_warning_is_shown_and_the_file_is_ok() {
    let text = format!("{GOOD}  spare: {{ backends: [ {{ address: 127.0.0.1:3 }} ] }}\n");
    let outcome = with_config(&text, &["-t"]);
    assert_eq!(outcome.stdout, "ok: 1 listener, 1 route, 2 pools, 3 backends\n");
    let warning =
        "warning: lb.yaml:5: pools.spare: no route leads to this pool, so it gets no requests\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), warning));
}

#[test]
fn a_bad_file_shows_every_problem_and_nothing_else_checked_or_run() {
    for args in [["-t"].as_slice(), &[]] {
        let outcome = with_config(BAD, args);
        assert_eq!(outcome.stderr, ITS_PROBLEMS, "{args:?}");
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{args:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    for args in [["-t", "-c", "no/lb.yaml"].as_slice(), &["-c", "no/lb.yaml"]] {
        let outcome = run(args);
        let expected = "no/lb.yaml: cannot be read: there is no such file\nno/lb.yaml: 1 problem\n";
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), expected));
        assert_eq!(outcome.stdout, "");
    }
    let outcome = run(&["-c", "."]);
    let expected = ".: cannot be read: it is a directory, not a file\n.: 1 problem\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), expected));
}

#[test]
fn without_arguments_it_says_what_is_missing() {
    let outcome = run(&[]);
    let expected = "--backends: is missing (name the backends, as in --backends \
                    http://localhost:9001,http://localhost:9002, or a file with -c)\n\
                    command line: 1 problem\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(2), expected));
    assert_eq!(outcome.stdout, "");
}

#[test]
fn help_and_version_are_no_errors() {
    let help = run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let words = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "Sets `retry.attempts`, which counts all tries, to one more than this",
        "-c, --conf <FILE>",
        "-t, --test",
        "[default without a file: 8080]",
        "--algorithm <ALGORITHM> How to choose a backend: roundrobin, leastconn or ewma",
        "[default without a file: roundrobin]",
        "[default without a file: 10s]",
        "[default without a file: 2s]",
        "[default without a file: 3]",
    ] {
        assert!(words.contains(expected), "{expected} is not in\n{}", help.stdout);
    }
    let version = run(&["--version"]);
    let expected = concat!("lb ", env!("CARGO_PKG_VERSION"), "\ncommit ");
    assert!(version.stdout.starts_with(expected), "{}", version.stdout);
    let version = run(&["-V"]);
    let expected = concat!("lb ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((version.code, version.stdout.as_str()), (Some(0), expected));
}

#[test]
fn a_wrong_command_line_is_code_2() {
    for (args, named) in [
        (["--backend", "http://127.0.0.1:1"].as_slice(), "--backends"),
        (&["--port", "65536", "--backends", "http://127.0.0.1:1"], "--port"),
        (&["--max-retries", "-1"], "-1"),
        (&["-c"], "--conf"),
        (&["-t", "demo"], "demo"),
        (&["-u", "--backends", "http://127.0.0.1:1"], "--conf"),
        (&["serve"], "serve"),
        (&["backend"], "--port"),
        (&["backend", "--port", "0", "--status", "199"], "--status"),
        (&["backend", "--port", "0", "--delay", "50"], "--delay"),
    ] {
        let outcome = run(args);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(outcome.stderr.starts_with("error: "), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(named), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn flags_with_one_dash_are_taken_with_a_hint() {
    let outcome = run(&["-t", "-backends", "http://127.0.0.1:1", "-health-interval", "5s"]);
    assert_eq!(outcome.stdout, "ok: 1 listener, 1 route, 1 pool, 1 backend\n");
    let hint = "hint: flags have two dashes here: --backends, --health-interval (-backends is \
                understood as well)\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), hint));
}

#[test]
fn a_file_without_its_flag_says_what_to_write() {
    for (args, write) in [
        (&["lb.yaml"][..], "(write: lb -c lb.yaml)"),
        (&["-t", "conf/lb.yaml"], "(write: lb -t -c conf/lb.yaml)"),
        (&["-conf", "lb.yaml"], "(write: lb -c lb.yaml)"),
    ] {
        let outcome = run(args);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(outcome.stderr.trim_end().ends_with(write), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn a_check_without_looking_up_names_says_so() {
    let text = GOOD.replace("127.0.0.1:2", "nowhere.invalid:2");
    let outcome = with_config(&text, &["-t", "--offline"]);
    let expected = "ok: 1 listener, 1 route, 1 pool, 2 backends; no name was looked up\n";
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), expected), "{}", outcome.stderr);
}

#[test]
fn without_a_file_commands_are_for_that_of_the_environment() {
    let mut lb = LbProcess::with_config(GOOD, &[]);
    lb.address();
    let tell = |command: &str| {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lb"));
        process.arg(command).env("LB_CONF", "lb.yaml");
        outcome(lb.spawn_beside(process))
    };
    assert_eq!(tell("-t").stdout, "ok: 1 listener, 1 route, 1 pool, 2 backends\n");
    let stopped = tell("stop");
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
}

#[test]
fn flags_alone_can_be_checked() {
    let outcome = run(&["-t", "--backends", "http://127.0.0.1:1,127.0.0.1:2"]);
    assert_eq!(outcome.stdout, "ok: 1 listener, 1 route, 1 pool, 2 backends\n");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));

    let outcome = run(&["-t", "--backends", "https://127.0.0.1:1", "--algorithm", "lestconn"]);
    let expected = "\
--backends: not yet: lb speaks no TLS to backends, found \"https://127.0.0.1:1\" (use http://…)
--algorithm: must be roundrobin, leastconn or ewma, found \"lestconn\" (write leastconn)
command line: 2 problems
";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(2), expected));
}

#[test]
fn a_name_that_does_not_resolve_is_a_problem_of_its_line() {
    let text = GOOD.replace("127.0.0.1:2", "nonexistent.invalid:80");
    for args in [["-t"].as_slice(), &[]] {
        let outcome = with_config(&text, args);
        let start = "lb.yaml:4: pools.web.backends[1].address: cannot resolve the host name \
                     \"nonexistent.invalid\": ";
        assert!(outcome.stderr.starts_with(start), "{}", outcome.stderr);
        assert!(outcome.stderr.ends_with("\nlb.yaml: 1 problem\n"), "{}", outcome.stderr);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    }
    let outcome = run(&["-t", "--backends", "http://nonexistent.invalid:80"]);
    let start = "--backends: cannot resolve the host name \"nonexistent.invalid\": ";
    assert!(outcome.stderr.starts_with(start), "{}", outcome.stderr);
    assert_eq!(outcome.code, Some(1));
}

#[test]
fn localhost_resolves() {
    // To one address or to two, as the machine has it.
    let outcome = with_config(&GOOD.replace("127.0.0.1:2", "localhost:2"), &["-t"]);
    assert!(outcome.stdout.starts_with("ok: 1 listener, 1 route, 1 pool, "), "{}", outcome.stdout);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}
