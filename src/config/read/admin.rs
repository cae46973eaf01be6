//! The admin listener: its address, and the requests that it answers.
//!
//! Its token may be in a file of its own, which the caller reads: everything here is a function of
//! text. No message shows a token.

use std::path::{Path, PathBuf};

use super::{listeners::listen_on, tls};
use crate::config::{
    document::{Cursor, Firsts, Report, Section, Setting},
    keys::admin::{ADDRESS, ADMIN, ADMIN_TOKEN, HOSTS, TOKEN_FILE},
    model::{Admin, ListenAddress, Token},
    origin::Origin,
    outside::Secret,
    values::{is_off, token},
};

/// The message about a missing token, with what to write.
const NEEDS_TOKEN: &str = "can be reached from other machines, so it needs a token (write \
                           \"token_file: /etc/lb/admin.token\" beside it, or listen on 127.0.0.1)";

/// A token's file, which has not been read yet.
#[derive(Debug)]
pub(in crate::config) struct TokenFile {
    path: PathBuf,
    origin: Origin,
}

/// The admin listener as the file has it, before its token is read.
#[derive(Debug)]
pub(in crate::config) struct Written {
    admin: Admin,
    /// The place of the address.
    address: Origin,
    token: Setting<Token>,
    token_file: Setting<PathBuf>,
}

/// Reads the admin listener; `taken` has the addresses of the listeners.
pub(super) fn read(top: &mut Section<'_>, taken: &mut Firsts<ListenAddress>) -> Option<Written> {
    let cursor = top.optional(&ADMIN)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    let read = |keys: &mut Section<'_>| {
        let address = keys.required(&ADDRESS, "write \"address: 127.0.0.1:9900\"");
        let (token, token_file) = (keys.setting(&ADMIN_TOKEN), keys.setting(&TOKEN_FILE));
        let (hosts, tls) = (keys.list(&HOSTS), tls::of_admin(keys));
        let cursor = address?;
        let admin = Admin { address: self::address(&cursor, taken)?, token: None, hosts, tls };
        Some(Written { admin, address: cursor.origin(), token, token_file })
    };
    cursor.section(ADMIN.expected, read).flatten()
}

fn address(cursor: &Cursor<'_>, taken: &mut Firsts<ListenAddress>) -> Option<ListenAddress> {
    let address = listen_on(cursor, taken)?;
    if let ListenAddress::Abstract(_) = address {
        cursor.problem(format!(
            "must be an address and port, or unix: and a path, found \"{address}\" (a socket without \
             a file has no owner, so every user of this machine could connect)"
        ));
        return None;
    }
    Some(address)
}

impl Written {
    /// The listener with its token, which `read` reads if it is in a file; its error is the end of
    /// a message.
    pub(in crate::config) fn settle(
        self,
        report: &Report,
        read: impl FnOnce(&Path) -> Result<Secret, String>,
    ) -> Admin {
        let is_there = self.token.is_there() || self.token_file.is_there();
        if !is_there && !self.admin.address.is_local() {
            report.add(self.address, format!("{} {NEEDS_TOKEN}", self.admin.address));
        }
        let token = match (self.token, self.token_file) {
            (token, Setting::Given(_, origin)) if token.is_there() => {
                report.add(origin, "is given beside token (one of them is enough: remove one)");
                token.given()
            }
            (_, Setting::Given(path, origin)) => TokenFile { path, origin }.token(report, read),
            (token, _) => token.given(),
        };
        Admin { token, ..self.admin }
    }
}

impl TokenFile {
    fn token(
        self,
        report: &Report,
        read: impl FnOnce(&Path) -> Result<Secret, String>,
    ) -> Option<Token> {
        let Self { path, origin } = self;
        let shown = path.display();
        let secret = match read(&path) {
            Ok(secret) => secret,
            Err(reason) => {
                report.add(origin, format!("{shown} {reason}"));
                return None;
            }
        };
        if secret.is_open {
            let message = format!("{shown} can be read by every user (write chmod o= {shown})");
            report.warn(origin.clone(), message);
        }
        let text = secret.text.strip_suffix('\n').unwrap_or(&secret.text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let token = token(text);
        token.map_err(|message| report.add(origin, format!("the token in {shown} {message}"))).ok()
    }
}
