//! The state of `lb top`, without a terminal, and its reaction to keys and answers.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::columns::{Column, SortOrder, Widths};
use crate::admin::view::{Backend, Pool, Status};
use crate::backend::Address;
use crate::cli::{
    client::{Change, ChangeKind},
    figures,
};

/// The number of lines of a page.
const PAGE: usize = 10;

/// The identity of a backend, independent of its line.
pub(super) type BackendId = (String, Address);

/// The mode, which determines the meaning of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Look, move, and begin a change.
    Watch,
    /// Write the filter.
    Filter,
    /// Confirm or drop this change, knowing what the pool loses by it.
    Confirm(Change, Option<String>),
    /// Read what the keys do.
    Help,
}

/// The message in the line below the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) is_error: bool,
}

/// The action that a key causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Draw the screen.
    Draw,
    /// Make this change.
    Change(Change),
    /// End the program.
    Quit,
}

/// Everything on the screen.
#[derive(Debug)]
pub(super) struct State {
    /// The address of the admin listener, for the last line.
    pub(super) at: String,
    /// The last answer.
    pub(super) status: Status,
    /// How long there has been no answer, and why; `None` while the process answers.
    pub(super) unreachable: Option<(Duration, String)>,
    pub(super) order: SortOrder,
    pub(super) filter: String,
    pub(super) mode: Mode,
    pub(super) note: Option<Note>,
    /// Columns that the last picture had room for.
    pub(super) columns: Vec<Column>,
    /// The first line of the table that is on the screen.
    pub(super) offset: usize,
    selected: Option<BackendId>,
}

impl State {
    pub(super) fn new(at: String, status: Status) -> Self {
        let columns = Column::shown(80, Widths::of(&status, 80));
        let order = SortOrder::DEFAULT;
        let (filter, mode) = (String::new(), Mode::Watch);
        let state = Self {
            at,
            status,
            unreachable: None,
            order,
            filter,
            mode,
            note: None,
            columns,
            offset: 0,
            selected: None,
        };
        let first = state.rows().first().map(|backend| id(backend));
        Self { selected: first, ..state }
    }

    /// The backends that the filter lets through, sorted.
    pub(super) fn rows(&self) -> Vec<&Backend> {
        let filter = self.filter.to_lowercase();
        let passes = |backend: &&Backend| {
            filter.is_empty()
                || [&backend.pool, &backend.label(), &figures::state(&backend.state)]
                    .iter()
                    .any(|text| text.to_lowercase().contains(&filter))
        };
        let pools = self.status.pools.iter();
        let mut rows: Vec<_> = pools.flat_map(|pool| &pool.backends).filter(passes).collect();
        self.order.sort(&mut rows);
        rows
    }

    /// The line of the selected backend; the first one if it is not there.
    pub(super) fn line(&self, rows: &[&Backend]) -> usize {
        let is_selected = |backend: &&Backend| self.selected.as_ref() == Some(&id(backend));
        rows.iter().position(is_selected).unwrap_or(0)
    }

    /// Takes a new answer, and says which backend has changed its state since the last one.
    pub(super) fn learn(&mut self, status: Status) {
        if self.unreachable.take().is_some() {
            let is_same = self.status.pid == status.pid;
            let who = if is_same { "lb" } else { "another process" };
            self.note(&format!("{who} answers again"), false);
        } else if self.status.pid != status.pid {
            self.note(&format!("process {} has taken over", status.pid), false);
        } else if let Some(event) = event(&self.status, &status) {
            self.note(&event, false);
        }
        self.status = status;
        if self.selected.is_none() {
            self.selected = self.rows().first().map(|backend| id(backend));
        }
    }

    /// Records that there was no answer. `since` is the time since the last one.
    pub(super) fn miss(&mut self, since: Duration, why: String) {
        self.unreachable = Some((since, why));
    }

    /// Shows the result of a change.
    pub(super) fn done(&mut self, change: &Change, outcome: Result<Backend, String>) {
        match outcome {
            Ok(backend) => {
                let state = figures::state(&backend.state);
                let (word, label, pool) = (change.kind.word(), backend.label(), &backend.pool);
                self.note(&format!("{word} {label} of {pool}: done, {state}"), false);
                let pools = self.status.pools.iter_mut().flat_map(|pool| &mut pool.backends);
                for known in pools.filter(|known| id(known) == id(&backend)) {
                    *known = backend.clone();
                }
            }
            Err(reason) => self.note(&format!("{} failed: {reason}", change.kind.word()), true),
        }
    }

    /// Handles a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Draw;
        }
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if has_control {
            let is_end = key.code == KeyCode::Char('c');
            return if is_end { Action::Quit } else { Action::Draw };
        }
        match self.mode.clone() {
            Mode::Watch => self.watch(key.code),
            Mode::Filter => self.write_filter(key.code),
            Mode::Confirm(change, _) => {
                self.mode = Mode::Watch;
                match key.code {
                    KeyCode::Char('y' | 'Y') | KeyCode::Enter => Action::Change(change),
                    _ => {
                        self.note("not done", false);
                        Action::Draw
                    }
                }
            }
            Mode::Help => {
                self.mode = Mode::Watch;
                Action::Draw
            }
        }
    }

    fn watch(&mut self, key: KeyCode) -> Action {
        match key {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Right => self.order = self.order.moved(true, &self.columns),
            KeyCode::Left => self.order = self.order.moved(false, &self.columns),
            KeyCode::Char('i') => self.order.is_inverted = !self.order.is_inverted,
            KeyCode::Up | KeyCode::Char('k') => self.select(|line| line.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(|line| line + 1),
            KeyCode::PageUp => self.select(|line| line.saturating_sub(PAGE)),
            KeyCode::PageDown => self.select(|line| line + PAGE),
            KeyCode::Home => self.select(|_| 0),
            KeyCode::End => self.select(|_| usize::MAX),
            KeyCode::Char('d') => self.propose(|backend| {
                let is_drained = backend.state == "draining";
                if is_drained { ChangeKind::Undrain } else { ChangeKind::Drain }
            }),
            KeyCode::Char('e') => self.propose(|_| ChangeKind::Eject(None)),
            KeyCode::Char('r') => self.propose(|_| ChangeKind::Readmit),
            _ => {}
        }
        Action::Draw
    }

    fn write_filter(&mut self, key: KeyCode) -> Action {
        match key {
            KeyCode::Enter => self.mode = Mode::Watch,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Watch;
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) => self.filter.push(c),
            _ => {}
        }
        Action::Draw
    }

    fn select(&mut self, step: impl Fn(usize) -> usize) {
        let rows = self.rows();
        let line = step(self.line(&rows)).min(rows.len().saturating_sub(1));
        self.selected = rows.get(line).map(|backend| id(backend));
    }

    /// Proposes a change of the backend that is selected when the key is pressed, even if the table
    /// moves before the confirmation.
    fn propose(&mut self, kind: impl Fn(&Backend) -> ChangeKind) {
        let rows = self.rows();
        let Some(backend) = rows.get(self.line(&rows)) else { return };
        let (pool, kind) = (backend.pool.clone(), kind(backend));
        let change = Change { pool, backend: backend.address.to_string(), kind };
        let takes_out = matches!(change.kind, ChangeKind::Drain | ChangeKind::Eject(_));
        let loss = takes_out.then(|| figures::loss(backend)).flatten();
        self.selected = Some(id(backend));
        self.mode = Mode::Confirm(change, loss);
    }

    fn note(&mut self, text: &str, is_error: bool) {
        self.note = Some(Note { text: text.to_owned(), is_error });
    }
}

fn id(backend: &Backend) -> BackendId {
    (backend.pool.clone(), backend.address.clone())
}

/// The first change of a state, and how many more there were.
fn event(before: &Status, after: &Status) -> Option<String> {
    let backends = |status: &'_ Status| -> Vec<(BackendId, Backend)> {
        let all = status.pools.iter().flat_map(|pool: &Pool| &pool.backends);
        all.map(|backend| (id(backend), backend.clone())).collect()
    };
    let before: std::collections::HashMap<_, _> = backends(before).into_iter().collect();
    let mut changes = backends(after).into_iter().filter_map(|(id, backend)| {
        let was = &before.get(&id)?.state;
        // A change between eligible and full is not reported.
        let is_news = *was != backend.state && ![was, &backend.state].contains(&&"full".to_owned());
        let (label, pool) = (backend.label(), &backend.pool);
        let (from, to) = (figures::state(was), figures::state(&backend.state));
        let why = backend.reason.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        is_news.then(|| format!("{label} of {pool}: {from} → {to}{why}"))
    });
    let first = changes.next()?;
    Some(match changes.count() {
        0 => first,
        more => format!("{first}, and {more} more"),
    })
}
