//! The columns of the live table: their names, widths and values, and the order that each gives.

use std::cmp::Ordering;

use ratatui::layout::{Alignment, Constraint};

use crate::admin::view::{Backend, Status};
use crate::backend::Address;
use crate::cli::figures;

/// The columns of a backend, in this order; if there is no room, the last ones are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Pool,
    Backend,
    State,
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
    const ALL: [Self; 12] = [
        Self::Pool,
        Self::Backend,
        Self::State,
        Self::Active,
        Self::Rate,
        Self::Errors,
        Self::Share,
        Self::P50,
        Self::P99,
        Self::Weight,
        Self::Check,
        Self::Reason,
    ];

    /// The columns that fit into this many characters.
    pub(super) fn shown(room: u16, widths: Widths) -> &'static [Self] {
        let mut taken = 0;
        let is_too_many = |column: &Self| {
            taken += column.least(widths) + u16::from(taken > 0);
            taken > room
        };
        let fitting = Self::ALL.iter().position(is_too_many).unwrap_or(Self::ALL.len());
        &Self::ALL[..fitting]
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pool => "POOL",
            Self::Backend => "BACKEND",
            Self::State => "STATE",
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
            Self::State => 9,
            Self::Active => 4,
            Self::Rate | Self::Errors | Self::Share | Self::P50 | Self::P99 => 6,
            Self::Weight => 8,
            Self::Check => 15,
            Self::Reason => 20,
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
            Self::Pool | Self::Backend | Self::State | Self::Check | Self::Reason => {
                Alignment::Left
            }
            _ => Alignment::Right,
        }
    }

    pub(super) fn value(self, backend: &Backend) -> String {
        match self {
            Self::Pool => backend.pool.clone(),
            Self::Backend => backend.label(),
            Self::State => figures::state(&backend.state),
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

/// The widths of the names, within limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    pool: u16,
    backend: u16,
}

impl Widths {
    pub(super) fn of(status: &Status) -> Self {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| {
            u16::try_from(lengths.max().unwrap_or(0)).unwrap_or(u16::MAX)
        };
        let pools = || status.pools.iter();
        let backends = pools().flat_map(|pool| &pool.backends);
        let pool = longest(&mut pools().map(|pool| pool.name.chars().count()));
        let backend = longest(&mut backends.map(|backend| backend.label().len()));
        Self { pool: pool.clamp(4, 16), backend: backend.clamp(13, 47) }
    }
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

fn ago(backend: &Backend) -> (bool, u64) {
    backend.check.as_ref().map_or((true, u64::MAX), |check| (check.passed, check.ago_ms))
}
