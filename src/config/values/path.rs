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
use crate::config::{model::ListenAddress, wording::quoted};

/// The longest path of a socket that the kernel takes, without the zero at its end.
const SOCKET_PATH_MAX: usize = 107;

/// The prefix that marks the path of a socket as an address.
pub(super) const UNIX: &str = "unix:";

pub(in crate::config) const FILE: Kind<PathBuf> = Kind {
    expected: "the path of a file",
    parse: file,
    show: |path| json!(path.display().to_string()),
    shape: Form::Text("[^/]$").alone(),
};

pub(in crate::config) const FOLDER: Kind<PathBuf> = Kind {
    expected: "the path of a directory",
    parse: |text| file(text.trim_end_matches('/')),
    show: |path| json!(path.display().to_string()),
    shape: Form::Text("[^/]").alone(),
};

/// A file, or a pattern of names of files.
pub(in crate::config) const PATTERN: Kind<Box<str>> = Kind {
    expected: "a file or a pattern such as conf.d/*.yaml",
    parse: |text| {
        let folder = text.rsplit_once('/').map_or("", |(folder, _)| folder);
        let found = quoted(text);
        match text {
            _ if is_no_file(text) => {
                Err(format!("must be a file or a pattern such as conf.d/*.yaml, found {found}"))
            }
            _ if folder.contains(['*', '?']) => {
                Err(format!("can have * and ? only in the name of the file, found {found}"))
            }
            _ => Ok(text.into()),
        }
    },
    show: |pattern| json!(pattern),
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

/// Reads the address of a Unix socket, without what marks it as one.
pub(super) fn unix_address(text: &str) -> Result<ListenAddress, String> {
    let found = || quoted(&format!("{UNIX}{text}"));
    if let Some(name) = text.strip_prefix('@') {
        return match name.len() {
            0 => Err(format!("needs a name after @, found {}", found())),
            _ if name.contains('\0') => Err(format!("must not contain a zero, found {}", found())),
            1..=SOCKET_PATH_MAX => Ok(ListenAddress::Abstract(name.into())),
            length => Err(format!(
                "its name must be at most {SOCKET_PATH_MAX} bytes long, found {length} bytes"
            )),
        };
    }
    if text.starts_with("//") {
        let path = text.trim_start_matches('/');
        return Err(format!("must be {UNIX} and a path, found {} (write {UNIX}/{path})", found()));
    }
    (SOCKET.parse)(text).map(ListenAddress::Unix)
}

/// Permissions, as `chmod` takes them.
pub(in crate::config) const MODE: Kind<u32> = Kind {
    expected: "permissions such as 660",
    parse: |text| {
        let is_octal =
            (3..=4).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        match u32::from_str_radix(text, 8) {
            Ok(mode @ 0..=0o777) if is_octal => Ok(mode),
            _ => Err(format!(
                "must be permissions such as 660 (owner and group) or 666 (every user), found {}",
                quoted(text)
            )),
        }
    },
    show: |mode| json!(format!("{mode:03o}")),
    shape: Form::TextOrNumber("^0?[0-7]{3}$").alone(),
};

/// A user, or a user and a group.
pub(in crate::config) const OWNER: Kind<Box<str>> = Kind {
    expected: "a user such as www-data, or user:group",
    parse: |text| {
        let mut names = text.split(':');
        let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
        match (names.next(), names.next(), names.next()) {
            (Some(user), group, None) if is_name(user) && group.is_none_or(is_name) => {
                Ok(text.into())
            }
            _ => Err(format!(
                "must be a user such as www-data, or user:group, found {}",
                quoted(text)
            )),
        }
    },
    show: |owner| json!(owner),
    shape: Form::Text("^[^: ]+(:[^: ]+)?$").alone(),
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

pub(super) fn is_no_file(text: &str) -> bool {
    text.is_empty() || text.ends_with('/') || text.contains('\0')
}
