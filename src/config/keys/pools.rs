//! The keys of pools and their backends.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use super::key::{Content, Group, Key, Presence, Preset};
use crate::config::{
    model::{Algorithm, BackendAddress, Percent, ResponseTimeout, Weight},
    values::{
        self, BACKEND_ADDRESS, BUFFER, DURATION, FAILURES, MAX_CONNECTIONS, PANIC_THRESHOLD,
        QUEUE_SIZE, RESPONSE_TIMEOUT, SLOW_START, TRUTH, WEIGHT,
    },
};

pub(in crate::config) static DEFAULTS: Group = Group::several(
    "defaults",
    Content::Shared("pools.*"),
    "a mapping with keys of a pool, such as { timeouts: { connect: 1s } }",
    "What every pool has that does not say otherwise: any key of a pool except backends. Mappings are \
     merged key by key; a health_check with a type of its own takes nothing from here.",
)
.unless("none");

pub(in crate::config) static POOLS: Group = Group::several(
    "pools",
    Content::Names,
    "a mapping from the name of each pool to its backends",
    "Groups of backends, by name.",
);

pub(in crate::config) static ALGORITHM: Preset<Algorithm> = Preset::new(
    "pools.*.algorithm",
    values::ALGORITHM,
    Algorithm::default,
    "or least_conn: the fewest requests in flight; ewma: the lowest latency",
);

pub(in crate::config) static BACKENDS: Group = Group::several(
    "pools.*.backends",
    Content::Items,
    "a list of backends, each starting with \"- address: 127.0.0.1:9001\"",
    "",
);

pub(in crate::config) static ADDRESS: Key<BackendAddress> = Key::required(
    "pools.*.backends[].address",
    BACKEND_ADDRESS,
    "127.0.0.1:9001",
    "host:port, \"[IPv6]:port\", or http://…; a name is resolved at the start, and each of its \
     addresses is a backend",
);

pub(in crate::config) static BACKEND_WEIGHT: Preset<Weight> = Preset::new(
    "pools.*.backends[].weight",
    WEIGHT,
    || Weight::MIN,
    "1 to 1000; its share among the backends",
);

pub(in crate::config) static BACKUP: Preset<bool> = Preset::new(
    "pools.*.backends[].backup",
    TRUTH,
    || false,
    "true: used only when no other backend is eligible",
);

pub(in crate::config) static DRAIN: Preset<bool> =
    Preset::new("pools.*.backends[].drain", TRUTH, || false, "true: gets no new requests");

pub(in crate::config) static BACKEND_MAX_CONNECTIONS: Key<NonZeroU32> = Key::optional(
    "pools.*.backends[].max_connections",
    MAX_CONNECTIONS,
    ("100", "any number"),
    "the most requests that it has at once",
);

pub(in crate::config) static TIMEOUTS: Group = Group::new(
    "pools.*.timeouts",
    Presence::Always,
    "a mapping such as { connect: 2s }",
    "limits towards a backend",
);

// A backend in the same data centre accepts within milliseconds; the kernel's own limit is minutes.
pub(in crate::config) static CONNECT: Preset<Duration> = Preset::new(
    "pools.*.timeouts.connect",
    DURATION,
    || Duration::from_secs(2),
    "the limit for accepting a connection",
);

// As nginx's `proxy_read_timeout`.
pub(in crate::config) static RESPONSE: Preset<ResponseTimeout> = Preset::new(
    "pools.*.timeouts.response",
    RESPONSE_TIMEOUT,
    || ResponseTimeout::Fixed(Duration::from_secs(60)),
    "from the end of the request to the first byte of the response; or auto",
);

// Longer than one slow answer, and shorter than clients wait for three.
pub(in crate::config) static REQUEST: Preset<Duration> = Preset::new(
    "pools.*.timeouts.request",
    DURATION,
    || Duration::from_secs(120),
    "like response, over all attempts and the waits between them; above response",
);

// As nginx's `proxy_read_timeout` and `proxy_send_timeout`.
pub(in crate::config) static IDLE: Preset<Duration> = Preset::new(
    "pools.*.timeouts.idle",
    DURATION,
    || Duration::from_secs(60),
    "the longest pause between two reads or writes after that",
);

// As nginx's upstream `keepalive_timeout`.
pub(in crate::config) static KEEPALIVE: Preset<Duration> = Preset::new(
    "pools.*.timeouts.keepalive",
    DURATION,
    || Duration::from_secs(60),
    "how long an unused connection is kept for the next request",
);

// Like Envoy's outlier detection, which ejects after this many gateway errors, for this long.
pub(in crate::config) static EJECTION: Group = Group::new(
    "pools.*.ejection",
    Presence::UnlessOff,
    "off, or a mapping such as { failures: 5, base: 30s, max: 300s }",
    "of a backend that fails requests; with `ejection: off`, only refused connections eject",
);

pub(in crate::config) static EJECTION_FAILURES: Preset<NonZeroU32> = Preset::new(
    "pools.*.ejection.failures",
    FAILURES,
    || NonZeroU32::MIN.saturating_add(4),
    "the number of failures in a row that eject",
);

pub(in crate::config) static EJECTION_BASE: Preset<Duration> = Preset::new(
    "pools.*.ejection.base",
    DURATION,
    || Duration::from_secs(30),
    "the length of the first ejection; the n-th in quick succession is n times as long",
);

pub(in crate::config) static EJECTION_MAX: Preset<Duration> = Preset::new(
    "pools.*.ejection.max",
    DURATION,
    || Duration::from_secs(300),
    "the longest ejection",
);

// Long enough for caches and connection pools to fill.
pub(in crate::config) static POOL_SLOW_START: Preset<Option<Duration>> = Preset::new(
    "pools.*.slow_start",
    SLOW_START,
    || Some(Duration::from_secs(30)),
    "the time after which a backend that came back has its full share; or off: at once",
);

pub(in crate::config) static POOL_PANIC_THRESHOLD: Preset<Option<Percent>> = Preset::new(
    "pools.*.panic_threshold",
    PANIC_THRESHOLD,
    || None,
    "or 50%: with a greater share of unhealthy backends, all of them are used",
);

// A second of waiting is better than an error; a minute of it is worse.
pub(in crate::config) static QUEUE: Group = Group::new(
    "pools.*.queue",
    Presence::UnlessOff,
    "off, or a mapping such as { size: 100, timeout: 1s }",
    "of requests while all backends have max_connections; `queue: off` for none",
);

pub(in crate::config) static SIZE: Preset<usize> =
    Preset::new("pools.*.queue.size", QUEUE_SIZE, || 100, "requests that may wait at once");

pub(in crate::config) static QUEUE_TIMEOUT: Preset<Duration> = Preset::new(
    "pools.*.queue.timeout",
    DURATION,
    || Duration::from_secs(1),
    "the longest wait of a request",
);

// A backend that reads a body as it comes, or refuses one early, would see it later.
pub(in crate::config) static REQUEST_BUFFER: Preset<Option<NonZeroUsize>> = Preset::new(
    "pools.*.request_buffer",
    BUFFER,
    || None,
    "or 64KiB: this much of a body is read before a request gets a backend",
);
