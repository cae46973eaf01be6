//! Every default, with the reason for its value.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use super::model::{
    AccessLog, Algorithm, Backoff, BodyLimits, ClientLimits, EjectionRules, LogFormat, LogTarget,
    MinRate, Percent, Pool, PoolName, Process, QueueLimits, ResponseTimeout, Retry, RetryMethods,
    RetryOn, Shutdown, Timeouts, Traceparent,
};

/// Limits towards the client.
pub const CLIENT: ClientLimits = ClientLimits {
    // Slow clients are served, a slowloris is not.
    header: Duration::from_secs(10),
    // Longer than the 60s after which a cloud balancer in front stops using a connection: of two equal
    // limits the one here can end just as the next request is on its way.
    keepalive: Duration::from_secs(75),
    // As nginx's `send_timeout`.
    write: Duration::from_secs(60),
    body: BodyLimits {
        // Longer than a mobile connection needs to recover, shorter than a client is worth a slot.
        idle: Some(BODY_IDLE),
        // Below any modem, and above a client that only wants to hold a connection.
        min_rate: Some(MinRate { bytes: BODY_MIN_RATE, after: BODY_MIN_RATE_AFTER }),
    },
};
/// A pause in the body of a request.
pub const BODY_IDLE: Duration = Duration::from_secs(30);
/// Bytes a second of a request's body.
pub const BODY_MIN_RATE: NonZeroU64 = NonZeroU64::new(256).unwrap();
/// A body shorter than this is too short to have a rate.
pub const BODY_MIN_RATE_AFTER: Duration = Duration::from_secs(10);

/// As a program that is started by hand: in the foreground, with nothing written anywhere.
pub const PROCESS: Process = Process {
    daemon: false,
    pid_file: None,
    upgrade_socket: None,
    user: None,
    group: None,
    error_log: None,
    shutdown: SHUTDOWN,
    watch: false,
};
/// As nginx in a hurry and Docker in none: nobody waits who need not, and what is in flight may
/// take as long as Kubernetes gives it.
pub const SHUTDOWN: Shutdown = Shutdown { delay: Duration::ZERO, timeout: Duration::from_secs(30) };

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

/// What a site means by "the backend failed", as Envoy's
/// `gateway-error,reset,connect-failure`.
pub const RETRY_STATUSES: [u16; 3] = [502, 503, 504];
/// Executing a request twice is the application's decision, not ours; as nginx.
pub const RETRY_METHODS: RetryMethods = RetryMethods::Idempotent;
/// As linkerd and Envoy: enough to hide one backend in five, too little to make an outage worse.
pub const RETRY_BUDGET: Percent = Percent::new(20).unwrap();
/// As linkerd: where there is little traffic a share of it is nothing.
pub const RETRY_BUDGET_MIN: u32 = 10;
/// As Envoy.
pub const BACKOFF: Backoff =
    Backoff { base: Duration::from_millis(25), max: Duration::from_millis(250) };

/// As Envoy's outlier detection, which ejects after as many gateway errors for as long.
pub const EJECTION: EjectionRules = EjectionRules {
    failures: NonZeroU32::new(5).unwrap(),
    base: Duration::from_secs(30),
    max: Duration::from_secs(300),
};
/// Long enough for caches and connection pools to fill.
pub const SLOW_START: Duration = Duration::from_secs(30);
/// A second of waiting is better than an error; a minute of it is worse.
pub const QUEUE: QueueLimits = QueueLimits { size: 100, timeout: Duration::from_secs(1) };

/// Limits towards a backend.
pub const TIMEOUTS: Timeouts = Timeouts {
    // In the same data centre it accepts within milliseconds; the kernel's own limit is minutes.
    connect: Duration::from_secs(2),
    // As nginx's `proxy_read_timeout`.
    response: ResponseTimeout::Fixed(Duration::from_secs(60)),
    // Longer than one slow answer, shorter than any client's patience with three.
    request: Duration::from_secs(120),
    // As nginx's `proxy_read_timeout` and `proxy_send_timeout`.
    idle: Duration::from_secs(60),
    // As nginx's upstream `keepalive_timeout`.
    keepalive: Duration::from_secs(60),
};

/// The line of a request then names its trace also where no client starts one.
pub const TRACEPARENT: Traceparent = Traceparent::Start;
/// Where the time went is nobody's business outside.
pub const SERVER_TIMING: bool = false;
/// One line for each request.
pub const ACCESS_LOG: AccessLog = AccessLog {
    // Read by machines first; `text` is for people.
    format: LogFormat::Json,
    // Where containers and service managers expect it.
    path: LogTarget::Stdout,
    filter: None,
};

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

impl Pool {
    /// Without backends, and with every default but checks, which are off.
    #[must_use]
    pub fn new(name: PoolName) -> Self {
        Self {
            name,
            algorithm: ALGORITHM,
            backends: Vec::new(),
            health_check: None,
            retry: Retry::default(),
            timeouts: TIMEOUTS,
            ejection: Some(EJECTION),
            slow_start: Some(SLOW_START),
            panic_threshold: None,
            queue: QUEUE,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: RETRY_ATTEMPTS,
            on: RetryOn {
                connect_failure: true,
                reset: true,
                timeout: true,
                statuses: RETRY_STATUSES.to_vec(),
            },
            methods: RETRY_METHODS,
            budget: RETRY_BUDGET,
            budget_min: RETRY_BUDGET_MIN,
            backoff: BACKOFF,
        }
    }
}
