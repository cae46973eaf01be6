//! `lb top`: all backends live in the terminal, and changes with a key.
//!
//! [`state::State`] is the state after keys and answers and [`draw`] its picture; here are the
//! terminal, the clock and the connection to the process. All events come to one loop, so that a
//! slow answer delays neither a key nor a signal.

mod columns;
mod draw;
mod state;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal},
    thread,
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::client::{AdminClient, Change, ClientError};
use crate::admin::view::{Backend, Status};
use crate::clock;
use state::{Action, State};

/// The time between two pictures without an event.
const PERIOD: Duration = Duration::from_secs(1);

/// An answer that has come.
#[derive(Debug)]
enum Completed {
    Status(Result<Box<Status>, ClientError>),
    Change(Change, Result<Box<Backend>, ClientError>),
}

/// Runs until the user quits. Returns an empty text, because nothing is printed after that.
///
/// # Errors
///
/// A message, if there is no terminal or the process does not answer at the start.
pub(super) fn run(client: AdminClient) -> Result<String, String> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err("lb top needs a terminal (lb status prints the same once)".to_owned());
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let status = runtime.block_on(client.status()).map_err(|error| error.to_string())?;
    let state = State::new(client.at(), status);
    // From here on a panic restores the terminal too.
    let mut terminal = ratatui::try_init().map_err(|error| in_terminal(&error))?;
    let ended = runtime.block_on(watch(&mut terminal, state, client));
    let restored = ratatui::try_restore();
    ended.and(restored).map(|()| String::new()).map_err(|error| in_terminal(&error))
}

fn in_terminal(error: &io::Error) -> String {
    format!("the terminal cannot be used: {error}")
}

async fn watch(
    terminal: &mut DefaultTerminal,
    mut state: State,
    client: AdminClient,
) -> io::Result<()> {
    let mut end = EndSignals::listen()?;
    let mut events = read_events()?;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = Requests { client, tasks: JoinSet::new(), has_status_under_way: false };
    let mut last_answer = clock::now();
    loop {
        terminal.draw(|frame| draw::draw(frame, &mut state))?;
        tokio::select! {
            () = end.comes() => return Ok(()),
            event = events.recv() => match event {
                Some(Ok(Event::Key(key))) => match state.press(key) {
                    Action::Quit => return Ok(()),
                    Action::Change(change) => asked.change(change),
                    Action::Draw => {}
                },
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            _ = ticks.tick() => asked.status(),
            Some(answered) = asked.tasks.join_next() => match answered.map_err(io::Error::other)? {
                Completed::Status(answer) => {
                    asked.has_status_under_way = false;
                    match answer {
                        Ok(status) => {
                            last_answer = clock::now();
                            state.learn(*status);
                        }
                        Err(error) => state.miss(clock::now().saturating_duration_since(last_answer), error.to_string()),
                    }
                }
                Completed::Change(change, outcome) => {
                    state.done(&change, outcome.map(|it| *it).map_err(|error| error.to_string()));
                    asked.status();
                }
            },
        }
    }
}

/// The requests that are under way.
struct Requests {
    client: AdminClient,
    tasks: JoinSet<Completed>,
    has_status_under_way: bool,
}

impl Requests {
    /// Asks for the status unless an answer is due: a slow process is not asked faster than it answers.
    fn status(&mut self) {
        if !std::mem::replace(&mut self.has_status_under_way, true) {
            let client = self.client.clone();
            self.tasks.spawn(async move { Completed::Status(client.status().await.map(Box::new)) });
        }
    }

    fn change(&mut self, change: Change) {
        let client = self.client.clone();
        self.tasks.spawn(async move {
            let outcome = client.change(&change).await.map(Box::new);
            Completed::Change(change, outcome)
        });
    }
}

/// The signals that end the program.
struct EndSignals([Signal; 3]);

impl EndSignals {
    fn listen() -> io::Result<Self> {
        let listen = |kind| signal(kind);
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn comes(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Keys and changes of the size, read on a thread of its own that ends with the process.
fn read_events() -> io::Result<mpsc::UnboundedReceiver<io::Result<Event>>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let read = move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.send(event).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read)?;
    Ok(receiver)
}
