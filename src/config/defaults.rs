//! Every default, with the reason for its value.

use std::{num::NonZeroU32, time::Duration};

use super::model::{Algorithm, ClientLimits, LogFormat, LogTarget, Timeouts};

/// Limits towards the client.
pub const CLIENT: ClientLimits = ClientLimits {
    // Slow clients are served, a slowloris is not.
    header: Duration::from_secs(10),
    // As nginx: browsers and proxies keep connections about that long.
    keepalive: Duration::from_secs(60),
    // As nginx's `send_timeout`.
    write: Duration::from_secs(60),
};

/// What people expect of a balancer until they say otherwise.
pub const ALGORITHM: Algorithm = Algorithm::RoundRobin;

/// As HAProxy: a dead backend is found in seconds, at half a request a second.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Below the interval, and longer than any healthy answer.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// One lucky pass does not bring a flapping backend back.
pub const CHECK_RISE: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// One lost packet does not take a healthy one out.
pub const CHECK_FALL: NonZeroU32 = NonZeroU32::new(3).unwrap();
/// The root answers on nearly everything.
pub const CHECK_PATH: &str = "/";
/// As HAProxy and Traefik: a redirect is a sign of life.
pub const CHECK_EXPECT: (u16, u16) = (200, 399);

/// As HAProxy: two failures in a row are rarely the backends' own.
pub const RETRY_ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).unwrap();

/// Limits towards a backend.
pub const TIMEOUTS: Timeouts = Timeouts {
    // In the same data centre it accepts within milliseconds; the kernel's own limit is minutes.
    connect: Duration::from_secs(2),
    // As nginx's `proxy_read_timeout`.
    response: Duration::from_secs(60),
    // As nginx's `proxy_read_timeout` and `proxy_send_timeout`.
    idle: Duration::from_secs(60),
    // As nginx's upstream `keepalive_timeout`.
    keepalive: Duration::from_secs(60),
};

/// Read by machines first; `text` is for people.
pub const LOG_FORMAT: LogFormat = LogFormat::Json;
/// Where containers and service managers expect it.
pub const LOG_TARGET: LogTarget = LogTarget::Stdout;

/// Without a file: the listener's port on all addresses.
pub const FLAG_PORT: u16 = 8080;
/// Without a file.
pub const FLAG_HEALTH_INTERVAL: Duration = Duration::from_secs(10);
/// Without a file.
pub const FLAG_HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Without a file; one more try than this is made.
pub const FLAG_MAX_RETRIES: u32 = 3;
/// The name of the one pool that flags make.
pub const FLAG_POOL: &str = "default";
