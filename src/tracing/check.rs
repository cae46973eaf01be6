//! What a look at files shows of the settings of traces.

use crate::config::{Config, Problem, Problems};
use crate::http_client;

/// Looks at the file with certificates, if there is one.
///
/// # Errors
///
/// Why it cannot be used.
pub fn check(config: &Config) -> Result<(), Problems> {
    let Some(tracing) = &config.tracing else { return Ok(()) };
    let Some(Err(reason)) = tracing.ca.as_deref().map(http_client::roots) else { return Ok(()) };
    Err(Problems::from(Problem::new(tracing.origin.clone(), format!("ca: {reason}"))))
}
