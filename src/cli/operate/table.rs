//! `lb status` as text: the process in a line, then each pool with its backends in columns.
//!
//! Only the last column has text of any length, so that the others keep their place; lines are
//! never wrapped, so that `grep` shows whole ones.

use anstyle::{AnsiColor, Style};

use crate::admin::view::{Backend, Pool, Status};
use crate::cli::figures;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();
/// The gap between two columns.
const GAP: &str = "  ";

/// A column's name, and on which side its values stand.
type Column = (&'static str, Side);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

const COLUMNS: [Column; 12] = [
    ("BACKEND", Side::Left),
    ("STATE", Side::Left),
    ("FOR", Side::Left),
    ("WEIGHT", Side::Right),
    ("ACT", Side::Right),
    ("REQ/S", Side::Right),
    ("ERR/S", Side::Right),
    ("SHARE", Side::Right),
    ("P50", Side::Right),
    ("P99", Side::Right),
    ("CHECK", Side::Left),
    ("REASON", Side::Left),
];

/// A value of a table.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

/// A line of a table.
type Row = [Cell; COLUMNS.len()];

/// The whole text, with colours.
pub(super) fn status(status: &Status) -> String {
    let mut text = format!("{}\n", process(status));
    if let Some(failed) = &status.failed_reload {
        text.push_str(&painted(colour(AnsiColor::Red), &figures::failed_reload(failed)));
        text.push('\n');
    }
    for pool in &status.pools {
        text.push_str(&format!("\n{}\n{}", heading(pool), backends(pool)));
    }
    text
}

fn process(status: &Status) -> String {
    let Status { version, pid, generation, .. } = status;
    let up = figures::span(status.uptime_ms);
    let ready = match &status.unready {
        Some(reason) => painted(colour(AnsiColor::Red), &format!("not ready: {reason}")),
        None if status.ready => painted(colour(AnsiColor::Green), "ready"),
        None => painted(colour(AnsiColor::Red), "not ready"),
    };
    let (in_flight, connections) = (status.in_flight, status.connections);
    let connections = figures::count(connections, "client connection");
    format!(
        "lb {version}, process {pid}, up {up}, generation {generation}: {ready}, {in_flight} in \
         flight, {connections}"
    )
}

fn heading(pool: &Pool) -> String {
    let name = painted(BOLD, &pool.name);
    let errors = format!("{} err/s", figures::rate(pool.error_rate));
    let errors =
        if pool.error_rate > 0.0 { painted(colour(AnsiColor::Red), &errors) } else { errors };
    let parts = [
        name,
        pool.algorithm.clone(),
        format!("{} req/s", figures::rate(pool.rate)),
        errors,
        format!("p50 {}", figures::latency(pool.latency.p50_ms)),
        format!("p99 {}", figures::latency(pool.latency.p99_ms)),
        format!("active {}", pool.active),
        format!("queue {}/{}", pool.queue.length, pool.queue.size),
    ];
    let mut line = parts.join(GAP);
    if pool.panic {
        let panic = "panic: too many backends are unhealthy, health checks are ignored";
        line.push_str(&format!("{GAP}{}", painted(colour(AnsiColor::Red), panic)));
    }
    line
}

fn backends(pool: &Pool) -> String {
    let mut rows = vec![COLUMNS.map(|(name, _)| Cell { text: name.to_owned(), style: DIM })];
    rows.extend(pool.backends.iter().map(row));
    // A heading over an empty column would only make the lines longer.
    if let [head, of_backends @ ..] = rows.as_mut_slice()
        && of_backends.iter().all(|row| row.last().is_some_and(|cell| cell.text.is_empty()))
        && let Some(name) = head.last_mut()
    {
        name.text.clear();
    }
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|index| rows.iter().map(|row| width(&row[index].text)).max().unwrap_or(0))
        .collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn row(backend: &Backend) -> Row {
    let in_state = style(&backend.state);
    let plain = |text: String| Cell { text, style: PLAIN };
    let is_failing = backend.error_rate > 0.0;
    let has_passed = backend.check.as_ref().is_none_or(|check| check.passed);
    let red_if = |is_red: bool| if is_red { colour(AnsiColor::Red) } else { PLAIN };
    [
        plain(backend.label()),
        Cell { text: figures::state(&backend.state), style: in_state },
        plain(figures::in_state_for(backend)),
        plain(figures::weight(backend)),
        plain(backend.active.to_string()),
        plain(figures::rate(backend.rate)),
        Cell { text: figures::rate(backend.error_rate), style: red_if(is_failing) },
        plain(figures::share(backend.share)),
        plain(figures::latency(backend.latency.p50_ms)),
        plain(figures::latency(backend.latency.p99_ms)),
        Cell { text: figures::check(backend), style: red_if(!has_passed) },
        plain(figures::remarks(backend)),
    ]
}

fn line(row: &Row, widths: &[usize]) -> String {
    let mut line = String::new();
    // Trailing spaces are cut.
    let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
    for (index, ((cell, (_, side)), full)) in row.iter().zip(COLUMNS).zip(widths).enumerate() {
        if index > last {
            break;
        }
        line.push_str(GAP);
        let fill = " ".repeat(full.saturating_sub(width(&cell.text)));
        let text = painted(cell.style, &cell.text);
        match side {
            Side::Left if index == last => line.push_str(&text),
            Side::Left => line.push_str(&format!("{text}{fill}")),
            Side::Right => line.push_str(&format!("{fill}{text}")),
        }
    }
    line.push('\n');
    line
}

/// The style of a state.
pub(super) fn style(state: &str) -> Style {
    match state {
        "eligible" => colour(AnsiColor::Green),
        "unhealthy" | "ejected" => colour(AnsiColor::Red),
        _ => colour(AnsiColor::Yellow),
    }
}

fn colour(colour: AnsiColor) -> Style {
    colour.on_default()
}

/// A text between the escape codes of its style. `anstream` removes them where they are not wanted.
pub(super) fn painted(style: Style, text: &str) -> String {
    if style.is_plain() || text.is_empty() {
        return text.to_owned();
    }
    format!("{style}{text}{style:#}")
}

fn width(text: &str) -> usize {
    text.chars().count()
}
