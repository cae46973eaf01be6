//! Backends: pools with their servers, checks, retries and timeouts.

use super::{check, section::Section, server};
use crate::convert::{
    duration,
    ledger::Ledger,
    pool_name,
    site::{self, Handling, Pool},
    statement::Statement,
};

/// Reads the backend of a `backend` or `listen`; `None` if `lb` can use none of its servers.
pub(super) fn pool(section: &Section<'_>, ledger: &mut Ledger) -> Option<Pool> {
    let mut pool = Pool {
        name: pool_name::plain(section.name()),
        by: section.statement.id,
        place: section.statement.place.clone(),
        algorithm: None,
        backends: Vec::new(),
        check: check::of_section(section, ledger),
        ejection: None,
        slow_start: None,
        queue_size: None,
        queue_timeout: section.timeout("queue", ledger).and_then(duration::written),
        keepalive: None,
        handling: handling(section, ledger),
    };
    server::servers(section, &mut pool, ledger);
    check::settle(&mut pool.check, section, ledger);
    if pool.backends.is_empty() {
        return None;
    }
    if !pool.has_queue()
        && let Some(timeout) = section.find(&["timeout", "queue"])
    {
        ledger.not_needed(timeout, site::NO_QUEUE);
    }
    ledger.translated(section.statement);
    if let Some(balance) = section.find(&["balance"]) {
        pool.algorithm = algorithm(balance, ledger);
    }
    Some(pool)
}

fn algorithm(balance: &Statement, ledger: &mut Ledger) -> Option<&'static str> {
    match balance.arg(0).unwrap_or_default() {
        "roundrobin" | "static-rr" => {
            ledger.translated(balance);
            None
        }
        "leastconn" => {
            ledger.translated(balance);
            Some("least_conn")
        }
        word if word.starts_with("random") => {
            ledger.changed(balance, "lb has no random choice: least_conn");
            Some("least_conn")
        }
        "first" => {
            ledger.left_out(
                balance,
                "lb uses all backends that are eligible (or write backup: true)",
            );
            None
        }
        _ => {
            let reason = "lb binds no client to a backend: requests of one client go to all of them, so \
                          that sessions must be where all backends find them";
            ledger.left_out(balance, reason);
            None
        }
    }
}

fn handling(section: &Section<'_>, ledger: &mut Ledger) -> Handling {
    let server = section.timeout("server", ledger);
    let connect = section.timeout("connect", ledger);
    let mut handling = Handling {
        connect: connect.and_then(duration::written),
        response: server.and_then(duration::written),
        request: duration::of_all_tries([server, connect]).and_then(duration::written),
        idle: server.and_then(duration::written),
        ..Handling::default()
    };
    if let Some(option) = section.has_option("http-buffer-request") {
        ledger.changed(option, "request_buffer is what tune.bufsize is by default");
        handling.request_buffer = Some("16KiB".to_owned());
    }
    retries(section, &mut handling, ledger);
    handling
}

fn retries(section: &Section<'_>, handling: &mut Handling, ledger: &mut Ledger) {
    let on = section.find(&["retry-on"]);
    if let Some(retries) = section.find(&["retries"])
        && let Some(number) = retries.arg(0).and_then(|it| it.parse::<u32>().ok())
    {
        ledger.translated(retries);
        let tries = number.saturating_add(1).to_string();
        handling.attempts = ledger.value(retries, "pools.*.retry.attempts", tries);
        if on.is_none() && number > 0 {
            let reason = "lb retries more than connections: see retry.on (a request that may have been \
                          executed only if that does no harm)";
            ledger.changed(retries, reason);
        }
    }
    let Some(on) = on else { return };
    let mut failures: Vec<String> = Vec::new();
    for word in on.args() {
        match word.as_str() {
            "none" => handling.attempts = Some("1".to_owned()),
            "conn-failure" => failures.push("connect_failure".to_owned()),
            "empty-response" => failures.push("reset".to_owned()),
            "response-timeout" => failures.push("timeout".to_owned()),
            "junk-response" => {
                ledger.not_needed(on, "an invalid answer is tried on one other backend");
            }
            "0rtt-rejected" => ledger.not_needed(on, "lb has no TLS towards backends"),
            "all-retryable-errors" => {
                let all = ["connect_failure", "reset", "timeout", "500", "502", "503", "504"];
                failures.extend(all.map(str::to_owned));
            }
            status => failures.extend(ledger.value(on, "pools.*.retry.on", status)),
        }
    }
    let mut seen: Vec<String> = Vec::new();
    failures.retain(|it| {
        !seen.contains(it) && {
            seen.push(it.clone());
            true
        }
    });
    ledger.translated(on);
    if handling.attempts.as_deref() != Some("1") {
        handling.retry_on = Some(failures);
    }
}
