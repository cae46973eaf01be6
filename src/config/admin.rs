//! The listener where the process answers about itself: where it is, and who may ask.
//!
//! Its token may stand in a file of its own, which whoever calls reads: everything here is a
//! function of text. No message shows a token.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    addresses::{HOST_NAME, listen_on},
    cursor::{Cursor, Firsts, Report, Section},
    model::{Admin, AdminAddress, Origin, Token},
    process::{FILE, SOCKET},
    setting::Setting,
    values::{Kind, is_off},
    wording::quoted,
};

/// Fewer can be guessed.
const TOKEN_MIN: usize = 16;
/// More do not fit into a header beside the rest of it.
const TOKEN_MAX: usize = 512;
/// What marks a file's path as an address.
const UNIX: &str = "unix:";
/// What to write where there is no token.
const NEEDS_TOKEN: &str = "can be reached from other machines, so it needs a token (write \
                           \"token_file: /etc/lb/admin.token\" beside it, or listen on 127.0.0.1)";

const TOKEN: Kind<Token> =
    Kind { expected: "a token of 16 or more letters and digits", parse: token };

const UNIX_ADDRESS: Kind<AdminAddress> = Kind {
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
};

/// A token's file, which is yet to be read.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    origin: Origin,
}

/// What the file says of the admin listener.
#[derive(Debug)]
pub(super) struct Written {
    admin: Admin,
    /// Where the address stands.
    address: Origin,
    token: Setting<Token>,
    token_file: Setting<PathBuf>,
}

/// What there is to know of a token's file.
#[derive(Debug)]
pub(super) struct Secret {
    /// What it says.
    pub(super) text: String,
    /// Everybody can read it.
    pub(super) is_open: bool,
}

/// `taken` are the addresses of the listeners.
pub(super) fn read(top: &mut Section<'_>, taken: &mut Firsts<SocketAddr>) -> Option<Written> {
    let cursor = top.optional("admin")?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    let read = |keys: &mut Section<'_>| {
        let address = keys.required("address", "write \"address: 127.0.0.1:9900\"");
        let (token, token_file) =
            (keys.setting("token", &TOKEN), keys.setting("token_file", &FILE));
        let hosts = hosts(keys);
        let cursor = address?;
        let admin = Admin { address: self::address(&cursor, taken)?, token: None, hosts };
        Some(Written { admin, address: cursor.origin(), token, token_file })
    };
    cursor.section("off, or a mapping such as { address: 127.0.0.1:9900 }", read).flatten()
}

fn address(cursor: &Cursor<'_>, taken: &mut Firsts<SocketAddr>) -> Option<AdminAddress> {
    match cursor.text() {
        Some(text) if text.starts_with(UNIX) => cursor.value(&UNIX_ADDRESS),
        Some(text) if text.starts_with('/') => {
            let found = quoted(text);
            cursor.problem(format!(
                "must be an address and port, or {UNIX} and a path, found {found} (write {UNIX}{text})"
            ));
            None
        }
        _ => listen_on(cursor, taken).map(AdminAddress::Tcp),
    }
}

fn hosts(keys: &mut Section<'_>) -> Vec<Box<str>> {
    let Some(cursor) = keys.optional("hosts") else { return Vec::new() };
    let items = cursor.list("a list of names such as [lb.internal]");
    items.into_iter().flatten().filter_map(|item| item.value(&HOST_NAME)).collect()
}

impl Written {
    /// The listener with its token, which `read` reads if it is in a file; its error is the end of
    /// a message.
    pub(super) fn settle(
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

/// The message shows nothing of it.
fn token(text: &str) -> Result<Token, String> {
    let make = "(openssl rand -hex 32 makes one)";
    let is_allowed = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '"' | '\\');
    match text.chars().count() {
        length @ ..TOKEN_MIN => {
            return Err(format!(
                "must have at least {TOKEN_MIN} characters, found {length} {make}"
            ));
        }
        ..=TOKEN_MAX => {}
        length => {
            return Err(format!("must have at most {TOKEN_MAX} characters, found {length} {make}"));
        }
    }
    match text.chars().all(is_allowed) {
        true => Ok(Token(text.into())),
        false => Err(format!(
            "must be of visible ASCII characters other than ; , \" and \\, as it goes into a cookie {make}"
        )),
    }
}
