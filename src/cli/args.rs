//! The command line's arguments, and `--help`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use super::operate::args::Operation;
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

    /// Run in the background; done as soon as it serves.
    #[arg(short = 'd', long)]
    daemon: bool,

    /// Take the sockets over from the process that serves, as it gets SIGQUIT.
    #[arg(short = 'u', long, requires = "conf")]
    pub(super) upgrade: bool,

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

    /// This process was started by another `lb`, which waits to hear from it on standard input.
    #[arg(long, hide = true)]
    pub(super) report: bool,

    /// Only start the process that serves, and end: it must be nobody's child whom a service
    /// manager could take for its keeper.
    #[arg(long, hide = true)]
    pub(super) detach: bool,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

impl Arguments {
    /// What is checked when a program is to run from this file.
    pub(super) fn from_file(conf: PathBuf) -> Self {
        Self {
            conf: Some(conf),
            test: false,
            daemon: false,
            upgrade: false,
            port: None,
            backends: None,
            algorithm: None,
            health_interval: None,
            health_timeout: None,
            max_retries: None,
            report: false,
            detach: false,
            command: None,
        }
    }

    /// Arguments with which this program does the same, as a process that reports to this one.
    pub(super) fn again(&self) -> Vec<OsString> {
        let mut again: Vec<OsString> = vec!["--report".into()];
        let mut option = |name: &str, value: Option<OsString>| {
            if let Some(value) = value {
                again.extend([name.into(), value]);
            }
        };
        let text = |value: &Option<String>| value.as_ref().map(Into::into);
        option("--conf", self.conf.as_ref().map(Into::into));
        option("--port", self.port.map(|port| port.to_string().into()));
        option("--backends", self.backends.as_ref().map(|backends| backends.join(",").into()));
        option("--algorithm", text(&self.algorithm));
        option("--health-interval", text(&self.health_interval));
        option("--health-timeout", text(&self.health_timeout));
        option("--max-retries", self.max_retries.map(|retries| retries.to_string().into()));
        let flags = [("--daemon", self.daemon), ("--upgrade", self.upgrade)];
        again.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (*name).into()));
        again
    }

    /// As [`Arguments::again`], for a process that takes over from this one and is not its child:
    /// systemd does not take well to a main process that is.
    pub(super) fn successor(&self) -> Vec<OsString> {
        let mut again = Self { upgrade: true, ..self.clone() }.again();
        again.push("--detach".into());
        again
    }

    /// The flags that were given, and only those.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            daemon: self.daemon,
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
    /// Load the configuration anew in the process that runs from this file, and say what changed.
    Reload(FileArgument),
    /// Replace the process that runs from this file by this program, without losing a request.
    Upgrade(FileArgument),
    /// Say whether the process that runs from this file should be sent requests.
    Health(FileArgument),
    #[command(flatten)]
    Operate(Operation),
    /// Print a JSON Schema of the configuration file, for editors that complete YAML.
    Schema,
    /// Try it in a minute: three small backends and the balancer, in one process.
    Demo(DemoArguments),
    /// One small backend that answers with its name and the request it received.
    Backend(BackendArguments),
}

/// Which process is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct FileArgument {
    /// The file that it runs from.
    #[arg(short = 'c', long = "conf", value_name = "FILE")]
    pub(super) conf: PathBuf,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_started_again_is_told_the_same() {
        let all = "lb -c /a/lb.yaml -d -u --port 1 --backends http://a,http://b --algorithm ewma \
                   --health-interval 1s --health-timeout 1s --max-retries 1";
        let parse = |words: Vec<OsString>| Arguments::try_parse_from(words).unwrap();
        let first = parse(all.split_whitespace().map(Into::into).collect());
        let again = |arguments| parse([vec!["lb".into()], arguments].concat());
        let expected = Arguments { report: true, ..first.clone() };
        assert_eq!(format!("{:?}", again(first.again())), format!("{expected:?}"));
        let serves = Arguments { upgrade: false, ..first.clone() };
        let expected = Arguments { detach: true, ..expected };
        assert_eq!(format!("{:?}", again(serves.successor())), format!("{expected:?}"));
    }
}
