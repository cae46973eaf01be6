//! The keys of a pool's health checks.

use std::{
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use super::key::{Group, Instead, Key, List, Presence, Preset};
use crate::config::{
    model::StatusRanges,
    values::{CHECK_HOST, CHECK_PATH, CHECK_TYPE, CHECKS, CheckType, DURATION, PORT, STATUSES},
};

pub(in crate::config) static HEALTH_CHECK: Group = Group::new(
    "pools.*.health_check",
    Presence::UnlessOff,
    "off, or a mapping such as { path: /health }",
    "`health_check: off` for none",
);

pub(in crate::config) static TYPE: Preset<CheckType> = Preset::new(
    "pools.*.health_check.type",
    CHECK_TYPE,
    || CheckType::Http,
    "or tcp: the connection is accepted",
);

// The root path is answered by nearly every server.
pub(in crate::config) static PATH: Preset<Box<str>> =
    Preset::new("pools.*.health_check.path", CHECK_PATH, || "/".into(), "http only");

// As in HAProxy and Traefik: a redirect is a sign of life.
pub(in crate::config) static EXPECT: List<StatusRanges> = List::new(
    "pools.*.health_check.expect",
    STATUSES,
    "statuses such as 200-399, 2xx or [200, 204]",
    "http only; statuses that pass, such as 200-399, 2xx or [200, 204]",
)
.or(Instead::OneItem, || vec![StatusRanges(vec![(200, 399)])]);

pub(in crate::config) static HOST: Key<Box<str>> = Key::optional(
    "pools.*.health_check.host",
    CHECK_HOST,
    ("web.internal", "the backend's address"),
    "http only; the Host header",
);

pub(in crate::config) static CHECK_PORT: Key<NonZeroU16> = Key::optional(
    "pools.*.health_check.port",
    PORT,
    ("9100", "the backend's own port"),
    "checked in place of the backend's port",
);

// As in HAProxy: a dead backend is found in seconds, at half a request a second.
pub(in crate::config) static INTERVAL: Preset<Duration> = Preset::new(
    "pools.*.health_check.interval",
    DURATION,
    || Duration::from_secs(2),
    "from one check to the next",
);

// It is below the interval, and longer than any healthy answer takes.
pub(in crate::config) static TIMEOUT: Preset<Duration> = Preset::new(
    "pools.*.health_check.timeout",
    DURATION,
    || Duration::from_secs(1),
    "the limit on a whole check; below the interval",
);

// One lucky pass does not bring a flapping backend back.
pub(in crate::config) static RISE: Preset<NonZeroU32> = Preset::new(
    "pools.*.health_check.rise",
    CHECKS,
    || NonZeroU32::MIN.saturating_add(1),
    "passes in a row before an unhealthy backend is used again",
);

// One lost packet does not take a healthy one out.
pub(in crate::config) static FALL: Preset<NonZeroU32> = Preset::new(
    "pools.*.health_check.fall",
    CHECKS,
    || NonZeroU32::MIN.saturating_add(2),
    "failures in a row before a healthy backend is taken out",
);
