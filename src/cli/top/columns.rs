//! The columns of the live table: their names, widths and values, and the order that each gives.
//!
//! On a small screen the columns that matter most are kept: which backend, its state, and the reason.

use std::cmp::Ordering;

use ratatui::layout::{Alignment, Constraint};

use crate::admin::view::{Backend, Status};
use crate::backend::Address;
use crate::cli::figures;

/// The width of a state.
const STATE: u16 = 9;
/// The least width of a reason; it gets what the other columns leave.
const REASON: u16 = 16;
/// The least and the greatest width of a backend's name.
const LEAST_NAME: u16 = 13;
const MOST_NAME: u16 = 47;

/// The columns of a backend, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Pool,
    Backend,
    State,
    For,
    Active,
    Rate,
    Errors,
    Share,
    P50,
    P99,
    Weight,
    Check,
    Reason,
}

impl Column {
    /// The columns, those first that are kept where there is little room.
    const BY_IMPORTANCE: [Self; 13] = [
        Self::Pool,
        Self::Backend,
        Self::State,
        Self::Reason,
        Self::For,
        Self::Active,
        Self::Rate,
        Self::Errors,
        Self::Share,
        Self::P50,
        Self::P99,
        Self::Weight,
        Self::Check,
    ];

    /// The columns that fit into this many characters, in their order. The reason is left out while no
    /// backend has one.
    pub(super) fn shown(room: u16, widths: Widths) -> Vec<Self> {
        let all = Self::BY_IMPORTANCE.into_iter();
        let all = all.filter(|column| widths.has_remarks || *column != Self::Reason);
        let mut taken = 0;
        let mut shown: Vec<_> = all
            .take_while(|column| {
                taken += column.least(widths) + u16::from(taken > 0);
                taken <= room
            })
            .collect();
        shown.sort();
        shown
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pool => "POOL",
            Self::Backend => "BACKEND",
            Self::State => "STATE",
            Self::For => "FOR",
            Self::Active => "ACT",
            Self::Rate => "REQ/S",
            Self::Errors => "ERR/S",
            Self::Share => "SHARE",
            Self::P50 => "P50",
            Self::P99 => "P99",
            Self::Weight => "WEIGHT",
            Self::Check => "CHECK",
            Self::Reason => "REASON",
        }
    }

    fn least(self, widths: Widths) -> u16 {
        match self {
            Self::Pool => widths.pool,
            Self::Backend => widths.backend,
            Self::State => STATE,
            Self::For => 4,
            Self::Active => 4,
            Self::Rate | Self::Errors | Self::Share | Self::P50 | Self::P99 => 6,
            Self::Weight => 8,
            Self::Check => 15,
            Self::Reason => REASON,
        }
    }

    pub(super) fn width(self, widths: Widths) -> Constraint {
        match self {
            Self::Reason => Constraint::Fill(1),
            _ => Constraint::Length(self.least(widths)),
        }
    }

    pub(super) fn alignment(self) -> Alignment {
        match self {
            Self::Pool | Self::Backend | Self::State | Self::For | Self::Check | Self::Reason => {
                Alignment::Left
            }
            _ => Alignment::Right,
        }
    }

    pub(super) fn value(self, backend: &Backend, widths: Widths) -> String {
        match self {
            Self::Pool => backend.pool.clone(),
            Self::Backend => label(backend, widths.backend),
            Self::State => figures::state(&backend.state),
            Self::For => figures::in_state_for(backend),
            Self::Active => backend.active.to_string(),
            Self::Rate => figures::rate(backend.rate),
            Self::Errors => figures::rate(backend.error_rate),
            Self::Share => figures::share(backend.share),
            Self::P50 => figures::latency(backend.latency.p50_ms),
            Self::P99 => figures::latency(backend.latency.p99_ms),
            Self::Weight => figures::weight(backend),
            Self::Check => figures::check(backend),
            Self::Reason => figures::remarks(backend),
        }
    }

    /// Compares by this column: largest values first, but names from A.
    fn compare(self, a: &Backend, b: &Backend) -> Ordering {
        match self {
            Self::Pool => a.pool.cmp(&b.pool),
            Self::Backend => by_name(a).cmp(&by_name(b)),
            Self::State => trouble(a).cmp(&trouble(b)),
            Self::For => newest(a).cmp(&newest(b)),
            Self::Active => b.active.cmp(&a.active),
            Self::Rate => b.rate.total_cmp(&a.rate),
            Self::Errors => b.error_rate.total_cmp(&a.error_rate),
            Self::Share => b.share.total_cmp(&a.share),
            Self::P50 => longest(a.latency.p50_ms, b.latency.p50_ms),
            Self::P99 => longest(a.latency.p99_ms, b.latency.p99_ms),
            Self::Weight => b.weight_in_effect.total_cmp(&a.weight_in_effect),
            Self::Check => ago(a).cmp(&ago(b)),
            Self::Reason => {
                a.reason.is_none().cmp(&b.reason.is_none()).then(a.reason.cmp(&b.reason))
            }
        }
    }
}

/// The widths of the names, within limits, and whether a backend has remarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    pool: u16,
    backend: u16,
    has_remarks: bool,
}

impl Widths {
    /// The widths for a screen of this many characters.
    pub(super) fn of(status: &Status, room: u16) -> Self {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| {
            u16::try_from(lengths.max().unwrap_or(0)).unwrap_or(u16::MAX)
        };
        let pools = || status.pools.iter();
        let backends = || pools().flat_map(|pool| &pool.backends);
        let pool = longest(&mut pools().map(|pool| pool.name.chars().count())).clamp(4, 16);
        // A long name makes way for the reason.
        let left = room.saturating_sub(pool + STATE + REASON + 3);
        let most = left.clamp(LEAST_NAME, MOST_NAME);
        let backend = longest(&mut backends().map(|backend| label(backend, most).chars().count()));
        let has_remarks = backends().any(|backend| !figures::remarks(backend).is_empty());
        Self { pool, backend: backend.clamp(LEAST_NAME, most), has_remarks }
    }
}

/// The name with the address, if there is room, otherwise the name.
fn label(backend: &Backend, room: u16) -> String {
    let label = backend.label();
    if label.chars().count() > room.into() { backend.name.clone() } else { label }
}

/// The order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SortOrder {
    /// The column; `None` is trouble first, then traffic.
    pub(super) by: Option<Column>,
    /// Whether the order is reversed.
    pub(super) is_inverted: bool,
}

impl SortOrder {
    /// The default order, for a person on call: trouble first.
    pub(super) const DEFAULT: Self = Self { by: None, is_inverted: false };

    /// The order by the next column to the right or to the left; [`SortOrder::DEFAULT`] is between
    /// the last and the first.
    pub(super) fn moved(self, to_the_right: bool, shown: &[Column]) -> Self {
        let count = shown.len() + 1;
        let at = |by| shown.iter().position(|column| *column == by).map_or(0, |at| at + 1);
        let at = self.by.map_or(0, at);
        let next = (at + if to_the_right { 1 } else { count - 1 }) % count;
        Self { by: next.checked_sub(1).and_then(|at| shown.get(at).copied()), is_inverted: false }
    }

    /// Sorts backends; equal ones stay in the order of the configuration.
    pub(super) fn sort(self, backends: &mut [&Backend]) {
        backends.sort_by(|a, b| {
            let order = match self.by {
                Some(column) => column.compare(a, b),
                None => trouble(a).cmp(&trouble(b)).then(Column::Rate.compare(a, b)),
            };
            if self.is_inverted { order.reverse() } else { order }
        });
    }
}

/// How bad a state is; the worst is the lowest. A drained backend was chosen by an operator, failing
/// requests were not.
fn trouble(backend: &Backend) -> u8 {
    match backend.state.as_str() {
        "ejected" => 0,
        "unhealthy" => 1,
        "half_open" => 2,
        "full" => 3,
        "draining" => 5,
        _ if backend.error_rate > 0.0 => 4,
        _ => 6,
    }
}

/// Backends that are named by their address come first, in the order of their addresses.
fn by_name(backend: &Backend) -> (Option<&str>, &Address) {
    let is_address = backend.name == backend.address.to_string();
    ((!is_address).then_some(&*backend.name), &backend.address)
}

fn longest(a: Option<f64>, b: Option<f64>) -> Ordering {
    b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0))
}

/// The latest change comes first.
fn newest(backend: &Backend) -> u64 {
    backend.since_ms.unwrap_or(u64::MAX)
}

fn ago(backend: &Backend) -> (bool, u64) {
    backend.check.as_ref().map_or((true, u64::MAX), |check| (check.passed, check.ago_ms))
}
