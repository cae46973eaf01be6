//! Reads how a pool's backends are checked.

use crate::config::{
    document::{Order, Section, Side},
    keys::{
        Row,
        checks::{
            CHECK_PORT, EXPECT, FALL, HEALTH_CHECK, HOST, INTERVAL, PATH, RISE, TIMEOUT, TYPE,
        },
    },
    model::{HealthCheck, Probe, StatusRanges},
    values::CheckType,
};

const CHECK_ORDER: Order = Order {
    judged: Side { key: &TIMEOUT, rule: "must be below the interval" },
    other: Side { key: &INTERVAL, rule: "must be above the timeout" },
    holds: |timeout, interval| timeout < interval,
    why: "a check must end before the next one starts",
};

/// Returns `None` if checks are off.
pub(super) fn read(keys: &mut Section<'_>) -> Option<HealthCheck> {
    keys.switch(&HEALTH_CHECK, check)
}

pub(super) fn check(keys: &mut Section<'_>) -> HealthCheck {
    let kind = keys.get(&TYPE);
    let (timeout, interval) = CHECK_ORDER.read(keys);
    HealthCheck {
        probe: match kind {
            CheckType::Http => http_probe(keys),
            CheckType::Tcp => tcp_probe(keys),
        },
        interval,
        timeout,
        rise: keys.get(&RISE),
        fall: keys.get(&FALL),
        port: keys.given(&CHECK_PORT),
    }
}

fn http_probe(keys: &mut Section<'_>) -> Probe {
    let path = keys.get(&PATH);
    let expect = keys.list(&EXPECT).into_iter().flat_map(|it| it.0).collect();
    Probe::Http { path, expect: StatusRanges(expect), host: keys.given(&HOST) }
}

fn tcp_probe(keys: &mut Section<'_>) -> Probe {
    for key in [&PATH as &dyn Row, &EXPECT, &HOST] {
        if let Some(cursor) = keys.optional(key) {
            cursor.problem(
                "belongs to checks of type http, and this one is tcp (remove it, or write \
                 type: http)",
            );
        }
    }
    Probe::Tcp
}
