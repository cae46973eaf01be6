//! The command line's arguments, and `--help`.

use std::{ffi::OsString, fmt::Display, io::IsTerminal, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{client::default_file, operate::args::Operation, version};
use crate::config::{Flags, HttpsFlags};
use crate::convert::Format;

/// An HTTP load balancer: spreads requests over backends, and retries on another one when a
/// backend fails.
#[derive(Debug, Clone, Parser)]
#[command(version, long_version = version::long(), about, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub(super) struct Arguments {
    /// Run from this file (YAML) [default without --backends: the environment variable LB_CONF, else
    /// /etc/lb/lb.yaml].
    #[arg(short = 'c', long = "conf", value_name = "FILE")]
    pub(super) conf: Option<PathBuf>,

    /// Check the configuration, report every problem, and exit.
    #[arg(short = 't', long)]
    pub(super) test: bool,

    /// With -t: look up no names, for a machine that does not know them.
    #[arg(long, requires = "test")]
    pub(super) offline: bool,

    /// Run in the background; return once it serves.
    #[arg(short = 'd', long)]
    daemon: bool,

    /// Take over the sockets of the running process, once that gets SIGQUIT.
    #[arg(short = 'u', long, requires = "conf")]
    pub(super) upgrade: bool,

    #[arg(long, help = with_default("Listen on this port", Flags::defaults().port))]
    port: Option<u16>,

    #[arg(
        long,
        value_name = "IP",
        help = with_default(
            "Listen on this address: 127.0.0.1 for this machine alone, :: for all IPv6 addresses",
            Flags::defaults().host
        )
    )]
    host: Option<String>,

    /// Backends, separated by commas: http://localhost:9001,http://localhost:9002 [required
    /// without a file].
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    backends: Option<Vec<String>>,

    #[arg(
        long,
        help = with_default(
            "How to choose a backend: roundrobin, leastconn or ewma (round_robin and least_conn are \
             understood too)",
            Flags::defaults().algorithm
        )
    )]
    algorithm: Option<String>,

    #[arg(
        long,
        value_name = "DURATION",
        help = with_default("Time between two health checks of a backend", Flags::defaults().health_interval)
    )]
    health_interval: Option<String>,

    #[arg(
        long,
        value_name = "DURATION",
        help = with_default("How long a health check may take", Flags::defaults().health_timeout)
    )]
    health_timeout: Option<String>,

    #[arg(
        long,
        value_name = "N",
        help = with_default(
            "How often a failed request is tried again on another backend. Sets `retry.attempts`, \
             which counts all tries, to one more than this",
            Flags::defaults().max_retries
        )
    )]
    max_retries: Option<u32>,

    /// Serve these hosts over TLS, with certificates that come and renew by themselves: from Let's
    /// Encrypt, or for localhost from an authority of this machine's own. Port 80 redirects.
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    https: Option<Vec<String>>,

    #[arg(long, value_name = "PORT", help = with_default("The port of --https", Some(HttpsFlags::DEFAULT_PORT)))]
    https_port: Option<u16>,

    /// Where the authority writes to before a certificate ends.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// Another authority than Let's Encrypt.
    #[arg(long, value_name = "URL")]
    acme_directory: Option<String>,

    /// A certificate in PEM that signs this authority's own.
    #[arg(long, value_name = "FILE")]
    acme_ca: Option<String>,

    /// The folder of certificates that come by themselves, and of the account for them.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,

    /// Report to the `lb` that has started this process and waits at the other end of standard
    /// input.
    #[arg(long, hide = true)]
    pub(super) report: bool,

    /// Only start the process that serves, and end, so that it has no parent that a service manager
    /// could take for the main process.
    #[arg(long, hide = true)]
    pub(super) detach: bool,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// The help of a flag, with its default as the configuration defines it.
fn with_default(help: &str, default: Option<impl Display>) -> String {
    match default {
        Some(default) => format!("{help} [default without a file: {default}]"),
        None => help.to_owned(),
    }
}

impl Arguments {
    /// Arguments that check this file, for a program that is about to run from it.
    pub(super) fn from_file(conf: PathBuf) -> Self {
        Self {
            conf: Some(conf),
            test: false,
            offline: false,
            daemon: false,
            upgrade: false,
            port: None,
            host: None,
            backends: None,
            algorithm: None,
            health_interval: None,
            health_timeout: None,
            max_retries: None,
            https: None,
            https_port: None,
            email: None,
            acme_directory: None,
            acme_ca: None,
            state_dir: None,
            report: false,
            detach: false,
            command: None,
        }
    }

    /// Arguments that make this program do the same in another process, which reports to this one.
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
        option("--host", text(&self.host));
        option("--backends", self.backends.as_ref().map(|backends| backends.join(",").into()));
        option("--algorithm", text(&self.algorithm));
        option("--health-interval", text(&self.health_interval));
        option("--health-timeout", text(&self.health_timeout));
        option("--max-retries", self.max_retries.map(|retries| retries.to_string().into()));
        option("--https", self.https.as_ref().map(|hosts| hosts.join(",").into()));
        option("--https-port", self.https_port.map(|port| port.to_string().into()));
        option("--email", text(&self.email));
        option("--acme-directory", text(&self.acme_directory));
        option("--acme-ca", text(&self.acme_ca));
        option("--state-dir", text(&self.state_dir));
        let flags = [("--daemon", self.daemon), ("--upgrade", self.upgrade)];
        again.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (*name).into()));
        again
    }

    /// Like [`Arguments::again`], for a process that takes over from this one and is not its child,
    /// which systemd would not accept as the main process.
    pub(super) fn successor(&self) -> Vec<OsString> {
        let mut again = Self { upgrade: true, ..self.clone() }.again();
        again.push("--detach".into());
        again
    }

    /// The arguments with the default file, unless flags describe a balancer without one.
    pub(super) fn with_default_file(mut self) -> Self {
        if self.conf.is_none() && self.backends.is_none() {
            self.conf = default_file::find();
        }
        self
    }

    /// The flags that were given, and only those.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            daemon: self.daemon,
            host: self.host.clone(),
            port: self.port,
            backends: self.backends.clone(),
            algorithm: self.algorithm.clone(),
            health_interval: self.health_interval.clone(),
            health_timeout: self.health_timeout.clone(),
            max_retries: self.max_retries,
            https: HttpsFlags {
                hosts: self.https.clone(),
                port: self.https_port,
                email: self.email.clone(),
                directory: self.acme_directory.clone(),
                ca: self.acme_ca.clone(),
                state_dir: self.state_dir.clone(),
            },
            is_watched: std::io::stdout().is_terminal(),
        }
    }
}

/// The subcommands.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// Load the configuration again in the process that runs from this file, and print what changed.
    Reload(ReloadArguments),
    /// Replace the process that runs from this file by this program, without losing a request.
    Upgrade(FileArgument),
    /// Finish the requests in flight of the process that runs from this file, and end it. Returns when it
    /// has ended.
    Stop(FileArgument),
    /// Print whether the process that runs from this file should get requests; exit with 0 or 1.
    Health(FileArgument),
    #[command(flatten)]
    Operate(Operation),
    /// Look for what troubles lb on this machine, in its configuration and in the process that runs from it,
    /// and print what mends it; exit with 0 if nothing does, 1 if there is a problem, 3 if there are only
    /// warnings.
    Doctor(DoctorArguments),
    /// Print a configuration for lb from one of nginx or HAProxy, and what became of each line.
    Convert(ConvertArguments),
    /// Print a JSON Schema of the configuration file, for editors that complete YAML.
    Schema,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write manual pages into a folder.
    Manual {
        /// The folder, which is made.
        folder: PathBuf,
    },
    /// Run three small backends and the balancer in one process, for a first try.
    Demo(DemoArguments),
    /// Run one small backend that answers with its name and the request it received.
    Backend(BackendArguments),
}

/// The process that a command is for.
#[derive(Debug, Clone, Args)]
pub(super) struct FileArgument {
    /// The file that the process runs from [default: the environment variable LB_CONF, else
    /// /etc/lb/lb.yaml].
    #[arg(short = 'c', long = "conf", value_name = "FILE")]
    pub(super) conf: Option<PathBuf>,
}

/// Arguments of `lb reload`.
#[derive(Debug, Clone, Args)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    pub(super) of: FileArgument,
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Arguments of `lb doctor`.
#[derive(Debug, Clone, Args)]
pub(super) struct DoctorArguments {
    #[command(flatten)]
    pub(super) of: FileArgument,
    /// Print every finding in JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Read what /proc and /sys say below this folder, for tests.
    #[arg(long, hide = true, default_value = "/")]
    pub(super) root: PathBuf,
}

/// Arguments of `lb convert`.
#[derive(Debug, Clone, Args)]
pub(super) struct ConvertArguments {
    /// The file to convert, or - for standard input. Files that it includes are read, too.
    pub(super) file: PathBuf,
    /// The format of the file [default: what it looks like].
    #[arg(long, value_enum)]
    pub(super) from: Option<ForeignFormat>,
    /// Print only the report.
    #[arg(long)]
    pub(super) check: bool,
}

/// The formats that `lb convert` reads.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ForeignFormat {
    Nginx,
    Haproxy,
}

impl From<ForeignFormat> for Format {
    fn from(format: ForeignFormat) -> Self {
        match format {
            ForeignFormat::Nginx => Self::Nginx,
            ForeignFormat::Haproxy => Self::Haproxy,
        }
    }
}

/// Arguments of `lb demo`.
#[derive(Debug, Clone, Args)]
pub(super) struct DemoArguments {
    /// The balancer's port; if it is taken, or 0, a free one is used.
    #[arg(long, default_value_t = 8080)]
    pub(super) port: u16,
    /// The port of the status page and of commands; if it is taken, or 0, a free one is used.
    #[arg(long, default_value_t = 9900)]
    pub(super) admin_port: u16,
    /// The first backend's port; the others follow. If one is taken, or 0, a free one is used.
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
    /// Wait this long before each answer; health checks of lb are answered at once.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) delay: Option<Duration>,
    /// Let health checks wait, too.
    #[arg(long, requires = "delay")]
    pub(super) delay_checks: bool,
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
        let all = "lb -c /a/lb.yaml -d -u --port 1 --host ::1 --backends http://a,http://b --algorithm ewma \
                   --health-interval 1s --health-timeout 1s --max-retries 1 --https a,b \
                   --https-port 1 --email a --acme-directory b --acme-ca c --state-dir d";
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
