//! Health checks of a backend.

use std::time::Duration;

use super::section::Section;
use crate::convert::{
    duration,
    ledger::Ledger,
    site::{Check, HttpCheck},
    statement::Statement,
};

/// The default of `health_check.interval`.
const INTERVAL: Duration = Duration::from_secs(2);
/// The default of `health_check.timeout`.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a reader should know if no server has `check`.
const NONE: &str = "HAProxy had no checks; a path that shows whether the backend works is better";

/// What the section says of its checks; its servers add to it.
pub(super) fn of_section(section: &Section<'_>, ledger: &mut Ledger) -> Check {
    let http = section.has_option("httpchk").map(|option| {
        ledger.translated(option);
        let mut check = HttpCheck::default();
        request(option, option.args().get(1..).unwrap_or_default(), &mut check, ledger);
        for line in section.own("http-check").chain(inherited(section)) {
            rule(line, &mut check, ledger);
        }
        check
    });
    Check { http, comment: Some(NONE), ..Check::default() }
}

/// The lines of the defaults, unless the section has its own.
fn inherited<'a>(section: &Section<'a>) -> impl Iterator<Item = &'a Statement> {
    let has_own = section.own("http-check").next().is_some();
    section.inherited("http-check").filter(move |_| !has_own)
}

/// `option httpchk [METHOD] [PATH] [VERSION]`.
fn request(option: &Statement, args: &[String], check: &mut HttpCheck, ledger: &mut Ledger) {
    let (method, path, version) = match args {
        [] => ("OPTIONS", "/", ""),
        [path] if path.starts_with('/') => ("OPTIONS", path.as_str(), ""),
        [method] => (method.as_str(), "/", ""),
        [method, path, rest @ ..] => {
            (method.as_str(), path.as_str(), rest.last().map_or("", String::as_str))
        }
    };
    set_request(option, method, path, (check, ledger));
    // Older files have fields behind the version.
    let fields = version.split("\r\n").filter_map(|line| line.split_once(':'));
    for (_, value) in fields.filter(|(name, _)| name.eq_ignore_ascii_case("host")) {
        check.host = ledger.value(option, "pools.*.health_check.host", value.trim());
    }
}

fn set_request(
    line: &Statement,
    method: &str,
    path: &str,
    (check, ledger): (&mut HttpCheck, &mut Ledger),
) {
    if method != "GET" {
        ledger.changed(line, format!("checks are GET requests, not {method}"));
    }
    check.path = ledger.value(line, "pools.*.health_check.path", path);
}

/// A line of `http-check`.
fn rule(line: &Statement, check: &mut HttpCheck, ledger: &mut Ledger) {
    let words: Vec<&str> = line.args().iter().map(String::as_str).collect();
    match words[..] {
        ["send", ..] => {
            ledger.translated(line);
            let after = |name: &str| {
                let at = words.iter().position(|word| *word == name)?;
                words.get(at + 1).copied()
            };
            let path = after("uri").or(after("uri-lf")).unwrap_or("/").to_owned();
            set_request(line, after("meth").unwrap_or("OPTIONS"), &path, (check, ledger));
            for pair in words.windows(3).filter(|it| it.first() == Some(&"hdr")) {
                match pair {
                    [_, name, value] if name.eq_ignore_ascii_case("host") => {
                        check.host = ledger.value(line, "pools.*.health_check.host", *value);
                    }
                    _ => ledger
                        .left_out(line, "a check of lb has a Host and no other field of yours"),
                }
            }
            if words.contains(&"body") {
                ledger.left_out(line, "a check of lb has no body");
            }
        }
        ["expect", "status", statuses] => {
            ledger.translated(line);
            check.expect = ledger.value(line, "pools.*.health_check.expect", statuses);
        }
        ["expect", ..] => {
            ledger.left_out(line, "a check of lb looks at the status alone (expect: 200-399)")
        }
        ["disable-on-404"] => {
            ledger.left_out(line, "lb drains a backend by lb drain, or drain: true")
        }
        _ => ledger.left_out(line, "a check of lb is one request, and its answer's status"),
    }
}

/// Makes interval and timeout fit to each other: in `lb` a check ends before the next one begins.
pub(super) fn settle(check: &mut Check, section: &Section<'_>, ledger: &mut Ledger) {
    let interval = check.interval.as_deref().and_then(|it| duration::read(it, "ms"));
    let between = interval.unwrap_or(INTERVAL);
    let timeout = section.timeout("check", ledger);
    let longest = between / 2;
    if let Some(timeout) = timeout {
        let fits = timeout < between;
        check.timeout = duration::written(if fits { timeout } else { longest });
        if !fits && let Some(line) = section.find(&["timeout", "check"]) {
            ledger.changed(
                line,
                "a check of lb ends before the next one begins: half of the interval",
            );
        }
    } else if between <= TIMEOUT {
        check.timeout = duration::written(longest);
    }
}
