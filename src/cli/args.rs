//! The command line's arguments, and `--help`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::config::Flags;

/// An HTTP load balancer: spreads requests over backends, and retries on another one when a
/// backend fails.
#[derive(Debug, Clone, Parser)]
#[command(version, about, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub(super) struct Arguments {
    /// Run from this file (YAML).
    #[arg(short = 'c', long = "conf", value_name = "FILE")]
    pub(super) conf: Option<PathBuf>,

    /// Check the configuration, say what is wrong with it, and exit.
    #[arg(short = 't', long)]
    pub(super) test: bool,

    /// Listen on this port, on all IPv4 addresses [default without a file: 8080].
    #[arg(long)]
    port: Option<u16>,

    /// Backends, separated by commas: http://localhost:9001,http://localhost:9002 [required
    /// without a file].
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    backends: Option<Vec<String>>,

    /// roundrobin, leastconn or ewma (round_robin and least_conn are understood too) [default
    /// without a file: roundrobin].
    #[arg(long)]
    algorithm: Option<String>,

    /// Time between two health checks of a backend [default without a file: 10s].
    #[arg(long, value_name = "DURATION")]
    health_interval: Option<String>,

    /// How long a health check may take [default without a file: 2s].
    #[arg(long, value_name = "DURATION")]
    health_timeout: Option<String>,

    /// How often a failed request is tried again on another backend. Sets `retry.attempts`,
    /// which counts all tries, to one more than this [default without a file: 3].
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

impl Arguments {
    /// The flags that were given, and only those.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            port: self.port,
            backends: self.backends.clone(),
            algorithm: self.algorithm.clone(),
            health_interval: self.health_interval.clone(),
            health_timeout: self.health_timeout.clone(),
            max_retries: self.max_retries,
        }
    }
}

/// What else the program can do.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// Try it in a minute: three small backends and the balancer, in one process.
    Demo(DemoArguments),
    /// One small backend that answers with its name and the request it received.
    Backend(BackendArguments),
}

/// Arguments of `lb demo`.
#[derive(Debug, Clone, Args)]
pub(super) struct DemoArguments {
    /// The balancer's port; a free one when it is taken, or 0.
    #[arg(long, default_value_t = 8080)]
    pub(super) port: u16,
    /// The first backend's port, the others follow; free ones when they are taken, or 0.
    #[arg(long, default_value_t = 9001)]
    pub(super) backend_port: u16,
}

/// Arguments of `lb backend`.
#[derive(Debug, Clone, Args)]
pub(super) struct BackendArguments {
    /// The port to listen on.
    #[arg(long)]
    pub(super) port: u16,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(super) host: std::net::IpAddr,
    /// Wait this long before each answer.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) delay: Option<Duration>,
    /// Answer with this status.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..600))]
    pub(super) status: u16,
    /// The name in its answers [default: its port].
    #[arg(long)]
    pub(super) name: Option<String>,
}
