//! Requests that would go round in a loop.

use serde_json::{Value, json};

use crate::support::{
    backend::ScriptedBackend,
    client::{Connection, get},
    metrics::{ADMIN, Asked},
    process::LbProcess,
};

use super::{access_lines, outcome, rewrite, tell, yaml};

const SETTINGS: &str = "    retry: { on: [connect_failure, 508], attempts: 3 }\n\
                        access_log: { path: access.log }";

const ITSELF: &str = "a request to it would come back to lb again and again; write the address of a \
                      server, or let lb listen on another port";

fn listening_on(listener: &str, backend: &str) -> String {
    format!(
        "listeners: [ {{ address: \"{listener}\" }} ]\nroutes: [ {{ pool: web }} ]\npools:\n  web:\n    \
         backends: [ {{ address: \"{backend}\" }} ]\n"
    )
}

#[test]
fn a_backend_that_is_the_process_itself_is_a_problem_of_the_file() {
    let told = |text: &str| outcome(LbProcess::with_config(text, &["-t"])).stderr;
    let place = "lb.yaml:5: pools.web.backends[0].address";
    assert_eq!(
        told(&listening_on("0.0.0.0:8080", "127.0.0.1:8080")),
        format!(
            "{place}: 127.0.0.1:8080 is where lb itself listens (listeners[0].address: \
             0.0.0.0:8080): {ITSELF}\nlb.yaml: 1 problem\n"
        )
    );
    let by_name = told(&listening_on("127.0.0.1:8080", "localhost:8080"));
    let named = format!("{place}: \"localhost:8080\" resolves to 127.0.0.1:8080, which is where");
    assert!(by_name.starts_with(&named), "{by_name}");
    let admin = listening_on("127.0.0.1:8080", "[::ffff:127.0.0.1]:9900") + ADMIN;
    let admin = told(&admin.replace("127.0.0.1:0", "127.0.0.1:9900"));
    assert!(admin.contains("itself listens (admin.address: 127.0.0.1:9900)"), "{admin}");
    assert_eq!(told(&listening_on("127.0.0.1:8080", "127.0.0.1:8081")), "");
}

#[test]
fn by_flags_it_is_one_as_well() {
    let flags = ["--port", "8080", "--backends", "http://127.0.0.1:8080"];
    let told = outcome(LbProcess::start(&flags));
    assert_eq!(told.code, Some(1));
    let expected = "--backends: 127.0.0.1:8080 is where lb itself listens";
    assert!(told.stderr.starts_with(expected), "{}", told.stderr);
}

#[test]
fn a_reload_that_would_make_one_changes_nothing() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], ""), &[]);
    let address = lb.address();
    rewrite(&lb, &listening_on("0.0.0.0:8080", "127.0.0.1:8080"));
    let told = tell(&lb, "reload");
    assert_eq!(told.code, Some(1));
    assert!(told.stderr.contains(ITSELF), "{}", told.stderr);
    assert_eq!(get(address, "/").text(), "a");
}

/// Two balancers, each of which has the other one as its only backend.
fn circle() -> (LbProcess, LbProcess) {
    let nowhere = ScriptedBackend::named("for the start");
    let start = |text: &str| LbProcess::with_config(text, &[]);
    let settings = format!("{SETTINGS}\n{ADMIN}");
    let mut first = start(&yaml(&[nowhere.address()], &settings));
    let mut second = start(&yaml(&[first.address()], SETTINGS));
    rewrite(&first, &yaml(&[second.address()], &settings));
    assert_eq!(tell(&first, "reload").code, Some(0));
    (first, second)
}

fn outcomes(line: &Value) -> Vec<&Value> {
    line["tries"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect()
}

#[test]
fn a_loop_through_another_balancer_ends() {
    let (mut first, second) = circle();
    let asked = Asked::of(&mut first);
    let mut connection = Connection::open(first.address()).unwrap();
    // More than failures that eject.
    for _ in 0..6 {
        let answer = connection.get("/").unwrap();
        assert_eq!(answer.status, 508);
        let why = "508 Loop Detected: the request has come through this balancer several times";
        assert!(answer.text().starts_with(why), "{}", answer.text());
    }
    // Four passes, and the fifth that is refused; those of the other one are all passed on.
    let lines = access_lines(&first, 30);
    assert_eq!(lines.len(), 30, "an answer that says so is never tried again");
    let (refused, passed): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| outcomes(line).is_empty());
    assert_eq!((refused.len(), passed.len()), (6, 24));
    assert!(refused.iter().all(|line| line["status"] == 508));
    assert!(refused[0]["error"].as_str().unwrap().contains("form a loop"));
    assert!(passed.iter().all(|line| outcomes(line) == [&json!("loop")]));
    assert_eq!(access_lines(&second, 24).len(), 24);
    let loops = asked.scrape().text;
    let counted = loops.lines().find(|line| line.starts_with("lb_listener_loops_total{"));
    assert!(counted.is_some_and(|line| line.ends_with(" 6")), "{counted:?}");
    let has_ejected = first.stderr().iter().any(|line| line.contains("ejected"));
    assert!(!has_ejected, "{:?}", first.stderr());
}
