//! A real authority: Pebble, the test server of the people who made ACME. It rejects some nonces and is
//! slow to look at hosts, as real ones may be.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
    thread,
};

use super::{
    PATIENCE,
    certificates::Authority,
    eventually::wait_for,
    process::{LbProcess, new_folder},
};

const MISSING: &str = "cannot be started. The tests of orders need it: \
                       scripts/install-build-tools.sh test";
/// The account that an authority with external accounts knows.
pub(crate) const EXTERNAL: (&str, &str) =
    ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");

/// What an authority is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// The life of its certificates, in seconds.
    pub(crate) life: u32,
    /// The per cent of good nonces that it rejects.
    pub(crate) rejects: u8,
    /// It waits for fewer seconds than this before it looks at a host.
    pub(crate) slow: u8,
    /// Whether an account must belong to another one.
    pub(crate) external: bool,
}

impl Manner {
    /// Slow, and in the way.
    pub(crate) const UNHELPFUL: Self =
        Self { life: 7_776_000, rejects: 15, slow: 2, external: false };
    /// Quick, with certificates that are soon renewed.
    pub(crate) const SHORT_LIVED: Self = Self { life: 9, rejects: 0, slow: 0, external: false };
}

/// A running authority. Ends when dropped.
pub(crate) struct Pebble {
    process: Option<LbProcess>,
    port: u16,
    management: u16,
    dns: SocketAddr,
    manner: Manner,
    folder: tempfile::TempDir,
    /// The ports at which it asks for proofs, without TLS and with it.
    pub(crate) asks: (u16, u16),
}

impl Pebble {
    /// An authority for which every host is at 127.0.0.1, but one that begins with `b.`, which is at
    /// 127.0.0.2.
    pub(crate) fn start(manner: Manner) -> Self {
        let [port, management, http, tls] = ports();
        let folder = new_folder();
        let own = Authority::new("of the authority itself");
        own.issue(&["127.0.0.1"]).write(folder.path(), "own");
        // As in a bundle, it is not the first.
        let bundle = Authority::new("another").pem() + &own.pem();
        fs::write(folder.path().join("ca.pem"), bundle).expect("writable");
        let (asks, dns) = ((http, tls), names());
        let mut pebble = Self { process: None, port, management, dns, manner, folder, asks };
        pebble.resume();
        pebble
    }

    /// Starts it once more, after [`Pebble::stop`]: it has forgotten everything.
    pub(crate) fn resume(&mut self) {
        let Self { port, management, asks: (http, tls), .. } = self;
        let Manner { life, rejects, slow, external } = self.manner;
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": "own.pem", "privateKey": "own.key",
            "httpPort": http, "tlsPort": tls, "ocspResponderURL": "",
            "externalAccountBindingRequired": external,
            "externalAccountMACKeys": { EXTERNAL.0: EXTERNAL.1 },
            "certificateValidityPeriod": life,
        }});
        fs::write(self.folder.path().join("pebble.json"), config.to_string()).expect("writable");
        let mut command = Command::new("pebble");
        command.args(["-config", "pebble.json", "-dnsserver", &self.dns.to_string()]);
        command.env("PEBBLE_WFE_NONCEREJECT", rejects.to_string());
        command.env("PEBBLE_AUTHZREUSE", "0");
        match slow {
            0 => command.env("PEBBLE_VA_NOSLEEP", "1"),
            seconds => command.env("PEBBLE_VA_SLEEPTIME", seconds.to_string()),
        };
        // A shell that works in its folder, because its files are named there.
        let found = Command::new("pebble").arg("-version").output();
        found.unwrap_or_else(|error| panic!("pebble ({error}) {MISSING}"));
        let folder = new_folder();
        for file in ["own.pem", "own.key", "pebble.json"] {
            fs::copy(self.folder.path().join(file), folder.path().join(file)).expect("a file");
        }
        let mut process = LbProcess::spawn(folder, command);
        process.wait_for_stdout("Root CA certificate available at");
        self.process = Some(process);
        let root = wait_for(PATIENCE, || {
            let mut command = Command::new("curl");
            let url = format!("https://127.0.0.1:{}/roots/0", self.management);
            let output = command.args(["-sk", "-m", "5", &url]).output().expect("curl");
            output.status.success().then_some(output.stdout)
        });
        fs::write(self.root(), root.expect("it has a root")).expect("writable");
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// The keys of `acme` that lead to it.
    pub(crate) fn keys(&self) -> String {
        let ca = self.folder.path().join("ca.pem");
        format!(
            "directory: \"https://127.0.0.1:{}/dir\", directory_ca: {}",
            self.port,
            ca.display()
        )
    }

    /// The address of its directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The file with the certificate that signs its own.
    pub(crate) fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The file with the certificate that signs those that it issues.
    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The number of lines of its log with this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.story().lines().filter(|line| line.contains(text)).count()
    }

    /// What it has written.
    pub(crate) fn story(&self) -> String {
        let lines = self.process.iter().flat_map(|it| [it.stdout(), it.stderr()].concat());
        lines.map(|line| line + "\n").collect()
    }

    /// Its process, to stop and continue it.
    pub(crate) fn process(&self) -> &LbProcess {
        self.process.as_ref().expect("it runs")
    }
}

/// Ports of this machine that no process has at this moment, below those that the system gives out.
pub(crate) fn ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    std::array::from_fn(|_| {
        let found = wait_for(PATIENCE, || {
            let spread = u16::try_from(std::process::id() % 97).expect("small") * 113;
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = 20_000 + (spread + step) % 12_000;
            let is_free = |host: [u8; 4]| TcpListener::bind((Ipv4Addr::from(host), port)).is_ok();
            (is_free([127, 0, 0, 1]) && is_free([127, 0, 0, 2])).then_some(port)
        });
        found.expect("a free port")
    })
}

/// A server of names that answers as long as the test runs.
fn names() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// The answer to a query with one question (RFC 1035 section 4).
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let question = query.get(12..)?;
    let name = question.iter().position(|byte| *byte == 0)?;
    let question = question.get(..name + 5)?;
    let is_address = question[name + 1..name + 3] == [0, 1];
    let last = if question.starts_with(b"\x01b") { 2 } else { 1 };
    let mut answer = query[..2].to_vec();
    answer.extend([0x84, 0, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(question);
    if is_address {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, last]);
    }
    Some(answer)
}
