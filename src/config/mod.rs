//! From YAML text and flags to a configuration that cannot be wrong.

pub mod defaults;
mod model;

pub use model::{
    AccessLog, Algorithm, BackendAddress, BackendSpec, ClientLimits, Config, HealthCheck, Host,
    HostPattern, Listener, LogFormat, LogTarget, Origin, PathPrefix, Pool, PoolName, Probe, Retry,
    Route, StatusRanges, Timeouts, Weight,
};
