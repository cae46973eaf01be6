//! The keys at the top of the file that concern the process or all requests.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use super::key::{Group, Instead, Key, List, Presence, Preset};
use crate::config::{
    model::{PeerBlock, Traceparent},
    values::{
        DELAY, DURATION_OR_NONE, ERROR_LOG, FILE, FOLDER, GROUP, PAGE, PATTERN, PEERS, SOCKET,
        THREADS, TRACEPARENT, TRUTH, USER,
    },
};

// Names as in nginx.
pub(in crate::config) static INCLUDE: List<Box<str>> = List::new(
    "include",
    PATTERN,
    "a file or a pattern such as conf.d/*.yaml, or a list of these",
    "Other files whose listeners, routes and pools are added to those of this file. Names are relative to \
     the folder of this file, and may have * and ?.",
)
.or(Instead::OneItem, Vec::new)
.optional("conf.d/*.yaml", "none");

// So a log line has a trace id even if the client starts no trace.
pub(in crate::config) static TRACE: Preset<Traceparent> = Preset::new(
    "traceparent",
    TRACEPARENT,
    || Traceparent::Start,
    "How a request without a trace (W3C Trace Context) is treated: start adds a traceparent that \
     says \"not sampled\", pass leaves the request alone. The traceparent of a request that \
     belongs to a trace is passed on as it came.",
);

// Clients have no need to know where the time went.
pub(in crate::config) static SERVER_TIMING: Preset<bool> = Preset::new(
    "server_timing",
    TRUTH,
    || false,
    "true: answers say in Server-Timing where the time went: queue, connect, backend.",
);

// One line is enough for programs, and says nothing of the site to strangers.
pub(in crate::config) static UNAVAILABLE_PAGE: Key<Box<str>> = Key::optional(
    "unavailable_page",
    PAGE,
    ("We are back at noon.", "one line"),
    "Body of the 503 that a request gets if no backend can take it: HTML if it begins with <, else plain \
     text.",
);

pub(in crate::config) static TRUSTED_PROXIES: List<PeerBlock> = List::new(
    "trusted_proxies",
    PEERS,
    "a list of address blocks such as [10.0.0.0/8]",
    "Proxies whose X-Forwarded-* headers are believed: address blocks such as 10.0.0.0/8, single \
     addresses, or unix for those that connect to a Unix socket.",
);

pub(in crate::config) static WORKERS: Preset<Option<NonZeroUsize>> =
    Preset::new("threads", THREADS, || None, "Worker threads; auto is one for each core.")
        .needs_upgrade();

pub(in crate::config) static PROCESS_LOG: Preset<Option<PathBuf>> = Preset::new(
    "error_log",
    ERROR_LOG,
    || None,
    "Where the process log goes: stderr, or a file to append to. It says what changed: started, \
     ejected, back again. SIGUSR1 reopens the files of both logs, which a log rotation needs.",
);

// No shutdown waits without need, and requests in flight may take as long as Kubernetes allows by
// default.
pub(in crate::config) static SHUTDOWN: Group = Group::new(
    "shutdown",
    Presence::Always,
    "a mapping such as { delay: 5s, timeout: 30s }",
    "How the process ends when it gets SIGTERM. Both follow a reload.",
);

pub(in crate::config) static SHUTDOWN_DELAY: Preset<Duration> = Preset::new(
    "shutdown.delay",
    DELAY,
    || Duration::ZERO,
    "up to 1h; keeps accepting for this long after /ready turns 503, so that balancers in front \
     can notice",
);

pub(in crate::config) static SHUTDOWN_TIMEOUT: Preset<Duration> = Preset::new(
    "shutdown.timeout",
    DURATION_OR_NONE,
    || Duration::from_secs(30),
    "how long requests in flight may take after that; 0s cuts them off",
);

pub(in crate::config) static WATCH: Preset<bool> = Preset::new(
    "watch",
    TRUTH,
    || false,
    "true: reloads whenever this file changes, without a SIGHUP.",
);

pub(in crate::config) static DAEMON: Preset<bool> = Preset::new(
    "daemon",
    TRUTH,
    || false,
    "true: runs in the background, and the command that starts it returns once it serves; as with \
     -d.",
)
.needs_upgrade();

pub(in crate::config) static PID_FILE: Key<PathBuf> = Key::optional(
    "pid_file",
    FILE,
    ("/run/lb/lb.pid", "no file"),
    "File with the process's number while it serves. Paths are relative to the folder lb was \
     started in.",
)
.needs_upgrade();

pub(in crate::config) static UPGRADE_SOCKET: Key<PathBuf> = Key::optional(
    "upgrade_socket",
    SOCKET,
    ("/run/lb/upgrade.sock", "an address derived from this file's name"),
    "Where a new process receives the sockets of the one that serves.",
)
.needs_upgrade();

// Systemd names the folder that it makes for a service.
pub(in crate::config) static STATE_DIR: Key<PathBuf> = Key::optional(
    "state_dir",
    FOLDER,
    (
        "/var/lib/lb",
        "$STATE_DIRECTORY; else /var/lib/lb as root or with user, and ~/.local/state/lb for others",
    ),
    "Folder of certificates that lb gets by itself, and of its account for them. Several instances may \
     share it: one orders, all use the certificate.",
);

pub(in crate::config) static PROCESS_USER: Key<Box<str>> = Key::optional(
    "user",
    USER,
    ("lb", "the user that started it"),
    "User to switch to after binding, so that a compromised process has no privileges.",
)
.needs_upgrade();

pub(in crate::config) static PROCESS_GROUP: Key<Box<str>> = Key::optional(
    "group",
    GROUP,
    ("lb", "the group of that user"),
    "Group to switch to after binding.",
)
.needs_upgrade();
