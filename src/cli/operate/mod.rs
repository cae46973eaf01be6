//! What an operator sees and changes over the admin listener: `lb status`, `lb explain`, `lb drain`
//! and its like. What they print is a pure function of the answer.

mod answer;
mod api;
pub(super) mod args;
mod ask;
pub(super) mod figures;
mod table;
#[cfg(test)]
pub(super) mod tests;
mod whom;

use std::process::ExitCode;

use serde_json::Value;
use tokio::runtime::Builder;

use super::{fail, say, top};
use crate::admin::view::{Backend, Explanation, Status};
use args::{BackendNamed, ExplainArguments, Operation, StatusArguments, Whom};

pub(super) use api::{Change, Kind};
pub(super) use ask::{AskError, Listener};

/// Does what is asked for, and prints what came of it.
pub(super) fn run(operation: &Operation) -> ExitCode {
    let done = match operation {
        Operation::Status(arguments) => status(arguments),
        Operation::Explain(arguments) => explain(arguments),
        Operation::Drain(named) => change(named, Kind::Drain),
        Operation::Undrain(named) => change(named, Kind::Undrain),
        Operation::Readmit(named) => change(named, Kind::Readmit),
        Operation::Eject(of) => change(&of.named, Kind::Eject(of.how_long.clone())),
        Operation::Weight(of) => {
            let (pool, backend) = (of.pool.clone(), of.backend.clone());
            let (print, whom) = (of.print.clone(), of.whom.clone());
            let named = BackendNamed { pool, backend, print, whom };
            change(&named, Kind::Weight(of.weight.0))
        }
        Operation::Top(whom) => whom.listener().and_then(top::run),
    };
    match done {
        Ok(text) => {
            say(anstream::stdout(), &text);
            ExitCode::SUCCESS
        }
        Err(reason) => fail(&reason),
    }
}

fn status(arguments: &StatusArguments) -> Result<String, String> {
    let (listener, mut value) =
        ask(&arguments.whom, async |listener| listener.status_as_sent().await)?;
    let mut status: Status = read(&listener, value.clone())?;
    if let Some(name) = &arguments.pool {
        if !status.pools.iter().any(|pool| pool.name == *name) {
            return Err(api::no_pool(name, &status));
        }
        status.pools.retain(|pool| pool.name == *name);
        if let Some(pools) = value.get_mut("pools").and_then(Value::as_array_mut) {
            pools.retain(|pool| pool["name"] == name.as_str());
        }
    }
    Ok(if arguments.print.json { pretty(&value) } else { table::status(&status) })
}

fn explain(arguments: &ExplainArguments) -> Result<String, String> {
    let (listener, value) =
        ask(&arguments.whom, async |listener| listener.explain(arguments).await)?;
    let explanation: Explanation = read(&listener, value.clone())?;
    let text = || answer::explanation(arguments, &explanation);
    Ok(if arguments.print.json { pretty(&value) } else { text() })
}

fn change(named: &BackendNamed, kind: Kind) -> Result<String, String> {
    let change = Change { pool: named.pool.clone(), backend: named.backend.clone(), kind };
    let (listener, value) =
        ask(&named.whom, async |listener| listener.change_as_answered(&change).await)?;
    let backend: Backend = read(&listener, value.clone())?;
    Ok(if named.print.json { pretty(&value) } else { answer::changed(&backend) })
}

/// Whom it was asked, and the answer.
fn ask(
    whom: &Whom,
    question: impl AsyncFnOnce(&Listener) -> Result<Value, AskError>,
) -> Result<(Listener, Value), String> {
    let listener = whom.listener()?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the system gives too little: {error}"))?;
    let value = runtime.block_on(question(&listener)).map_err(|error| error.to_string())?;
    Ok((listener, value))
}

fn read<T: serde::de::DeserializeOwned>(listener: &Listener, value: Value) -> Result<T, String> {
    listener.read(value).map_err(|error| error.to_string())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
