//! Opening the logs that the configuration names.

use std::sync::Arc;

use super::error::StartError;
use crate::config::{AccessLog, Config};
use crate::telemetry::{self, log as process_log};

/// Opens the access log and starts its writer.
///
/// # Errors
///
/// When the file cannot be opened.
pub(super) fn open_access_log(config: &AccessLog) -> Result<Arc<telemetry::AccessLog>, StartError> {
    telemetry::AccessLog::open(config).map(Arc::new).map_err(StartError::AccessLog)
}

/// Opens the process log and sends everything that is logged from here on to it.
///
/// # Errors
///
/// When the file cannot be opened.
pub(super) fn direct_process_log(config: &Config) -> Result<(), StartError> {
    process_log::open(config).map(process_log::direct).map_err(StartError::ProcessLog)
}
