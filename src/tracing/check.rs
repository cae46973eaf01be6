//! What a look at files shows of the settings of traces.

use crate::config::{Config, Problem, Problems};
use crate::files::FileVersions;
use crate::http_client;

/// Looks at the file with certificates, if there is one, and adds it to the sources.
///
/// # Errors
///
/// Why it cannot be used.
pub fn check(config: &Config, sources: &mut FileVersions) -> Result<(), Problems> {
    let Some(tracing) = &config.tracing else { return Ok(()) };
    let Some(ca) = tracing.ca.as_deref() else { return Ok(()) };
    sources.note(ca);
    let Err(reason) = http_client::roots(ca) else { return Ok(()) };
    Err(Problems::from(Problem::new(tracing.origin.clone(), format!("ca: {reason}"))))
}
