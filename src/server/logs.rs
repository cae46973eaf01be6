//! Opening the logs that the configuration names.

use std::sync::Arc;

use super::error::StartError;
use crate::config::Config;
use crate::telemetry::{self, log as process_log};

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

/// Opens the process log and sends everything that is logged from here on to it.
///
/// # Errors
///
/// When the file cannot be opened.
pub(super) fn direct_process_log(config: &Config) -> Result<(), StartError> {
    process_log::open(config).map(process_log::direct).map_err(StartError::ProcessLog)
}
