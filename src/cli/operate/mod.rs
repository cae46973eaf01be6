//! Commands over the admin listener: `lb status`, `lb explain`, and changes such as `lb drain`.
//! Their output is a pure function of the answer.

pub(super) mod args;
mod certificates;
mod consent;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::process::ExitCode;

use serde_json::Value;
use tokio::runtime::Builder;

use super::{
    client::{AdminClient, AdminTarget, Change, ChangeKind, ClientError, no_pool},
    output::{fail, say},
    top,
};
use crate::admin::view::{Backend, Certificates, Explanation, Status};
use args::{
    CertificatesArguments, ChangeArguments, DrainArguments, ExplainArguments, Operation,
    StatusArguments,
};

/// Runs the command and prints its result.
pub(super) fn run(operation: &Operation) -> ExitCode {
    let done = match operation {
        Operation::Status(arguments) => status(arguments),
        Operation::Explain(arguments) => explain(arguments),
        Operation::Certificates(arguments) => certificates(arguments),
        Operation::Drain(of) => drain(of),
        Operation::Undrain(named) => change(named, ChangeKind::Undrain),
        Operation::Readmit(named) => change(named, ChangeKind::Readmit),
        Operation::Eject(of) => change(&of.named, ChangeKind::Eject(of.duration.clone())),
        Operation::Weight(of) => {
            let (pool, backend) = (of.pool.clone(), of.backend.clone());
            let (print, target) = (of.print.clone(), of.target.clone());
            let named = ChangeArguments { pool, backend, print, target };
            change(&named, ChangeKind::Weight(of.weight.0))
        }
        Operation::Top(target) => target.client().and_then(top::run),
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
    let (client, mut value) = ask(&arguments.target, async |client| client.status_as_sent().await)?;
    let mut status: Status = read(&client, value.clone())?;
    if let Some(name) = &arguments.pool {
        if !status.pools.iter().any(|pool| pool.name == *name) {
            return Err(no_pool(name, &status));
        }
        status.pools.retain(|pool| pool.name == *name);
        if let Some(pools) = value.get_mut("pools").and_then(Value::as_array_mut) {
            pools.retain(|pool| pool["name"] == name.as_str());
        }
    }
    Ok(if arguments.print.json { pretty(&value) } else { table::status(&status) })
}

fn explain(arguments: &ExplainArguments) -> Result<String, String> {
    let (client, value) =
        ask(&arguments.target, async |client| client.explain(&arguments.sample()).await)?;
    let explanation: Explanation = read(&client, value.clone())?;
    let text = || text::explanation(arguments, &explanation);
    Ok(if arguments.print.json { pretty(&value) } else { text() })
}

fn certificates(arguments: &CertificatesArguments) -> Result<String, String> {
    let (client, value) = ask(&arguments.target, async |client| client.certificates().await)?;
    let certificates: Certificates = read(&client, value.clone())?;
    let text = || certificates::text(&certificates.certificates);
    Ok(if arguments.print.json { pretty(&value) } else { text() })
}

fn drain(of: &DrainArguments) -> Result<String, String> {
    let named = &of.named;
    if !of.yes {
        let (pool, name) = (&named.pool, &named.backend);
        let (client, value) = ask(&named.target, async |client| {
            match client.backend(pool, name).await {
                // The change below is refused as well, with a reason that names what there is.
                Err(ClientError::Refused { .. } | ClientError::NotLb { .. }) => Ok(Value::Null),
                answered => answered,
            }
        })?;
        if !value.is_null() {
            consent::to_drain(&read(&client, value)?)?;
        }
    }
    change(named, ChangeKind::Drain)
}

fn change(named: &ChangeArguments, kind: ChangeKind) -> Result<String, String> {
    let change = Change { pool: named.pool.clone(), backend: named.backend.clone(), kind };
    let (client, value) =
        ask(&named.target, async |client| client.change_as_answered(&change).await)?;
    let backend: Backend = read(&client, value.clone())?;
    Ok(if named.print.json { pretty(&value) } else { text::changed(&backend) })
}

/// Sends a request. Returns the client that sent it and the answer.
fn ask(
    target: &AdminTarget,
    question: impl AsyncFnOnce(&AdminClient) -> Result<Value, ClientError>,
) -> Result<(AdminClient, Value), String> {
    let client = target.client()?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let value = runtime.block_on(question(&client)).map_err(|error| error.to_string())?;
    Ok((client, value))
}

fn read<T: serde::de::DeserializeOwned>(client: &AdminClient, value: Value) -> Result<T, String> {
    client.read(value).map_err(|error| error.to_string())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
