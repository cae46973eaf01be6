//! Destinations of logs: a stream of the process, a file, or a daemon.
//!
//! Other programs write a daemon's address in other ways. What looks like one of these is no file.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use serde_json::{Value, json};

use super::super::{
    kind::{Form, Kind},
    path::{SOCKET, is_no_file},
    words::{is_off, is_on},
};
use crate::config::{
    model::{LogTarget, SyslogSocket},
    wording::quoted,
};

/// The port of syslog over UDP (RFC 5426 section 3.3).
const SYSLOG_PORT: u16 = 514;

pub(in crate::config) const TARGET: Kind<LogTarget> = Kind {
    expected: "stdout, stderr, the path of a file, journald or syslog",
    parse: |text| match text {
        "stdout" => Ok(LogTarget::Stdout),
        _ => other(text, TARGET.expected),
    },
    show,
    shape: Form::Text("[^/]$").alone(),
};

pub(in crate::config) const ERROR_LOG: Kind<LogTarget> = Kind {
    expected: "stderr, the path of a file, journald or syslog",
    parse: |text| {
        let must =
            |hint| Err(format!("must be {}, found {}{hint}", ERROR_LOG.expected, quoted(text)));
        match text {
            "stdout" => must(" (write /dev/stdout)"),
            _ if is_off(text) => must(" (to log nothing, write /dev/null)"),
            _ if is_on(text) => must(""),
            _ => other(text, ERROR_LOG.expected),
        }
    },
    show,
    shape: Form::Text("[^/]$").alone(),
};

fn show(target: &LogTarget) -> Value {
    json!(target.to_string())
}

/// Reads what both logs can have.
fn other(text: &str, expected: &str) -> Result<LogTarget, String> {
    let must = |hint: &str| Err(format!("must be {expected}, found {}{hint}", quoted(text)));
    match text {
        "stderr" => return Ok(LogTarget::Stderr),
        "journald" => return Ok(LogTarget::Journald(LogTarget::JOURNAL.into())),
        "syslog" => return Ok(LogTarget::Syslog(SyslogSocket::Unix(LogTarget::DEV_LOG.into()))),
        "journal" | "systemd" | "journalctl" => return must(" (write journald)"),
        _ if is_no_file(text) => return must(""),
        _ => {}
    }
    if let Some(rest) = text.strip_prefix("journald:") {
        return match rest.strip_prefix("unix:") {
            Some(path) => socket(path).map(LogTarget::Journald),
            None => must(" (write journald, or journald:unix: and the path of its socket)"),
        };
    }
    match text.strip_prefix("syslog:") {
        Some(rest) => syslog(rest).map(LogTarget::Syslog).or_else(|hint| must(&hint)),
        None => Ok(LogTarget::File(PathBuf::from(text))),
    }
}

/// Reads what follows `syslog:`; the error is a hint.
fn syslog(rest: &str) -> Result<SyslogSocket, String> {
    if let Some(path) = rest.strip_prefix("unix:") {
        return socket(path).map(SyslogSocket::Unix).map_err(|message| format!(": {message}"));
    }
    if rest.starts_with("tcp:") || rest.starts_with("tls:") {
        return Err(" (not yet: lb sends syslog to a Unix socket or over UDP)".to_owned());
    }
    let address = |text: &str| {
        let alone = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let alone = alone.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, SYSLOG_PORT));
        text.parse::<SocketAddr>().or(alone).ok().filter(|address| address.port() != 0)
    };
    let meant = rest.strip_prefix("server=").unwrap_or(rest).trim_start_matches('/');
    match (rest.strip_prefix("udp:").and_then(address), address(meant)) {
        (Some(address), _) => Ok(SyslogSocket::Udp(address)),
        (None, Some(address)) => Err(format!(" (write syslog:udp:{address})")),
        (None, None) if rest.starts_with('/') && !rest.starts_with("//") => {
            Err(format!(" (write syslog:unix:{rest})"))
        }
        (None, None) => {
            Err(" (write syslog, syslog:unix: and the path of a socket, or syslog:udp: and \
                             an IP address such as 10.0.0.5:514)"
                .to_owned())
        }
    }
}

fn socket(path: &str) -> Result<PathBuf, String> {
    (SOCKET.parse)(path)
}
