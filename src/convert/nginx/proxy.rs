//! How requests go on: timeouts, retries, and fields towards backends.

use std::time::Duration;

use super::scope::Scope;
use crate::convert::{
    duration,
    ledger::Ledger,
    site::Handling,
    statement::{Statement, shown},
};

/// The default of `timeouts.response`.
const RESPONSE: Duration = Duration::from_secs(60);
/// The largest `request_buffer`.
const BUFFER_MAX: u64 = 1 << 20;

/// What holds for requests of this scope.
pub(super) fn handling(scope: &Scope<'_>, ledger: &mut Ledger) -> Handling {
    let read = time(scope, "proxy_read_timeout", ledger);
    let sent = time(scope, "proxy_send_timeout", ledger);
    let total = time(scope, "proxy_next_upstream_timeout", ledger);
    let connect = time(scope, "proxy_connect_timeout", ledger);
    // A try may begin at the end of that time.
    let total =
        total.map(|total| total + read.unwrap_or(RESPONSE).max(connect.unwrap_or_default()));
    let total = total.or_else(|| duration::of_all_tries([read, connect]));
    let mut handling = Handling {
        connect: connect.and_then(duration::written),
        response: read.and_then(duration::written),
        request: total.and_then(duration::written),
        idle: read.into_iter().chain(sent).max().and_then(duration::written),
        request_buffer: buffer(scope, ledger),
        ..Handling::default()
    };
    retries(scope, &mut handling, ledger);
    handling
}

fn time(scope: &Scope<'_>, name: &str, ledger: &mut Ledger) -> Option<Duration> {
    let statement = scope.find(name)?;
    let time = duration::read(statement.arg(0)?, "s");
    match time {
        Some(time) if time.is_zero() => {
            ledger.not_needed(statement, "it is no limit, and lb has its own")
        }
        Some(time) if time > duration::LONGEST_TRY => {
            ledger
                .changed(statement, "12h: a limit of lb is at most a day, for all tries together");
        }
        Some(_) => ledger.translated(statement),
        None => ledger.left_out(statement, "it is no length of time"),
    }
    time.filter(|time| !time.is_zero()).map(|time| time.min(duration::LONGEST_TRY))
}

/// A body is read ahead only if that was written down: it is the default of nginx, and `lb` streams.
fn buffer(scope: &Scope<'_>, ledger: &mut Ledger) -> Option<String> {
    let statement = scope.find("proxy_request_buffering").filter(|it| it.has_arg("on"))?;
    ledger.changed(statement, "request_buffer is memory, and what is beyond it is streamed");
    let size = scope.find("client_body_buffer_size");
    let bytes = size.and_then(|it| bytes(it.arg(0)?)).unwrap_or(16 << 10);
    if let Some(size) = size {
        ledger.translated(size);
    }
    Some(format!("{}KiB", (bytes.min(BUFFER_MAX) >> 10).max(1)))
}

/// `8k`, `1m`.
fn bytes(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..)?.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn retries(scope: &Scope<'_>, handling: &mut Handling, ledger: &mut Ledger) {
    if let Some(statement) = scope.find("proxy_next_upstream_tries")
        && let Some(tries) = statement.arg(0)
    {
        match tries {
            "0" => ledger.changed(statement, "lb has no retries without a limit: 3 tries in all"),
            _ => {
                handling.attempts = ledger.value(statement, "pools.*.retry.attempts", tries);
                ledger.translated(statement);
            }
        }
    }
    let Some(statement) = scope.find("proxy_next_upstream") else { return };
    let mut on: Vec<String> = Vec::new();
    for word in statement.args() {
        match word.as_str() {
            "error" => on.extend(["connect_failure".to_owned(), "reset".to_owned()]),
            "timeout" => on.push("timeout".to_owned()),
            "invalid_header" => {
                ledger.not_needed(statement, "an invalid answer is tried on one other backend");
            }
            "non_idempotent" => handling.retries_all_methods = true,
            "off" => handling.attempts = Some("1".to_owned()),
            other => {
                let status = other.strip_prefix("http_").unwrap_or(other);
                on.extend(ledger.value(statement, "pools.*.retry.on", status));
            }
        }
    }
    on.dedup();
    ledger.translated(statement);
    if !statement.has_arg("off") {
        handling.retry_on = Some(on);
    }
}

/// Judges the fields that backends get.
pub(super) fn fields(scope: &Scope<'_>, proxy_pass: &Statement, ledger: &mut Ledger) {
    let fields = scope.all("proxy_set_header");
    if !fields.iter().any(|it| is_named(it, "host")) {
        ledger.changed(
            proxy_pass,
            "backends get the Host of the client, and got the name in proxy_pass",
        );
    }
    for field in fields {
        self::field(field, ledger);
    }
}

fn is_named(statement: &Statement, name: &str) -> bool {
    statement.arg(0).is_some_and(|it| it.eq_ignore_ascii_case(name))
}

fn field(statement: &Statement, ledger: &mut Ledger) {
    let (Some(name), Some(value)) = (statement.arg(0), statement.arg(1)) else { return };
    let forwarded = "lb sets it from the connection; of a client's own it believes those of \
                     trusted_proxies";
    let reason = match (name.to_ascii_lowercase().as_str(), value) {
        ("host", "$host" | "$http_host" | "$host:$server_port" | "$http_host:$server_port") => {
            "lb passes Host on as it came"
        }
        ("host", "$proxy_host") => {
            ledger.changed(statement, "backends get the Host of the client");
            return;
        }
        ("x-real-ip", "$remote_addr" | "$realip_remote_addr") => forwarded,
        ("x-forwarded-for", "$proxy_add_x_forwarded_for" | "$remote_addr") => forwarded,
        ("x-forwarded-proto", "$scheme" | "$http_x_forwarded_proto" | "https" | "http") => {
            forwarded
        }
        ("x-forwarded-host", "$host" | "$http_host" | "$server_name") => forwarded,
        ("x-request-id", _) => "lb passes X-Request-Id on, or makes one",
        ("upgrade", "$http_upgrade") => "lb passes WebSocket on",
        ("connection", _) => "lb keeps connections to backends, and passes WebSocket on",
        ("traceparent", "$http_traceparent") => "lb passes it on, or starts a trace",
        ("forwarded" | "proxy" | "te", "") => "lb does not pass it on",
        _ if value == format!("$http_{}", name.to_ascii_lowercase().replace('-', "_")) => {
            "lb passes the field of the client on"
        }
        _ => {
            let name = shown(name);
            ledger.left_out(
                statement,
                format!("lb adds no {name} of yours (let the backend set it)"),
            );
            return;
        }
    };
    ledger.not_needed(statement, reason);
}
