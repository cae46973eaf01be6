//! `lb demo` and `lb backend`: backends for a first try.

use std::{
    io::{self, BufRead},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::ExitCode,
    thread,
    time::Duration,
};

use http::StatusCode;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

use super::{args, balance::serve, output::say};
use crate::config::{self, Flags, LogFormat};
use crate::demo::{DemoBackend, Options};
use crate::discovery;
use crate::server::Start;
use crate::telemetry::log::{self as process_log, Destination};
use crate::tls::TlsListeners;

/// The backends of the demo.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Runs one backend until a signal ends it.
pub(super) fn run_backend(arguments: &args::BackendArguments) -> ExitCode {
    process_log::init(Destination::stderr(LogFormat::Text));
    let options = Options {
        name: arguments.name.clone(),
        delay: arguments.delay.unwrap_or(Duration::ZERO),
        status: StatusCode::from_u16(arguments.status).unwrap_or_default(),
    };
    let serve = || -> io::Result<()> {
        let mut backend = DemoBackend::bind(&arguments.host.to_string(), arguments.port, options)?;
        runtime()?.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            backend.start().await?;
            let (name, address) = (backend.name(), backend.address());
            say(io::stdout(), &format!("backend {name} listening on http://{address}"));
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            backend.stop().await;
            Ok(())
        })
    };
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (host, port) = (arguments.host, arguments.port);
            let address = SocketAddr::new(host, port);
            say(io::stderr(), &format!("cannot run a backend on {address}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs three backends and the balancer in this process until a signal ends it.
pub(super) fn run(arguments: &args::DemoArguments) -> ExitCode {
    match start(arguments) {
        Ok((backends, runtime, port)) => balance(backends, runtime, port),
        Err(error) => {
            say(io::stderr(), &format!("cannot start the demo: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &args::DemoArguments) -> io::Result<(Vec<DemoBackend>, Runtime, u16)> {
    let runtime = runtime()?;
    let mut backends = Vec::new();
    for (name, offset) in NAMES.into_iter().zip(0..) {
        let wanted = match arguments.backend_port {
            0 => 0,
            first => first.saturating_add(offset),
        };
        let bind = |port| {
            let options = Options { name: Some(name.to_owned()), ..Options::default() };
            DemoBackend::bind("127.0.0.1", port, options)
        };
        let mut backend = bind(wanted).or_else(|error| {
            say(io::stdout(), &format!("port {wanted} is taken ({error}): using a free one"));
            bind(0)
        })?;
        runtime.block_on(backend.start())?;
        backends.push(backend);
    }
    let port = free_port(arguments.port).or_else(|error| {
        let wanted = arguments.port;
        say(io::stdout(), &format!("port {wanted} is taken ({error}): using a free one"));
        free_port(0)
    })?;
    Ok((backends, runtime, port))
}

fn balance(backends: Vec<DemoBackend>, runtime: Runtime, port: u16) -> ExitCode {
    let addresses: Vec<SocketAddr> = backends.iter().map(DemoBackend::address).collect();
    let loaded = config::parse("demo", &configuration(&addresses, port), &Flags::default());
    let loaded = loaded.and_then(|loaded| {
        let resolved = discovery::resolve(&loaded.config)?;
        Ok((loaded.config, resolved))
    });
    let (config, resolved) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            say(io::stderr(), &problems.to_string());
            return ExitCode::FAILURE;
        }
    };
    process_log::init(Destination::stderr(LogFormat::Text));
    say(io::stdout(), &introduction(&addresses, port));
    thread::spawn(move || obey(backends, &runtime));
    let start = Start {
        config,
        warnings: Vec::new(),
        resolved,
        tls: TlsListeners::new(),
        origin: None,
        upgrade: false,
    };
    serve(start, &mut None).unwrap_or(ExitCode::FAILURE)
}

/// Stops and starts backends as the lines on standard input say. It never returns, because the
/// backends end when they are dropped.
fn obey(mut backends: Vec<DemoBackend>, runtime: &Runtime) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let number: Option<usize> = line.trim().parse().ok();
        let chosen = number.and_then(|number| backends.get_mut(number.checked_sub(1)?));
        let Some(backend) = chosen else {
            say(io::stdout(), "type 1, 2 or 3 and press Enter to stop or start that backend");
            continue;
        };
        let done = if backend.is_running() {
            runtime.block_on(backend.stop());
            Ok("stopped")
        } else {
            runtime.block_on(backend.start()).map(|()| "started")
        };
        let name = backend.name();
        match done {
            Ok(done) => say(io::stdout(), &format!("backend {name} {done}")),
            Err(error) => say(io::stderr(), &format!("cannot start backend {name}: {error}")),
        }
    }
    loop {
        thread::park();
    }
}

fn configuration(backends: &[SocketAddr], port: u16) -> String {
    let backends: Vec<String> =
        backends.iter().map(|address| format!("{{ address: {address} }}")).collect();
    format!(
        "listeners: [ {{ address: 127.0.0.1:{port} }} ]\n\
         routes: [ {{ pool: demo }} ]\n\
         pools:\n  \
           demo:\n    \
             backends: [ {} ]\n    \
             health_check: {{ interval: 1s, timeout: 500ms }}\n\
         access_log: {{ format: text, path: stdout }}\n",
        backends.join(", ")
    )
}

fn introduction(backends: &[SocketAddr], port: u16) -> String {
    let mut text = format!("\nThe balancer is on http://127.0.0.1:{port}, its backends are\n");
    for ((name, address), number) in NAMES.iter().zip(backends).zip(1..) {
        text.push_str(&format!("  {number}  {name}  http://{address}\n"));
    }
    text.push_str(&format!(
        "\nThree things to try, from another terminal:\n  \
           1. Watch the distribution:\n       \
              for i in 1 2 3 4 5 6; do curl -s 127.0.0.1:{port} | head -1; done\n  \
           2. Type 1 and press Enter here: backend a stops. Run the loop again: every request is\n     \
              answered, by the other two. The log below says what happened.\n  \
           3. Type 1 and press Enter again: backend a starts, and after two passed health checks\n     \
              it gets its share again.\n\
         \nCtrl-C ends it.\n"
    ));
    text
}

/// Returns a port on loopback that is free at the moment.
fn free_port(port: u16) -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
