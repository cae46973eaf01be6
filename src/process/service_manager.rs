//! What systemd is told (`Type=notify`, see sd_notify(3)). Where nobody listens, nothing is.

use std::time::Duration;

use sd_notify::NotifyState;

/// It serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It loads its configuration anew; [`ready`] ends that.
pub fn reloading() {
    // systemd orders the two by this clock.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It finishes what is in flight.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process serves in its place.
pub fn replaced_by(pid: u32) {
    // It is not listened to before, and its next sign of life may be late.
    tell(&[NotifyState::MainPid(pid), NotifyState::Ready, NotifyState::Watchdog]);
}

/// How often the service manager wants to hear that the process is well, if it does.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    // As its manual says: at half the time.
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// The process is well.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!(error:% = error; "the service manager cannot be told");
    }
}
