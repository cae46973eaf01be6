//! The keys of listeners and routes.

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

use super::key::{Content, Group, Key, Presence, Preset};
use crate::config::{
    model::{HostPattern, PathPrefix, PoolName},
    values::{DURATION, HOST_PATTERN, LISTEN_ADDRESS, PATH_PREFIX, PAUSE, POOL_NAME, RATE},
};

pub(in crate::config) static LISTENERS: Group = Group::several(
    "listeners",
    Content::Items,
    "a list of listeners, each starting with \"- address: 0.0.0.0:8080\"",
    "Addresses to accept connections on.",
);

pub(in crate::config) static ADDRESS: Key<SocketAddr> = Key::required(
    "listeners[].address",
    LISTEN_ADDRESS,
    "0.0.0.0:8080",
    "IP address and port, IPv6 as \"[::]:8080\"",
)
.needs_upgrade();

pub(in crate::config) static CLIENT: Group = Group::new(
    "listeners[].client",
    Presence::Always,
    "a mapping such as { header: 10s }",
    "limits towards the client",
);

// Enough for slow clients, too short for a slowloris attack.
pub(in crate::config) static HEADER: Preset<Duration> = Preset::new(
    "listeners[].client.header",
    DURATION,
    || Duration::from_secs(10),
    "the limit on the whole header of a request",
);

// Longer than the 60s for which a well-known cloud balancer in front reuses a connection: if both
// limits are equal, this end can close just as the next request is on its way.
pub(in crate::config) static KEEPALIVE: Preset<Duration> = Preset::new(
    "listeners[].client.keepalive",
    DURATION,
    || Duration::from_secs(75),
    "how long a connection may be idle between two requests",
);

// As nginx's `send_timeout` is by default.
pub(in crate::config) static WRITE: Preset<Duration> = Preset::new(
    "listeners[].client.write",
    DURATION,
    || Duration::from_secs(60),
    "how long a client may accept none of the data sent to it",
);

pub(in crate::config) static BODY: Group = Group::new(
    "listeners[].client.body",
    Presence::Always,
    "a mapping such as { idle: 30s }",
    "of a request; a client that sends it more slowly gets a 408",
);

// Longer than a mobile connection takes to recover.
pub(in crate::config) static BODY_IDLE: Preset<Option<Duration>> = Preset::new(
    "listeners[].client.body.idle",
    PAUSE,
    || Some(Duration::from_secs(30)),
    "the longest pause without a byte of the body; or off",
);

// Slower than any modem, and faster than a client that only wants to hold a connection.
pub(in crate::config) static BODY_MIN_RATE: Preset<Option<NonZeroU64>> = Preset::new(
    "listeners[].client.body.min_rate",
    RATE,
    || NonZeroU64::new(256),
    "the least average rate of the whole body; or off",
);

pub(in crate::config) static BODY_MIN_RATE_AFTER: Preset<Duration> = Preset::new(
    "listeners[].client.body.min_rate_after",
    DURATION,
    || Duration::from_secs(10),
    "the rate applies only to a body that takes longer than this",
);

pub(in crate::config) static ROUTES: Group = Group::several(
    "routes",
    Content::Items,
    "a list of routes, each starting with \"- pool: web\" or \"- host: …\"",
    "Which pool gets a request. The most specific route wins, wherever it stands: an exact host \
     comes before *.suffix, and *.suffix before no host; then the longest path wins. A request \
     without a route is answered with 404.",
);

pub(in crate::config) static POOL: Key<PoolName> =
    Key::required("routes[].pool", POOL_NAME, "web", "the name of a pool below");

pub(in crate::config) static HOST: Key<HostPattern> = Key::optional(
    "routes[].host",
    HOST_PATTERN,
    ("api.example.com", "any host"),
    "or \"*.example.com\"",
);

pub(in crate::config) static PATH: Preset<PathPrefix> = Preset::new(
    "routes[].path",
    PATH_PREFIX,
    || PathPrefix("/".into()),
    "a prefix on segment boundaries: /v1 is also /v1/x, but not /v10",
);
