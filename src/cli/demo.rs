//! `lb demo` and `lb backend`: backends for a first try.

use std::{
    env,
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
/// The time until a backend that comes back has all of its share; short enough to be watched.
const SLOW_START: &str = "20s";

/// Runs one backend until a signal ends it.
pub(super) fn run_backend(arguments: &args::BackendArguments) -> ExitCode {
    process_log::init(Destination::stderr(LogFormat::Text));
    let options = Options {
        name: arguments.name.clone(),
        delay: arguments.delay.unwrap_or(Duration::ZERO),
        delays_checks: arguments.delay_checks,
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
        Ok((backends, runtime, addresses)) => balance(backends, runtime, &addresses),
        Err(error) => {
            say(io::stderr(), &format!("cannot start the demo: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The addresses of the demo, all on loopback.
struct Addresses {
    backends: Vec<SocketAddr>,
    port: u16,
    admin_port: u16,
}

fn start(arguments: &args::DemoArguments) -> io::Result<(Vec<DemoBackend>, Runtime, Addresses)> {
    let runtime = runtime()?;
    let mut backends = Vec::new();
    for (name, offset) in NAMES.into_iter().zip(0..) {
        let wanted = match arguments.backend_port {
            0 => 0,
            first => first.saturating_add(offset),
        };
        let mut backend = or_a_free_port(wanted, |port| {
            let options = Options { name: Some(name.to_owned()), ..Options::default() };
            DemoBackend::bind("127.0.0.1", port, options)
        })?;
        runtime.block_on(backend.start())?;
        backends.push(backend);
    }
    let addresses = Addresses {
        backends: backends.iter().map(DemoBackend::address).collect(),
        port: or_a_free_port(arguments.port, free_port)?,
        admin_port: or_a_free_port(arguments.admin_port, free_port)?,
    };
    Ok((backends, runtime, addresses))
}

/// Uses a port, or, if that is taken, any other one, and says so.
fn or_a_free_port<T>(port: u16, mut bind: impl FnMut(u16) -> io::Result<T>) -> io::Result<T> {
    bind(port).or_else(|error| {
        say(io::stdout(), &format!("port {port} is taken ({error}): using a free one"));
        bind(0)
    })
}

fn balance(backends: Vec<DemoBackend>, runtime: Runtime, addresses: &Addresses) -> ExitCode {
    let loaded = config::parse("demo", &configuration(addresses), &Flags::default());
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
    say(io::stdout(), &introduction(addresses, &program()));
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

/// This program as a shell finds it: the word by which it was called.
fn program() -> String {
    env::args().next().unwrap_or_else(|| "lb".to_owned())
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

fn configuration(addresses: &Addresses) -> String {
    let Addresses { backends, port, admin_port } = addresses;
    let backends: Vec<String> =
        backends.iter().map(|address| format!("{{ address: {address} }}")).collect();
    format!(
        "listeners: [ {{ address: 127.0.0.1:{port} }} ]\n\
         routes: [ {{ pool: demo }} ]\n\
         pools:\n  \
           demo:\n    \
             backends: [ {} ]\n    \
             health_check: {{ interval: 1s, timeout: 500ms }}\n    \
             slow_start: {SLOW_START}\n\
         admin: {{ address: 127.0.0.1:{admin_port} }}\n\
         access_log: {{ format: text, path: stdout }}\n",
        backends.join(", ")
    )
}

fn introduction(addresses: &Addresses, lb: &str) -> String {
    let Addresses { backends, port, admin_port } = addresses;
    // The commands ask this address unless another one is given.
    let admin = match admin_port {
        9900 => String::new(),
        port => format!(" --admin http://127.0.0.1:{port}"),
    };
    let mut text = format!(
        "\nThe status page is at http://127.0.0.1:{admin_port}/\n\
         The balancer is on http://127.0.0.1:{port}, its backends are\n"
    );
    for ((name, address), number) in NAMES.iter().zip(backends).zip(1..) {
        text.push_str(&format!("  {number}  {name}  http://{address}\n"));
    }
    text.push_str(&format!(
        "\nOpen the page, or run {lb} top{admin} in another terminal, and try there:\n  \
           1. Watch the distribution:\n       \
              for i in 1 2 3 4 5 6; do curl -s 127.0.0.1:{port} | head -1; done\n  \
           2. Type 1 and press Enter here: backend a stops. Run the loop again: every request is\n     \
              answered, by the other two. The log below says what happened, and this says why:\n       \
              {lb} explain{admin} http://127.0.0.1:{port}/\n  \
           3. Type 1 and press Enter again: backend a starts. After two passed health checks it gets\n     \
              requests again: a tenth of its share at first, all of it after {SLOW_START} (slow_start), so that\n     \
              a cold backend is not flooded.\n\
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
