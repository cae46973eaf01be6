//! Opening the logs that the configuration names, and what sends traces.

use std::sync::Arc;

use super::error::StartError;
use crate::config::{Config, Tracing};
use crate::telemetry::{self, log as process_log};
use crate::tracing::{SpanCounts, Tracer};

/// Opens the access log, if there is one, and starts its writer.
///
/// # Errors
///
/// When the file cannot be opened.
pub(super) fn open_access_log(
    config: &Config,
) -> Result<Option<Arc<telemetry::AccessLog>>, StartError> {
    let open = |log| telemetry::AccessLog::open(log, &config.log_delivery).map(Arc::new);
    config.access_log.as_ref().map(open).transpose().map_err(StartError::AccessLog)
}

/// Starts what sends traces to the collector, with all counts at zero.
///
/// # Errors
///
/// When the file with certificates cannot be used.
pub(super) fn open_tracer(config: &Tracing) -> Result<Arc<Tracer>, StartError> {
    continue_tracer(config, Arc::new(SpanCounts::default()))
}

/// Like [`open_tracer`], with counts that go on.
///
/// # Errors
///
/// When the file with certificates cannot be used.
pub(super) fn continue_tracer(
    config: &Tracing,
    counts: Arc<SpanCounts>,
) -> Result<Arc<Tracer>, StartError> {
    Tracer::open(config, counts).map(Arc::new).map_err(StartError::Tracing)
}

/// Opens the process log and sends everything that is logged from here on to it.
///
/// # Errors
///
/// When the file cannot be opened.
pub(super) fn direct_process_log(config: &Config) -> Result<(), StartError> {
    process_log::open(config).map(process_log::direct).map_err(StartError::ProcessLog)
}
