//! Reads the keys at the top of the file that concern the process itself.

use crate::config::{
    document::Section,
    keys::{
        logs::{PROCESS_LOG, PROCESS_LOG_FORMAT},
        process::{
            DAEMON, PID_FILE, PROCESS_GROUP, PROCESS_USER, SHUTDOWN, SHUTDOWN_DELAY,
            SHUTDOWN_TIMEOUT, STATE_DIR, UPGRADE_SOCKET, WATCH,
        },
    },
    model::{AccessLog, Process, Shutdown},
};

/// Reads all keys except the admin listener; the access log has been read before.
pub(super) fn read(top: &mut Section<'_>, access_log: Option<&AccessLog>) -> Process {
    let daemon = top.setting(&DAEMON.key);
    let origin = daemon.origin().cloned();
    let process = Process {
        daemon: daemon.given().unwrap_or_else(DAEMON.default),
        pid_file: top.given(&PID_FILE),
        upgrade_socket: top.given(&UPGRADE_SOCKET),
        state_dir: top.given(&STATE_DIR),
        user: top.given(&PROCESS_USER),
        group: top.given(&PROCESS_GROUP),
        error_log: top.get(&PROCESS_LOG),
        error_log_format: top.get(&PROCESS_LOG_FORMAT),
        shutdown: shutdown(top),
        watch: top.get(&WATCH),
    };
    if let Some(origin) = origin.filter(|_| process.daemon) {
        for message in unheard(&process, access_log) {
            top.warning_at(&origin, message);
        }
    }
    process
}

/// Warnings about logs that are lost once the process is in the background.
pub(in crate::config) fn unheard(
    process: &Process,
    access_log: Option<&AccessLog>,
) -> impl Iterator<Item = &'static str> {
    let process_log = process.error_log.is_standard_stream().then_some(
        "the process log goes nowhere in the background (give its file, as in \"error_log: \
         /var/log/lb/error.log\")",
    );
    let is_unheard = access_log.is_some_and(|access_log| access_log.path.is_standard_stream());
    let access_log = is_unheard.then_some(
        "the access log goes nowhere in the background (give access_log.path a file, or write \
         \"access_log: off\")",
    );
    process_log.into_iter().chain(access_log)
}

pub(super) fn shutdown(top: &mut Section<'_>) -> Shutdown {
    top.group(&SHUTDOWN, |keys| Shutdown {
        delay: keys.get(&SHUTDOWN_DELAY),
        timeout: keys.get(&SHUTDOWN_TIMEOUT),
    })
}
