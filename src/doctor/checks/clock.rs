//! The clock: whether it is right, and what it costs to read it.

use super::or_fine;
use crate::doctor::{facts::Facts, finding::Finding};

const CHECK: &str = "clock";
/// The clocks that a program reads without a call to the system.
const FAST: [&str; 5] =
    ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen"];
const PLACE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Certificates, logs and the times of the status page depend on a clock that is right.
pub(super) fn clock(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let file = facts.file.display();
    if let Some(ahead) = facts.configuration.changed_in_future {
        let says = format!(
            "{file} was changed {}s in the future, so the clock is behind",
            ahead.as_secs()
        );
        found.push(Finding::problem(CHECK, says, "timedatectl set-ntp true").at(file.to_string()));
    }
    let machine = &facts.machine;
    if let Some(source) = machine.clock_source.as_deref().filter(|it| !FAST.contains(it)) {
        let says = format!(
            "the clock is {source}, and each of several looks per request is a system call"
        );
        let mend = "choose tsc at boot, if the machine has it (clocksource=tsc)";
        found.push(Finding::warning(CHECK, says, mend).at(PLACE));
    }
    if !machine.clock_service && found.is_empty() {
        let says = "no service that sets the clock has left a sign here (a container has the clock of \
                    its host: ask there, with timedatectl)";
        return vec![Finding::skipped(CHECK, says)];
    }
    or_fine(found, || Finding::fine(CHECK, "a service sets the clock"))
}
