//! Settings of the whole process: threads, logs, trusted proxies.

use super::{scope::Scope, server::Server};
use crate::convert::{
    ledger::Ledger,
    site::{AccessLog, Process},
    statement::Statement,
};

/// Reads the settings of the outermost block, and those that `lb` has once and nginx for each server.
pub(super) fn process(
    outermost: &[Statement],
    http: &Scope<'_>,
    servers: &[Server<'_>],
    ledger: &mut Ledger,
) -> Process {
    let mut process = Process {
        access_log: access_log(http, servers, ledger),
        trusted_proxies: trusted_proxies(http, servers, ledger),
        has_admin: has_statistics(servers),
        ..Process::default()
    };
    if let Some(statement) = http.find("error_log")
        && let Some(path) = statement.arg(0)
    {
        error_log(statement, path, &mut process, ledger);
    }
    for statement in outermost {
        match (statement.name(), statement.arg(0)) {
            ("worker_processes", Some(number)) => {
                process.threads = ledger.value(statement, "threads", number);
                ledger.translated(statement);
            }
            ("user", Some(user)) => {
                process.user = ledger.value(statement, "user", user);
                process.group =
                    statement.arg(1).and_then(|group| ledger.value(statement, "group", group));
                let reason = "lb switches to user if root starts it: leave the key out for a unit with \
                              User=";
                ledger.changed(statement, reason);
            }
            _ => {}
        }
    }
    process
}

fn error_log(statement: &Statement, path: &str, process: &mut Process, ledger: &mut Ledger) {
    if path.starts_with("memory:") {
        ledger.left_out(statement, "lb logs to standard error, to a file or to a daemon");
        return;
    }
    let path = if path == "/dev/stderr" { "stderr" } else { path };
    process.error_log = ledger.value(statement, "error_log", target(path));
    ledger.changed(
        statement,
        "lb logs changes of state there, and has no levels; nginx must not write to the same file",
    );
    syslog(statement, ledger);
}

/// The first access log of the file: `lb` has one for all requests.
fn access_log(http: &Scope<'_>, servers: &[Server<'_>], ledger: &mut Ledger) -> Option<AccessLog> {
    let scopes = std::iter::once(http).chain(servers.iter().map(|server| &server.scope));
    let all: Vec<&Statement> =
        scopes.flat_map(Scope::own).filter(|it| it.name() == "access_log").collect();
    let (first, others) = all.split_first()?;
    for other in others {
        match other.args() == first.args() {
            true => ledger.translated(other),
            false => ledger.left_out(
                other,
                "lb has one access log for all listeners, whose lines have host and path",
            ),
        }
    }
    to(first, http, ledger)
}

/// A file as it is, and a syslog daemon as `lb` writes it.
fn target(path: &str) -> String {
    let options = path.strip_prefix("syslog:").map(|options| options.split(','));
    let server = options.and_then(|mut it| it.find_map(|option| option.strip_prefix("server=")));
    match server.map(|server| (server, server.strip_prefix("unix:"))) {
        Some((_, Some(socket))) => format!("syslog:unix:{socket}"),
        Some((address, None)) => format!("syslog:udp:{address}"),
        None => path.to_owned(),
    }
}

fn to(statement: &Statement, http: &Scope<'_>, ledger: &mut Ledger) -> Option<AccessLog> {
    let path = statement.arg(0)?;
    if path == "off" {
        ledger.translated(statement);
        return Some(AccessLog::Off);
    }
    if path.contains('$') {
        ledger.left_out(statement, "lb writes one file, whose lines have host and path");
        return None;
    }
    let path = match path {
        "/dev/stdout" => "stdout".to_owned(),
        "/dev/stderr" => "stderr".to_owned(),
        path => ledger.value(statement, "access_log.path", target(path))?,
    };
    let name = statement.arg(1).filter(|name| !name.contains('='));
    let formats = http.all("log_format");
    let written = formats.iter().find(|it| it.arg(0) == name);
    let is_json = written.is_some_and(|it| it.has_arg("escape=json"));
    let format = if is_json { "json" } else { "combined" };
    match name {
        None | Some("combined") => ledger.translated(statement),
        Some(name) => ledger.changed(
            statement,
            format!("lb has its own formats: {format} in place of {name} (json has most fields)"),
        ),
    }
    if statement.args().iter().any(|arg| arg.starts_with("if=")) {
        ledger.left_out(statement, "of if= (access_log.filter chooses by status and latency)");
    }
    let rest = statement.args().iter().skip(1).map(|arg| arg.split('=').next().unwrap_or(arg));
    let idle: Vec<&str> =
        rest.filter(|name| matches!(*name, "buffer" | "flush" | "gzip")).collect();
    if !idle.is_empty() {
        let reason = format!("{}: lb writes its lines in the background, plain", idle.join(", "));
        ledger.not_needed(statement, reason);
    }
    syslog(statement, ledger);
    Some(AccessLog::To { format, path })
}

/// Judges the options of a syslog daemon, which `lb` has once for all of its logs.
fn syslog(statement: &Statement, ledger: &mut Ledger) {
    let options = statement.arg(0).and_then(|path| path.strip_prefix("syslog:"));
    for option in options.unwrap_or_default().split(',') {
        let reason = match option.split('=').next().unwrap_or_default() {
            "facility" => "facility: write syslog.facility",
            "tag" => "tag: write syslog.app_name",
            "severity" => "severity: lb chooses it for each line",
            "nohostname" => "nohostname: lb writes the name of the machine",
            _ => continue,
        };
        ledger.left_out(statement, reason);
    }
}

/// Proxies whose `X-Forwarded-For` is believed.
fn trusted_proxies(http: &Scope<'_>, servers: &[Server<'_>], ledger: &mut Ledger) -> Vec<String> {
    let mut trusted: Vec<String> = Vec::new();
    for scope in std::iter::once(http).chain(servers.iter().map(|server| &server.scope)) {
        let Some(header) = scope.find("real_ip_header") else { continue };
        let is_known = match header.arg(0).map(str::to_ascii_lowercase).as_deref() {
            Some("x-forwarded-for") => true,
            // The listener has these addresses.
            Some("proxy_protocol") => {
                ledger.translated(header);
                continue;
            }
            _ => false,
        };
        if !is_known {
            ledger.left_out(header, "lb takes a client's address from X-Forwarded-For only");
            continue;
        }
        ledger.translated(header);
        for statement in scope.all("set_real_ip_from") {
            let Some(peer) = proxy(statement, ledger) else { continue };
            ledger.translated(statement);
            if !trusted.contains(&peer) {
                trusted.push(peer);
            }
        }
    }
    trusted
}

/// The proxies that a `set_real_ip_from` names, as `lb` writes them.
pub(super) fn proxy(statement: &Statement, ledger: &mut Ledger) -> Option<String> {
    let written = statement.arg(0)?;
    let written = if written == "unix:" { "unix" } else { written };
    ledger.value(statement, "trusted_proxies", written)
}

/// Whether there is a page with statistics, whose place the admin listener takes.
fn has_statistics(servers: &[Server<'_>]) -> bool {
    let is_page = |it: &Statement| matches!(it.name(), "stub_status" | "status" | "api");
    let locations = servers.iter().flat_map(|server| server.scope.own());
    locations.into_iter().any(|it| it.inner().iter().any(is_page))
}
