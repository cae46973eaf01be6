//! Paths of files and sockets.
//!
//! In place of a path, `off` or `stdout` would quietly create a file of that name. Such words are
//! refused, with a hint what to write instead.

use std::path::PathBuf;

use serde_json::json;

use super::{
    kind::{Form, Kind},
    words::{is_off, is_on},
};
use crate::config::{
    model::{AdminAddress, LogTarget},
    wording::quoted,
};

/// The longest path of a socket that the kernel takes, without the zero at its end.
const SOCKET_PATH_MAX: usize = 107;

/// The prefix that marks the path of a socket as an address.
pub(in crate::config) const UNIX: &str = "unix:";

pub(in crate::config) const FILE: Kind<PathBuf> = Kind {
    expected: "the path of a file",
    parse: file,
    show: |path| json!(path.display().to_string()),
    shape: Form::Text("[^/]$").alone(),
};

pub(in crate::config) const SOCKET: Kind<PathBuf> = Kind {
    expected: "the path of a socket such as /run/lb/upgrade.sock",
    parse: |text| match text.len() {
        ..=SOCKET_PATH_MAX => file(text),
        length => {
            Err(format!("must be at most {SOCKET_PATH_MAX} bytes long, found {length} bytes"))
        }
    },
    show: |path| json!(path.display().to_string()),
    shape: Form::Text("[^/]$").alone(),
};

pub(in crate::config) const ERROR_LOG: Kind<Option<PathBuf>> = Kind {
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
    show: |path| {
        json!(path.as_ref().map_or("stderr".to_owned(), |path| path.display().to_string()))
    },
    shape: Form::Text("[^/]$").alone(),
};

pub(in crate::config) const TARGET: Kind<LogTarget> = Kind {
    expected: "stdout, stderr or the path of a file",
    parse: |text| match text {
        "stdout" => Ok(LogTarget::Stdout),
        "stderr" => Ok(LogTarget::Stderr),
        _ if text.is_empty() || text.ends_with('/') || text.contains('\0') => {
            Err(format!("must be stdout, stderr or the path of a file, found {}", quoted(text)))
        }
        _ => Ok(LogTarget::File(PathBuf::from(text))),
    },
    show: |target| match target {
        LogTarget::Stdout => json!("stdout"),
        LogTarget::Stderr => json!("stderr"),
        LogTarget::File(path) => json!(path.display().to_string()),
    },
    shape: Form::Text("[^/]$").alone(),
};

pub(in crate::config) const UNIX_ADDRESS: Kind<AdminAddress> = Kind {
    expected: "an address such as unix:/run/lb/admin.sock",
    parse: |text| {
        let path = text.strip_prefix(UNIX).unwrap_or(text);
        if path.starts_with("//") {
            let path = path.trim_start_matches('/');
            return Err(format!(
                "must be {UNIX} and a path, found {} (write {UNIX}/{path})",
                quoted(text)
            ));
        }
        (SOCKET.parse)(path).map(AdminAddress::Unix)
    },
    show: |address| json!(address.to_string()),
    shape: Form::Text("^unix:/?[^/]|:[0-9]{1,5}$").alone(),
};

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
