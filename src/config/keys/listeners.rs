//! The keys of listeners and routes.

use std::{
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

use super::key::{Content, Group, Instead, Key, List, Presence, Preset};
use crate::config::{
    model::{
        HostPattern, ListenAddress, ListenerProtocol, PathPrefix, PeerBlock, PoolName,
        RedirectToHttps,
    },
    values::{
        DURATION, HOST_PATTERN, HSTS, LISTEN_ADDRESS, MODE, OWNER, PATH_PREFIX, PAUSE, PEERS,
        POOL_NAME, PORT, PROTOCOL, RATE, REDIRECT_TO_HTTPS,
    },
};

pub(in crate::config) static LISTENERS: Group = Group::several(
    "listeners",
    Content::Items,
    "a list of listeners, each starting with \"- address: 0.0.0.0:8080\"",
    "Addresses to accept connections on.",
);

pub(in crate::config) static ADDRESS: Key<ListenAddress> = Key::required(
    "listeners[].address",
    LISTEN_ADDRESS,
    "0.0.0.0:8080",
    "IP address and port, IPv6 as \"[::]:8080\"; or a Unix socket, as unix:/run/lb/http.sock, or \
     unix:@lb for one without a file",
)
.needs_upgrade();

pub(in crate::config) static SOCKET_MODE: Key<u32> = Key::optional(
    "listeners[].mode",
    MODE,
    ("660", "660, so that its user and its group may connect"),
    "permissions of the file of a Unix socket",
)
.needs_upgrade();

pub(in crate::config) static SOCKET_OWNER: Key<Box<str>> = Key::optional(
    "listeners[].owner",
    OWNER,
    ("www-data", "the user and the group of the process"),
    "of the file of a Unix socket: a user, or user:group",
)
.needs_upgrade();

pub(in crate::config) static PROXY_PROTOCOL: Group = Group::new(
    "listeners[].proxy_protocol",
    Presence::IfGiven,
    "off, or a mapping such as { from: [10.0.0.0/8] }",
    "whether connections begin with a header of the PROXY protocol (version 1 or 2), which says who \
     the client is; a connection without one, or from an address not named here, is closed",
);

pub(in crate::config) static FROM: List<PeerBlock> = List::new(
    "listeners[].proxy_protocol.from",
    PEERS,
    "a list of address blocks such as [10.0.0.0/8]",
    "the proxies that send it; required",
)
.or(Instead::OneItem, Vec::new)
.optional("[10.0.0.0/8]", "none, which is refused");

pub(in crate::config) static PROTOCOLS: List<ListenerProtocol> = List::new(
    "listeners[].protocols",
    PROTOCOL,
    "a list of protocols such as [h2, http/1.1]",
    "the protocols that clients may speak, the preferred one first: h2 with TLS, h2c without TLS (a \
     client's first bytes tell), http/1.1; and h3 with TLS, on the same port of UDP",
)
.or(Instead::OneItem, Vec::new)
.optional("[h2, http/1.1]", "[h2, http/1.1] with TLS, [http/1.1] without");

// A browser that remembers it for longer than h3 is spoken loses time at its next visits.
pub(in crate::config) static ALT_SVC: Preset<Option<Duration>> = Preset::new(
    "listeners[].alt_svc",
    HSTS,
    || Some(Duration::from_secs(24 * 60 * 60)),
    "with h3: how long clients may remember that it is spoken (Alt-Svc, in answers of the other \
     protocols); or off",
);

pub(in crate::config) static ALT_SVC_PORT: Key<NonZeroU16> = Key::optional(
    "listeners[].alt_svc_port",
    PORT,
    ("443", "the listener's own port"),
    "the port of UDP at which clients reach h3, where packets are passed on from another one",
);

pub(in crate::config) static REDIRECT: Preset<RedirectToHttps> = Preset::new(
    "listeners[].redirect_to_https",
    REDIRECT_TO_HTTPS,
    || RedirectToHttps::Off,
    "true: answers requests with a redirect (308) to the same host and path by https, on port 443 if a \
     listener with TLS has it, else on the port of the first one; a number: on this port, for one that \
     another program leads to lb",
);

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

pub(in crate::config) static ANSWER: Group = Group::new(
    "listeners[].client.answer",
    Presence::Always,
    "a mapping such as { min_rate: 256B/s }",
    "of h2, h2c and h3, whose clients say how much of an answer they take, down to a byte; one that takes it \
     more slowly loses the request",
);

// As for the body of a request.
pub(in crate::config) static ANSWER_MIN_RATE: Preset<Option<NonZeroU64>> = Preset::new(
    "listeners[].client.answer.min_rate",
    RATE,
    || NonZeroU64::new(256),
    "the least average rate of the whole answer; or off",
);

pub(in crate::config) static ANSWER_MIN_RATE_AFTER: Preset<Duration> = Preset::new(
    "listeners[].client.answer.min_rate_after",
    DURATION,
    || Duration::from_secs(10),
    "the rate applies only once lb has waited for the client for longer than this",
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
