//! From a configuration to a process that serves, and on to its exit code.
//!
//! The order of the steps matters: signals are heard before anything is opened, ports are bound as
//! root, and files that other users may have prepared are opened when root is given up.

use std::{process::ExitCode, sync::Arc};

use super::{
    error::{StartError, set_up},
    logs, root, serve,
    signals::Signals,
    start::Start,
};
use crate::acme;
use crate::clock;
use crate::generation::{Current, Opened};
use crate::process::{background::Report, memory};
use crate::telemetry::AccessLog;
use crate::tracing::Tracer;

/// Serves until a signal ends it. The process log must have been started; once the process runs as
/// the configured user, it goes where the configuration says. `report`, if there is one, is told
/// when this process serves, or when it can serve and waits for another process to hand over.
///
/// # Errors
///
/// When the process cannot start; no request was served then.
pub fn run(mut start: Start, report: &mut Option<Report>) -> Result<ExitCode, StartError> {
    memory::use_small_pages();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| set_up("the runtime", source))?;
    let tls = std::mem::take(&mut start.tls);
    let config = &start.config;
    let signals = {
        let _context = runtime.enter();
        Signals::listen().map_err(|source| set_up("signal handling", source))?
    };
    let identity = root::identity(config)?;
    if identity.is_none() {
        logs::direct_process_log(config)?;
    }
    let handles = root::last(config, identity.as_ref(), start.upgrade)?;
    // Root must not open a file where another user may write.
    if identity.is_some() {
        logs::direct_process_log(config)?;
    }
    for warning in &start.warnings {
        log::warn!("{warning}");
    }
    let access_log = logs::open_access_log(config)?;
    let tracer = config.tracing.as_ref().map(logs::open_tracer).transpose()?;
    acme::make_local(config, &tls);
    let opened = Opened { access_log, tracer, tls };
    let building = Current::new(config, &start.resolved, opened, clock::now());
    let current =
        runtime.block_on(building).map_err(|source| set_up("the pools", source.to_string()))?;
    let current = Arc::new(current);
    let serving = serve::serve(start, handles, Arc::clone(&current), signals, report);
    let code = runtime.block_on(serving)?;
    // A task that still waits for something must not hold up the end.
    runtime.shutdown_background();
    if let Some(access_log) = &current.pin().access_log {
        access_log.close();
    }
    AccessLog::close_dropped();
    if let Some(tracer) = &current.pin().tracer {
        tracer.close();
    }
    Tracer::close_dropped();
    Ok(code)
}
