//! The keys of the admin listener.

use std::path::PathBuf;

use super::key::{Group, Key, List, Presence};
use crate::config::{
    model::{ListenAddress, Token},
    values::{FILE, HOST_NAME, LISTEN_ADDRESS, TOKEN},
};

pub(in crate::config) static ADMIN: Group = Group::new(
    "admin",
    Presence::IfGiven,
    "off, or a mapping such as { address: 127.0.0.1:9900 }",
    "The admin listener: GET /live and GET /ready for balancers and probes, everything else for \
     operators. Left out, or off: none.",
);

pub(in crate::config) static ADDRESS: Key<ListenAddress> = Key::required(
    "admin.address",
    LISTEN_ADDRESS,
    "127.0.0.1:9900",
    "or a socket, as in unix:/run/lb/admin.sock",
)
.needs_upgrade();

pub(in crate::config) static ADMIN_TOKEN: Key<Token> = Key::optional(
    "admin.token",
    TOKEN,
    ("3f1c0d7e52a94b68", "no token, which is an error if other machines can connect"),
    "16 characters or more; required for everything except /live and /ready",
)
.secret();

pub(in crate::config) static TOKEN_FILE: Key<PathBuf> = Key::optional(
    "admin.token_file",
    FILE,
    ("/etc/lb/admin.token", "no file"),
    "in place of token, so that this file has no secret",
);

pub(in crate::config) static HOSTS: List<Box<str>> = List::new(
    "admin.hosts",
    HOST_NAME,
    "a list of names such as [lb.internal]",
    "names that URLs may use for it, besides localhost and addresses",
);
