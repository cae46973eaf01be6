//! The picture of a [`State`], at any size; 60 by 20 has the reason of every backend.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span, Text},
    widgets::{Cell, Clear, Paragraph, Row, Table, TableState, Wrap},
};

use super::{
    columns::{Column, Widths},
    state::{Mode, State},
};
use crate::admin::view::{Backend, Status};
use crate::cli::{client::ChangeKind, figures};

const HELP: &str = "\
 ↑ ↓ PgUp PgDn  select a backend
 ← →            sort by the next column; at first: trouble, then requests
 i              the other way round
 /              show only what has this in its pool, address or state; Esc: all
 d              drain it, or undrain it
 e              eject it: out now, for a time, as if it had failed
 r              readmit it: an ejected one is back now
 q              quit

 Rates are of the last ten seconds, latency is of the last minute.
 Changes are asked about first. They hold until they are taken back.
 Any key closes this.";

/// Draws the screen; the table takes the remaining space.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let about = about_selected(state);
    let about_height = wrapped_height(&about, frame.area().width);
    let rows = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(about_height),
        Constraint::Length(1),
        Constraint::Length(1),
    ];
    let [process, totals, reload, table, detail, note, keys] =
        Layout::vertical(rows).areas(frame.area());
    frame.render_widget(process_line(state), process);
    frame.render_widget(totals_line(state), totals);
    if let Some(failed) = &state.status.failed_reload {
        frame.render_widget(Line::from(figures::failed_reload(failed)).red(), reload);
    }
    let widths = Widths::of(&state.status, table.width);
    state.columns = Column::shown(table.width, widths);
    draw_table(frame, state, widths, table);
    let about = Text::from(about);
    let about = if let Mode::Confirm(..) = state.mode { about.red() } else { about.dim() };
    frame.render_widget(Paragraph::new(about).wrap(Wrap { trim: true }), detail);
    frame.render_widget(note_line(state), note);
    frame.render_widget(keys_line(state), keys);
    if state.mode == Mode::Help {
        let text = Text::from(HELP);
        let area = table.intersection(Rect { height: 12, ..table });
        frame.render_widget(Clear, area);
        frame.render_widget(Paragraph::new(text), area);
    }
}

fn process_line(state: &State) -> Line<'_> {
    let Status { version, pid, generation, .. } = &state.status;
    let up = figures::span(state.status.uptime_ms);
    let is_ready = state.status.ready;
    let readiness = match (&state.unreachable, &state.status.unready) {
        (Some((since, _)), _) => {
            let since = figures::span(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            format!("no answer for {since}: trying again").red().bold()
        }
        (None, Some(reason)) => format!("not ready: {reason}").red().bold(),
        (None, None) if is_ready => "ready".green().bold(),
        (None, None) => "not ready".red().bold(),
    };
    let who = format!("  lb {version}  process {pid}  up {up}  generation {generation}");
    // The reason is first, so that a small screen does not cut it off.
    Line::from(vec![readiness, who.into()])
}

fn totals_line(state: &State) -> Line<'_> {
    let status = &state.status;
    let sum = |value: fn(&crate::admin::view::Pool) -> f64| -> f64 {
        status.pools.iter().map(value).sum()
    };
    let (rate, errors) = (sum(|pool| pool.rate), sum(|pool| pool.error_rate));
    let errors_shown = format!("{} err/s", figures::rate(errors));
    let errors_shown = if errors > 0.0 { errors_shown.red() } else { errors_shown.into() };
    let backends = || status.pools.iter().flat_map(|pool| &pool.backends);
    let out = backends().filter(|backend| !is_served(&backend.state)).count();
    let out_shown = format!("{out} of {} out  ", figures::count(backends().count(), "backend"));
    let panicking = status.pools.iter().filter(|pool| pool.panic).count();
    let mut parts: Vec<Span<'_>> = vec![
        format!("{} req/s  ", figures::rate(rate)).into(),
        errors_shown,
        "  ".into(),
        if out > 0 { out_shown.yellow() } else { out_shown.into() },
        format!("{} in flight  ", status.in_flight).into(),
        format!("{}  ", figures::count(status.connections, "client")).into(),
        figures::count(status.pools.len(), "pool").into(),
    ];
    if panicking > 0 {
        parts.push(format!("  {} in panic", figures::count(panicking, "pool")).red());
    }
    Line::from(parts)
}

fn draw_table(frame: &mut Frame<'_>, state: &mut State, widths: Widths, area: Rect) {
    let columns = &state.columns;
    let rows = state.rows();
    let line = state.line(&rows);
    let header = columns.iter().map(|column| head(*column, state));
    let lines = rows.iter().map(|backend| {
        let cells = columns.iter().map(|column| {
            let text = Line::from(column.value(backend, widths)).alignment(column.alignment());
            Cell::from(text).style(style(*column, backend))
        });
        Row::new(cells)
    });
    let widths = columns.iter().map(|column| column.width(widths));
    let table = Table::new(lines, widths)
        .header(Row::new(header).style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut place = TableState::new().with_offset(state.offset);
    place.select((line < rows.len()).then_some(line));
    frame.render_stateful_widget(table, area, &mut place);
    state.offset = place.offset();
}

fn head(column: Column, state: &State) -> Cell<'static> {
    let mark = match (state.order.by == Some(column), state.order.is_inverted) {
        (false, _) => "",
        (true, false) => "▾",
        (true, true) => "▴",
    };
    let name = format!("{}{mark}", column.name());
    Cell::from(Line::from(name).alignment(column.alignment()))
}

fn style(column: Column, backend: &Backend) -> Style {
    let colour = match column {
        Column::State => match backend.state.as_str() {
            "eligible" => Color::Green,
            "unhealthy" | "ejected" => Color::Red,
            _ => Color::Yellow,
        },
        Column::Errors if backend.error_rate > 0.0 => Color::Red,
        Column::Check if backend.check.as_ref().is_some_and(|check| !check.passed) => Color::Red,
        _ => return Style::new(),
    };
    Style::new().fg(colour)
}

fn is_served(state: &str) -> bool {
    matches!(state, "eligible" | "full")
}

/// What is lost by the change that is to be confirmed, or else the facts about the selected backend that
/// the table may have no room for.
fn about_selected(state: &State) -> String {
    if let Mode::Confirm(_, loss) = &state.mode {
        return loss.as_deref().map(figures::sentence).unwrap_or_default();
    }
    let rows = state.rows();
    rows.get(state.line(&rows)).map(|backend| detail_of(backend)).unwrap_or_default()
}

/// The lines that this text needs, at most three.
fn wrapped_height(text: &str, width: u16) -> u16 {
    // Words that do not fit leave room at the end of a line.
    let length = text.chars().count() + text.chars().count() / 8;
    let lines = length.div_ceil(usize::from(width.max(1)));
    u16::try_from(lines).unwrap_or(u16::MAX).clamp(1, 3)
}

fn detail_of(backend: &Backend) -> String {
    let remarks = figures::remarks(backend);
    let remarks = if remarks.is_empty() { "nothing to remark".to_owned() } else { remarks };
    let weight = figures::weight(backend);
    let check = figures::check(backend);
    format!("{}: {remarks}; check {check}, weight {weight}", backend.label())
}

fn note_line(state: &State) -> Line<'_> {
    match (&state.mode, &state.note, &state.unreachable) {
        (Mode::Confirm(change, _), _, _) => {
            let kind = match change.kind {
                ChangeKind::Eject(_) => "eject (for a time, as if it had failed)",
                ref kind => kind.word(),
            };
            let question = format!("{kind} {} of {}?  y n", change.backend, change.pool);
            question.yellow().bold().into()
        }
        (Mode::Filter, _, _) => format!("/{}_", state.filter).yellow().into(),
        (_, _, Some((_, why))) => why.as_str().red().into(),
        (_, Some(note), _) if note.is_error => note.text.as_str().red().into(),
        (_, Some(note), _) => note.text.as_str().into(),
        (_, None, None) => state.at.as_str().dim().into(),
    }
}

fn keys_line(state: &State) -> Line<'_> {
    let keys = match state.mode {
        Mode::Watch => "? help  q quit  d drain  e eject  r readmit  / filter  ←→ sort  ↑↓ select",
        Mode::Filter => "Enter keep  Esc all",
        Mode::Confirm(..) => "y do it  any other key: leave it",
        Mode::Help => "any key: back",
    };
    if state.mode == Mode::Watch && !state.filter.is_empty() {
        return Line::from(vec![format!("/{}  ", state.filter).yellow(), keys.dim()]);
    }
    keys.dim().into()
}
