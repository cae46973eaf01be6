//! What systemd is told (`Type=notify`, see sd_notify(3)). Without systemd, nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;

/// This process serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// This process loads its configuration again, until it is [`ready`].
pub fn reloading() {
    // systemd orders the two by this clock.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// This process finishes what is in flight.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process serves in its place.
pub fn replaced_by(pid: u32) {
    // systemd does not listen to that process before, and its next sign of life may be late.
    tell(&[NotifyState::MainPid(pid), NotifyState::Ready, NotifyState::Watchdog]);
}

/// The time between two signs of life, if the service manager wants any.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    // Its manual recommends half of its limit.
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// This process is well.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!(error:% = error; "the service manager cannot be told");
    }
}
