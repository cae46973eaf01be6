//! The screen after given answers and keys.

use std::time::Duration;

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::Color,
};
use serde_json::{Value, json};

use super::{
    columns::Column,
    draw::draw,
    state::{Action, Mode, State},
};
use crate::admin::view::{Backend, FailedReload, Status};
use crate::cli::{
    client::{Change, ChangeKind},
    samples::{all_sorts, backend, status},
};

const AT: &str = "http://127.0.0.1:9900";

fn state() -> State {
    State::new(AT.to_owned(), status(&all_sorts()))
}

fn press(state: &mut State, keys: &[KeyCode]) -> Action {
    keys.iter().map(|key| state.press((*key).into())).last().unwrap()
}

fn write(state: &mut State, text: &str) {
    for c in text.chars() {
        assert_eq!(state.press(KeyCode::Char(c).into()), Action::Draw);
    }
}

fn terminal(state: &mut State, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    terminal
}

/// The lines of the screen, without the spaces behind them.
fn lines(state: &mut State, width: u16, height: u16) -> Vec<String> {
    let terminal = terminal(state, width, height);
    let buffer = terminal.backend().buffer();
    let symbols: Vec<_> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
    symbols.chunks(width.into()).map(|line| line.concat().trim_end().to_owned()).collect()
}

fn screen(state: &mut State) -> Vec<String> {
    lines(state, 80, 24)
}

/// The last part of the addresses, in the order of the lines.
fn order(state: &State) -> Vec<u8> {
    let last = |backend: &&Backend| match backend.address.tcp().unwrap().ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    };
    state.rows().iter().map(last).collect()
}

fn selected(state: &State) -> String {
    let rows = state.rows();
    rows[state.line(&rows)].address.to_string()
}

#[test]
fn everything_that_matters_is_on_a_small_screen() {
    let lines = screen(&mut state());
    let expected = [
        "ready  lb 0.1.0  process 4711  up 3h 12m  generation 2",
        "120 req/s  0.1 err/s  2 of 4 backends out  4 in flight  40 clients  1 pool",
        "",
        "POOL BACKEND       STATE     FOR   ACT  REQ/S  ERR/S  SHARE REASON",
        "web  10.0.0.2:9001 ejected   2m      0      0    0.2     0% refused connections,",
        "web  10.0.0.4:9001 half-open 0s      0     60      0    50% 5 failures in a row,",
        "web  10.0.0.1:9001 eligible  1d      3     60      0    50%",
        "web  10.0.0.3:9001 eligible          1     60      0    50% by an operator: weig",
        "",
    ];
    assert_eq!(lines[..expected.len()], expected, "\n{}", lines.join("\n"));
    let expected = [
        "10.0.0.2:9001: refused connections, until checks pass; check failed 1s ago,",
        "weight 1",
        "http://127.0.0.1:9900",
        "? help  q quit  d drain  e eject  r readmit  / filter  ←→ sort  ↑↓ select",
    ];
    assert_eq!(lines[20..], expected, "\n{}", lines.join("\n"));
}

/// A name with its address is long; the name alone leaves room for the reason.
#[test]
fn a_narrow_screen_keeps_the_state_and_the_reason() {
    let named = |port: u16, changes: Value| {
        let mut one = json!({
            "name": format!("localhost:{port}"), "address": format!("127.0.0.1:{port}"),
            "state": "ejected", "since_ms": 153_000, "reason": "it answered 503",
            "until": "2026-11-21T12:00:28Z", "for_ms": 27_000,
        });
        for (key, value) in changes.as_object().unwrap() {
            one[key] = value.clone();
        }
        backend(one)
    };
    let mut all = all_sorts();
    all.push(named(9005, json!({})));
    let mut state = State::new(AT.to_owned(), status(&all));
    let shown = lines(&mut state, 60, 20);
    let expected = [
        "POOL BACKEND        STATE     FOR   ACT REASON",
        "web  localhost:9005 ejected   2m      0 it answered 503, 27s",
        "web  10.0.0.2:9001  ejected   2m      0 refused connections,",
    ];
    assert_eq!(shown[3..6], expected, "\n{}", shown.join("\n"));
    let text = shown[15..18].join(" ");
    assert!(text.contains("it answered 503, 27s left;"), "{}", shown.join("\n"));
}

#[test]
fn numbers_have_the_room_while_there_is_no_reason() {
    let mut state = State::new(AT.to_owned(), status(&[backend(json!({}))]));
    let shown = screen(&mut state);
    assert!(shown[3].ends_with(" P50    P99"), "{}", shown.join("\n"));
    assert!(!shown[3].contains("REASON"), "{}", shown.join("\n"));
}

#[test]
fn a_reload_that_has_failed_is_said_above_the_table() {
    let mut failing = status(&all_sorts());
    failing.failed_reload = Some(FailedReload {
        time: "2026-11-21T11:55:00Z".to_owned(),
        ago_ms: 300_000,
        failures: 1,
        problems: vec!["lb.yaml:3: wrong".to_owned()],
    });
    let mut state = State::new(AT.to_owned(), failing);
    assert_eq!(screen(&mut state)[2], "the last reload failed 5m 0s ago: lb.yaml:3: wrong");
}

#[test]
fn what_the_pool_loses_is_said_before_the_confirmation() {
    let last = backend(json!({ "last_serving": "backend" }));
    for (key, word) in [('d', "drain"), ('e', "eject")] {
        let mut state = State::new(AT.to_owned(), status(std::slice::from_ref(&last)));
        press(&mut state, &[KeyCode::Char(key)]);
        let shown = screen(&mut state);
        let warning = shown[20..22].join(" ");
        let says =
            "It is the last eligible backend of web: without it, requests to this pool fail.";
        assert!(warning.contains(says), "{}", shown.join("\n"));
        assert!(shown[22].starts_with(word), "{}", shown.join("\n"));
    }
    let mut state = State::new(AT.to_owned(), status(&[last]));
    press(&mut state, &[KeyCode::Char('r')]);
    assert!(!screen(&mut state).join("\n").contains("the last eligible"));
}

#[test]
fn a_wide_screen_has_the_reasons_in_the_table() {
    let lines = lines(&mut state(), 160, 24);
    assert!(lines[3].contains("WEIGHT") && lines[3].contains("REASON"), "{}", lines.join("\n"));
    assert!(lines[4].contains("refused connections, until checks pass"), "{}", lines.join("\n"));
}

#[test]
fn no_size_is_too_small_to_draw() {
    for (width, height) in [(1, 1), (10, 3), (40, 8), (79, 23), (300, 100)] {
        lines(&mut state(), width, height);
    }
    let mut empty = State::new(AT.to_owned(), status(&[]));
    screen(&mut empty);
    let keys = [KeyCode::Down, KeyCode::Char('d'), KeyCode::End];
    assert_eq!(press(&mut empty, &keys), Action::Draw);
}

#[test]
fn trouble_comes_first_and_columns_sort_the_table() {
    let mut state = state();
    assert_eq!(order(&state), [2, 4, 1, 3]);
    // POOL, BACKEND.
    press(&mut state, &[KeyCode::Right, KeyCode::Right]);
    assert_eq!((state.order.by, order(&state)), (Some(Column::Backend), vec![1, 2, 3, 4]));
    assert!(screen(&mut state)[3].contains("BACKEND▾"));
    press(&mut state, &[KeyCode::Char('i')]);
    assert_eq!(order(&state), [4, 3, 2, 1]);
    assert!(screen(&mut state)[3].contains("BACKEND▴"));
    // STATE, FOR, ACT.
    press(&mut state, &[KeyCode::Right; 3]);
    assert_eq!((state.order.by, order(&state)), (Some(Column::Active), vec![1, 3, 2, 4]));
    press(&mut state, &[KeyCode::Left; 5]);
    assert_eq!((state.order.by, order(&state)), (None, vec![2, 4, 1, 3]));
    press(&mut state, &[KeyCode::Left]);
    assert_eq!(state.order.by, Some(Column::Reason), "the last that is on the screen");
}

#[test]
fn every_column_sorts_by_its_values() {
    let mut state = state();
    lines(&mut state, 200, 24);
    for (column, first) in [
        (Column::State, 2),
        (Column::For, 4),
        (Column::Errors, 2),
        (Column::Rate, 1),
        (Column::P99, 1),
        (Column::Weight, 3),
        (Column::Check, 2),
        (Column::Reason, 4),
    ] {
        while state.order.by != Some(column) {
            press(&mut state, &[KeyCode::Right]);
        }
        assert_eq!(order(&state)[0], first, "{column:?}");
    }
}

/// The table moves each second, and the selection must not slip to another backend.
#[test]
fn the_selection_stays_with_its_backend() {
    let mut state = state();
    press(&mut state, &[KeyCode::Down, KeyCode::Down]);
    assert_eq!(selected(&state), "10.0.0.1:9001");
    let mut all = all_sorts();
    all[0]["state"] = json!("ejected");
    state.learn(status(&all));
    assert_eq!(order(&state), [1, 2, 4, 3]);
    assert_eq!(selected(&state), "10.0.0.1:9001");
    press(&mut state, &[KeyCode::End]);
    assert_eq!(selected(&state), "10.0.0.3:9001");
    press(&mut state, &[KeyCode::Down, KeyCode::PageDown]);
    assert_eq!(selected(&state), "10.0.0.3:9001");
    press(&mut state, &[KeyCode::PageUp]);
    assert_eq!(selected(&state), "10.0.0.1:9001");
}

#[test]
fn two_hundred_backends_can_be_reached() {
    let many: Vec<_> = (0..200)
        .map(|number| backend(json!({ "address": format!("10.0.1.{number}:80") })))
        .collect();
    let mut state = State::new(AT.to_owned(), status(&many));
    press(&mut state, &[KeyCode::End]);
    let shown = screen(&mut state);
    assert!(shown[20].contains("10.0.1.199:80"), "{}", shown.join("\n"));
    press(&mut state, &[KeyCode::Home]);
    assert!(screen(&mut state)[4].contains("10.0.1.0:80"));
}

#[test]
fn a_filter_keeps_matching_backends() {
    let mut state = state();
    assert_eq!(press(&mut state, &[KeyCode::Char('/')]), Action::Draw);
    write(&mut state, "HALFq");
    assert_eq!(screen(&mut state)[22], "/HALFq_");
    assert_eq!(state.rows().len(), 0);
    press(&mut state, &[KeyCode::Backspace]);
    write(&mut state, "-");
    press(&mut state, &[KeyCode::Enter]);
    assert_eq!(order(&state), [4]);
    assert!(screen(&mut state)[23].starts_with("/HALF-  "), "it is seen that it is not all");
    press(&mut state, &[KeyCode::Esc]);
    assert_eq!(order(&state).len(), 4);
}

fn change(backend: &str, kind: ChangeKind) -> Action {
    Action::Change(Change { pool: "web".to_owned(), backend: backend.to_owned(), kind })
}

#[test]
fn a_change_is_made_when_it_is_confirmed() {
    let mut state = state();
    let key = KeyCode::Char;
    assert_eq!(press(&mut state, &[KeyCode::Down, key('d')]), Action::Draw);
    assert_eq!(screen(&mut state)[22], "drain 10.0.0.4:9001 of web?  y n");
    // The table may change meanwhile.
    state.learn(status(&all_sorts()[1..]));
    assert_eq!(press(&mut state, &[key('y')]), change("10.0.0.4:9001", ChangeKind::Drain));
    assert_eq!(state.mode, Mode::Watch);
    for (letter, kind) in [('e', ChangeKind::Eject(None)), ('r', ChangeKind::Readmit)] {
        press(&mut state, &[key(letter)]);
        assert_eq!(press(&mut state, &[KeyCode::Enter]), change("10.0.0.4:9001", kind));
    }
}

#[test]
fn a_change_that_is_not_confirmed_is_not_made() {
    for key in [KeyCode::Char('n'), KeyCode::Esc, KeyCode::Char('d'), KeyCode::Char('q')] {
        let mut state = state();
        press(&mut state, &[KeyCode::Char('d')]);
        assert_eq!(press(&mut state, &[key]), Action::Draw, "{key:?}");
        assert_eq!(state.mode, Mode::Watch);
        assert_eq!(screen(&mut state)[22], "not done");
    }
}

#[test]
fn a_draining_backend_is_undrained_by_the_same_key() {
    let drained = backend(json!({ "state": "draining" }));
    let mut state = State::new(AT.to_owned(), status(&[drained]));
    press(&mut state, &[KeyCode::Char('d')]);
    let action = press(&mut state, &[KeyCode::Char('y')]);
    assert_eq!(action, change("10.0.0.1:9001", ChangeKind::Undrain));
}

#[test]
fn the_result_of_a_change_is_reported_and_shown() {
    let mut state = state();
    let asked = Change {
        pool: "web".to_owned(),
        backend: "10.0.0.1:9001".to_owned(),
        kind: ChangeKind::Drain,
    };
    let drained = backend(json!({ "state": "draining" }));
    state.done(&asked, Ok(serde_json::from_value(drained).unwrap()));
    let shown = screen(&mut state);
    assert_eq!(shown[22], "drain 10.0.0.1:9001 of web: done, draining");
    let line = shown.iter().find(|line| line.starts_with("web  10.0.0.1")).unwrap();
    assert!(line.contains("draining"), "{line}");
    state.done(&asked, Err("it is the last one".to_owned()));
    assert_eq!(screen(&mut state)[22], "drain failed: it is the last one");
}

#[test]
fn a_change_of_a_state_is_reported() {
    let mut state = state();
    let mut all = all_sorts();
    all[1]["state"] = json!("eligible");
    all[0]["state"] = json!("full");
    state.learn(status(&all));
    assert_eq!(
        screen(&mut state)[22],
        "10.0.0.2:9001 of web: ejected → eligible (refused connections)"
    );
    all[2]["state"] = json!("unhealthy");
    all[3]["state"] = json!("ejected");
    state.learn(status(&all));
    let note = state.note.clone().unwrap().text;
    assert_eq!(note, "10.0.0.3:9001 of web: eligible → unhealthy, and 1 more");
}

#[test]
fn a_process_that_does_not_answer_is_reported_until_it_does() {
    let mut state = state();
    state.miss(Duration::from_secs(3), format!("no connection to {AT}: connection refused"));
    let shown = screen(&mut state);
    assert!(shown[0].starts_with("no answer for 3s: trying again  lb "), "{}", shown[0]);
    assert_eq!(shown[22], "no connection to http://127.0.0.1:9900: connection refused");
    assert!(shown[4].contains("10.0.0.2:9001"), "what was known last is still there");
    let again = |pid: u32| Status { pid, ..status(&all_sorts()) };
    state.learn(again(4711));
    let shown = screen(&mut state);
    assert!(shown[0].starts_with("ready  lb "));
    assert_eq!(shown[22], "lb answers again");
    state.learn(again(4712));
    assert_eq!(screen(&mut state)[22], "process 4712 has taken over");
    state.miss(Duration::from_secs(1), "x".to_owned());
    state.learn(again(4713));
    assert_eq!(screen(&mut state)[22], "another process answers again");
}

#[test]
fn help_explains_the_keys_and_any_key_closes_it() {
    let mut state = state();
    press(&mut state, &[KeyCode::Char('?')]);
    let shown = screen(&mut state).join("\n");
    assert!(shown.contains("drain it, or undrain it") && shown.contains("q              quit"));
    assert!(shown.contains("Any key closes this."), "{shown}");
    assert_eq!(press(&mut state, &[KeyCode::Char('q')]), Action::Draw);
    assert!(!screen(&mut state).join("\n").contains("Any key closes this."));
}

#[test]
fn q_and_ctrl_c_quit_in_every_mode() {
    assert_eq!(press(&mut state(), &[KeyCode::Char('q')]), Action::Quit);
    for first in [KeyCode::Char('/'), KeyCode::Char('d'), KeyCode::Char('?')] {
        let mut state = state();
        press(&mut state, &[first]);
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(state.press(key), Action::Quit, "{first:?}");
    }
}

#[test]
fn trouble_is_red() {
    let terminal = terminal(&mut state(), 80, 24);
    let buffer = terminal.backend().buffer();
    let colour = |x, y| buffer[(x, y)].style().fg;
    assert_eq!(colour(19, 4), Some(Color::Red), "ejected");
    assert_eq!(colour(19, 5), Some(Color::Yellow), "half-open");
    assert_eq!(colour(19, 6), Some(Color::Green), "eligible");
}
