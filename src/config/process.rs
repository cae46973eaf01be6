//! The keys of the top of the file that are about the process itself, and the parsers of their
//! values.
//!
//! Where a path belongs, `off` or `stdout` would quietly make a file of that name, so such words
//! are refused with what to write instead.

use std::{path::PathBuf, time::Duration};

use super::{
    cursor::Section,
    defaults,
    model::{AccessLog, LogTarget, Process, Shutdown},
    values::{Kind, TRUTH, duration, is_off, is_on, is_zero},
    wording::quoted,
};

/// Nobody waits longer to be taken out of service.
const DELAY_MAX: Duration = Duration::from_secs(60 * 60);
/// What the kernel takes as the path of a socket, without the zero at its end.
const SOCKET_PATH_MAX: usize = 107;

pub(super) const FILE: Kind<PathBuf> = Kind { expected: "the path of a file", parse: file };

pub(super) const SOCKET: Kind<PathBuf> = Kind {
    expected: "the path of a socket such as /run/lb/upgrade.sock",
    parse: |text| match text.len() {
        ..=SOCKET_PATH_MAX => file(text),
        length => {
            Err(format!("must be at most {SOCKET_PATH_MAX} bytes long, found {length} bytes"))
        }
    },
};

const ERROR_LOG: Kind<Option<PathBuf>> = Kind {
    expected: "stderr or the path of a file",
    parse: |text| {
        let or_stderr = |hint| {
            let found = quoted(text);
            Err(format!("must be stderr or the path of a file, found {found}{hint}"))
        };
        match text {
            "stderr" => Ok(None),
            "stdout" => or_stderr(" (write /dev/stdout)"),
            _ if is_off(text) => or_stderr(" (to log nothing, write /dev/null)"),
            _ if is_on(text) => or_stderr(""),
            _ if is_no_file(text) => or_stderr(""),
            _ => Ok(Some(PathBuf::from(text))),
        }
    },
};

const USER: Kind<Box<str>> =
    Kind { expected: "the name of a user", parse: |text| name(text, "user") };
const GROUP: Kind<Box<str>> =
    Kind { expected: "the name of a group", parse: |text| name(text, "group") };

const DELAY: Kind<Duration> = Kind {
    expected: "a duration such as 5s",
    parse: |text| match duration_or_none(text)? {
        delay if delay > DELAY_MAX => Err(format!("must be at most 1h, found {}", quoted(text))),
        delay => Ok(delay),
    },
};

const TIMEOUT: Kind<Duration> =
    Kind { expected: "a duration such as 30s", parse: duration_or_none };

/// All but the admin listener; the access log has been read before.
pub(super) fn read(top: &mut Section<'_>, access_log: Option<&AccessLog>) -> Process {
    let daemon = top.setting("daemon", &TRUTH);
    let origin = daemon.origin().cloned();
    let process = Process {
        daemon: daemon.or(defaults::PROCESS.daemon),
        pid_file: top.setting("pid_file", &FILE).given(),
        upgrade_socket: top.setting("upgrade_socket", &SOCKET).given(),
        user: top.setting("user", &USER).given(),
        group: top.setting("group", &GROUP).given(),
        error_log: top.setting("error_log", &ERROR_LOG).or(defaults::PROCESS.error_log),
        shutdown: shutdown(top),
        watch: top.setting("watch", &TRUTH).or(defaults::PROCESS.watch),
    };
    if let Some(origin) = origin.filter(|_| process.daemon) {
        for message in unheard(&process, access_log) {
            top.warning_at(&origin, message);
        }
    }
    process
}

/// What is written where nobody reads, once the process is in the background.
pub(super) fn unheard(
    process: &Process,
    access_log: Option<&AccessLog>,
) -> impl Iterator<Item = &'static str> {
    let process_log = process.error_log.is_none().then_some(
        "the process log goes nowhere in the background (give its file, as in \"error_log: \
         /var/log/lb/error.log\")",
    );
    let access_log = match access_log.map(|access_log| &access_log.path) {
        Some(LogTarget::Stdout | LogTarget::Stderr) => Some(
            "the access log goes nowhere in the background (give access_log.path a file, or write \
             \"access_log: off\")",
        ),
        Some(LogTarget::File(_)) | None => None,
    };
    process_log.into_iter().chain(access_log)
}

fn shutdown(top: &mut Section<'_>) -> Shutdown {
    let read = |keys: &mut Section<'_>| Shutdown {
        delay: keys.setting("delay", &DELAY).or(defaults::SHUTDOWN.delay),
        timeout: keys.setting("timeout", &TIMEOUT).or(defaults::SHUTDOWN.timeout),
    };
    top.optional("shutdown")
        .and_then(|cursor| cursor.section("a mapping such as { delay: 5s, timeout: 30s }", read))
        .unwrap_or(defaults::SHUTDOWN)
}

fn file(text: &str) -> Result<PathBuf, String> {
    if is_no_file(text) || is_on(text) {
        return Err(format!("must be the path of a file, found {}", quoted(text)));
    }
    if is_off(text) {
        let found = quoted(text);
        return Err(format!("must be the path of a file, found {found} (for none, leave it out)"));
    }
    Ok(PathBuf::from(text))
}

fn is_no_file(text: &str) -> bool {
    text.is_empty() || text.ends_with('/') || text.contains('\0')
}

fn name(text: &str, what: &str) -> Result<Box<str>, String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '$');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_part) {
        return Ok(text.into());
    }
    let hint = match text.split_once(':') {
        Some((user, group)) if !user.is_empty() && !group.is_empty() => {
            " (user and group are two keys)"
        }
        _ => "",
    };
    Err(format!("must be the name of a {what}, found {}{hint}", quoted(text)))
}

/// Zero needs no unit.
fn duration_or_none(text: &str) -> Result<Duration, String> {
    if is_zero(text) {
        return Ok(Duration::ZERO);
    }
    duration(text).map_err(|message| message.replacen("at least 1ms", "0s or at least 1ms", 1))
}
