//! The defaults: each part of the configuration as it is read from an empty text.

use super::{checks, listeners, logs, pools, process, retry, tls};
use crate::config::{
    document::from_nothing,
    model::{
        AccessLog, ClientLimits, EjectionRules, HealthCheck, ListenAddress, Listener, LogDelivery,
        Pool, PoolName, Retry, Shutdown, Tls,
    },
};

impl Default for AccessLog {
    fn default() -> Self {
        from_nothing(logs::access_log)
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        from_nothing(listeners::client_limits)
    }
}

impl Default for EjectionRules {
    fn default() -> Self {
        from_nothing(pools::ejection_rules)
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        from_nothing(checks::check)
    }
}

impl Default for LogDelivery {
    fn default() -> Self {
        from_nothing(logs::delivery)
    }
}

impl Default for Retry {
    fn default() -> Self {
        from_nothing(retry::retry)
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        from_nothing(process::shutdown)
    }
}

impl Default for Tls {
    /// Without any certificate.
    fn default() -> Self {
        from_nothing(tls::settings)
    }
}

impl Listener {
    /// A listener with every default.
    #[must_use]
    pub fn new(address: ListenAddress) -> Self {
        from_nothing(|keys| listeners::settings(keys, address))
    }
}

impl Pool {
    /// A pool without backends, with all defaults, except that checks are off.
    #[must_use]
    pub fn new(name: PoolName) -> Self {
        let pool = from_nothing(|keys| pools::settings(keys, name, Vec::new()));
        Self { health_check: None, ..pool }
    }
}
