//! Certificates that come from a real authority, and renew.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::{eventually, wait_for},
    metrics::{ADMIN, Asked},
    pebble::{EXTERNAL, Manner, Pebble},
    process::{LbProcess, address_in, lb, new_folder},
};

use super::{pid_that, tell};

/// The time that an order may take with an authority that is slow and in the way.
const ORDERED: Duration = Duration::from_secs(40);

/// The configuration of a process that orders: a listener with TLS, one that redirects, and the admin
/// listener.
fn text(pebble: &Pebble, backend: SocketAddr, host: &str, acme: &str) -> String {
    let (http, tls) = pebble.asks;
    format!(
        "listeners:\n  - address: {host}:{tls}\n    tls: {{ acme: {{ {acme}, {keys} }} }}\n  \
         - {{ address: {host}:{http}, redirect_to_https: true }}\nroutes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [ {{ address: {backend} }} ] }} }}\n\
         access_log: off\npid_file: lb.pid\nstate_dir: state\n{ADMIN}\n",
        keys = pebble.keys(),
    )
}

fn start(pebble: &Pebble, backend: SocketAddr, acme: &str) -> LbProcess {
    LbProcess::with_config(&text(pebble, backend, "127.0.0.1", acme), &[])
}

fn admin(lb: &mut LbProcess) -> SocketAddr {
    let line = lb.wait_for_log("admin listening");
    address_in(&line).unwrap()
}

/// Clients that trust only what this authority issues.
fn trusting(root: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// A request on a connection of its own. The error says why there is no answer.
fn request(config: &Arc<ClientConfig>, port: u16, host: &str) -> Result<String, String> {
    let words = |error: std::io::Error| error.to_string();
    let tcp = TcpStream::connect(("127.0.0.1", port)).map_err(words)?;
    tcp.set_read_timeout(Some(ORDERED)).map_err(words)?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(session, tcp);
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(words)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(words)?;
    Ok(answer)
}

/// Whether a client that trusts this authority gets an answer for this host.
fn is_served(pebble: &Pebble, host: &str) -> bool {
    let answer = request(&trusting(&pebble.root()), pebble.asks.1, host);
    answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Waits until the process has got this many certificates.
#[track_caller]
fn wait_for_certificates(pebble: &Pebble, lb: &LbProcess, count: usize) {
    let got = |line: &&String| line.contains("got a certificate");
    let came =
        wait_for(ORDERED, || (lb.stderr().iter().filter(got).count() >= count).then_some(()));
    let story = || format!("{}\nthe authority:\n{}", lb.stderr().join("\n"), pebble.story());
    assert!(came.is_some(), "not {count} certificates\n{}", story());
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_certificate_for_several_hosts_comes_by_each_challenge() {
    let backend = ScriptedBackend::named("a");
    for challenge in ["tls-alpn-01", "http-01"] {
        let pebble = Pebble::start(Manner::UNHELPFUL);
        let hosts = "hosts: [a.example.com, c.example.com]";
        let acme = format!("email: ops@example.com, {hosts}, challenge: {challenge}");
        let mut lb = start(&pebble, backend.address(), &acme);
        let admin = admin(&mut lb);
        // It serves at once, and says what is missing.
        lb.wait_for_log("serving pool=");
        let mut curl = Command::new("curl");
        let url = format!("https://a.example.com:{}/", pebble.asks.1);
        let to = format!("::127.0.0.1:{}", pebble.asks.1);
        let early = curl.args(["-sk", "-m", "20", "--connect-to", &to, &url]).output().unwrap();
        assert!(early.status.success(), "{early:?}");
        let ready = get(admin, "/ready");
        assert_eq!(ready.status, 200);
        assert_eq!(
            ready.text(),
            "ready\nself-signed until the order is done: a.example.com, c.example.com\n"
        );
        wait_for_certificates(&pebble, &lb, 1);
        eventually(PATIENCE, "it is used", || is_served(&pebble, "a.example.com"));
        assert!(is_served(&pebble, "c.example.com"));
        assert_eq!(get(admin, "/ready").text(), "ready\n");
        assert_eq!(pebble.count("Issued certificate"), 1, "several hosts are one order");
        // What is secret is for this user alone, and no answer to a challenge stays behind.
        let state = files(&lb.folder().join("state"));
        for file in &state {
            let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.display());
        }
        let is_answer =
            |file: &&std::path::PathBuf| file.components().any(|it| it.as_os_str() == "challenges");
        assert_eq!(state.iter().find(is_answer), None);
        let scrape = Asked(admin).scrape();
        let labels = |result| [("certificate", "a.example.com"), ("result", result)];
        assert_eq!(scrape.sum("lb_certificate_orders_total", &labels("issued")), 1);
        assert_eq!(scrape.sum("lb_certificate_orders_total", &labels("failed")), 0);
        drop(lb);
    }
}

/// Clients that never stop to send requests, each on a connection of its own.
struct Load {
    is_over: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(pebble: &Pebble, host: &'static str) -> Self {
        let (is_over, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (config, port) = (trusting(&pebble.root()), pebble.asks.1);
        let client = || {
            let (is_over, served) = (Arc::clone(&is_over), Arc::clone(&served));
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    match request(&config, port, host) {
                        Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(answer) => failures.push(answer),
                        Err(error) => failures.push(error),
                    }
                    // Other tests need the machine, too.
                    thread::sleep(Duration::from_millis(5));
                }
                failures
            })
        };
        let clients = (0..4).map(|_| client()).collect();
        Self { is_over, served, clients }
    }

    /// Ends the clients. Returns the number of good answers, and what went wrong.
    fn finish(self) -> (usize, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failures = self.clients.into_iter().flat_map(|client| client.join().unwrap());
        let failures = failures.collect();
        (self.served.load(Ordering::Relaxed), failures)
    }
}

#[test]
fn a_renewal_fails_no_request_and_comes_before_the_end() {
    let backend = ScriptedBackend::named("a");
    let pebble = Pebble::start(Manner::SHORT_LIVED);
    let mut lb = start(&pebble, backend.address(), "hosts: [a.example.com]");
    let admin = admin(&mut lb);
    wait_for_certificates(&pebble, &lb, 1);
    eventually(PATIENCE, "it is used", || is_served(&pebble, "a.example.com"));
    let load = Load::start(&pebble, "a.example.com");
    let next = || {
        let metric = "lb_certificate_next_order_timestamp_seconds";
        Asked(admin).scrape().sum(metric, &[("certificate", "a.example.com")])
    };
    let first = next();
    wait_for_certificates(&pebble, &lb, 2);
    eventually(PATIENCE, "the next renewal is known", || next() > first);
    // The clients go on until the first certificate has ended.
    let end = ending(&lb, 1);
    eventually(ORDERED, "the first one ends", || lb::clock::wall() > end);
    let (served, failures) = load.finish();
    assert_eq!(failures, Vec::<String>::new(), "of {served}");
    assert!(served > 50, "{served}");
}

/// When this certificate ends, from 1 on, as the log says.
fn ending(lb: &LbProcess, number: usize) -> std::time::SystemTime {
    let lines = lb.stderr();
    let mut ends = lines.iter().filter_map(|line| {
        line.split_once("got a certificate").and_then(|(_, rest)| rest.split_once("until="))
    });
    let (_, end) = ends.nth(number - 1).unwrap();
    let end = end.split_whitespace().next().unwrap();
    humantime::parse_rfc3339(end).unwrap()
}

#[test]
fn a_renewal_that_fails_keeps_the_old_certificate_and_is_tried_again() {
    let backend = ScriptedBackend::named("a");
    let mut pebble = Pebble::start(Manner { life: 12, ..Manner::SHORT_LIVED });
    let mut lb = start(&pebble, backend.address(), "hosts: [a.example.com]");
    let admin = admin(&mut lb);
    wait_for_certificates(&pebble, &lb, 1);
    pebble.stop();
    let line = lb.wait_for_log("no certificate");
    assert!(line.contains("Connection refused") && line.contains("failures=1"), "{line}");
    let failures = || {
        let scrape = Asked(admin).scrape();
        scrape.sum("lb_certificate_order_failures", &[("certificate", "a.example.com")])
    };
    eventually(PATIENCE, "the failure is counted", || failures() > 0);
    let order = &Asked(admin).api("/api/v1/status")["orders"][0];
    assert_eq!(
        (&order["hosts"][0], &order["self_signed"]),
        (&"a.example.com".into(), &false.into())
    );
    assert!(order["error"].as_str().unwrap().contains("Connection refused"), "{order}");
    assert!(is_served(&pebble, "a.example.com"), "{}", lb.stderr().join("\n"));
    assert_eq!(get(admin, "/ready").text(), "ready\n");
    // It has forgotten the account, too.
    pebble.resume();
    wait_for_certificates(&pebble, &lb, 2);
    eventually(PATIENCE, "it is used", || is_served(&pebble, "a.example.com"));
    eventually(PATIENCE, "the failure is over", || failures() == 0);
}

#[test]
fn a_certificate_that_has_expired_is_kept_over_a_restart_until_a_better_one_comes() {
    let backend = ScriptedBackend::named("a");
    let mut pebble = Pebble::start(Manner { life: 4, ..Manner::SHORT_LIVED });
    let state = new_folder();
    let text = text(&pebble, backend.address(), "127.0.0.1", "hosts: [a.example.com]")
        .replace("state_dir: state", &format!("state_dir: {}", state.path().display()));
    let lb = LbProcess::with_config(&text, &[]);
    wait_for_certificates(&pebble, &lb, 1);
    pebble.stop();
    drop(lb);
    let folder = fs::read_dir(state.path().join("acme")).unwrap().next().unwrap().unwrap().path();
    let stored = files(&folder).into_iter().find(|it| it.extension().is_some_and(|it| it == "pem"));
    let (_, end) = lb::tls::validity(&fs::read(stored.unwrap()).unwrap()).unwrap();
    // Clients go by whole seconds.
    let end = end + Duration::from_secs(1);
    eventually(PATIENCE, "it ends", || lb::clock::wall() > end);
    let mut lb = LbProcess::with_config(&text, &[]);
    let admin = admin(&mut lb);
    lb.wait_for_log("serving a certificate that has expired until there is a better one");
    let error = request(&trusting(&pebble.root()), pebble.asks.1, "a.example.com").unwrap_err();
    assert!(error.contains("expired"), "{error}");
    assert_eq!(
        get(admin, "/ready").text(),
        "ready\nexpired, and kept until there is a better one: a.example.com\n"
    );
    let order = Asked(admin).api("/api/v1/status")["orders"][0].clone();
    assert_eq!(
        (&order["expired"], &order["self_signed"]),
        (&true.into(), &false.into()),
        "{order}"
    );
    pebble.resume();
    wait_for_certificates(&pebble, &lb, 1);
    eventually(PATIENCE, "it is used", || is_served(&pebble, "a.example.com"));
}

/// A file system of this size, until it is dropped; `None` where a test may not make one.
struct SmallFolder(tempfile::TempDir);

impl SmallFolder {
    fn new(size: &str) -> Option<Self> {
        let folder = Self(new_folder());
        folder.mount(&["-t", "tmpfs", "-o", &format!("size={size}")]).then_some(folder)
    }

    fn mount(&self, options: &[&str]) -> bool {
        let mut mount = Command::new("mount");
        mount.args(options).arg("none").arg(self.0.path());
        mount.output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for SmallFolder {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn an_authority_is_not_asked_for_what_cannot_be_stored() {
    let Some(state) = SmallFolder::new("16k") else { return };
    let backend = ScriptedBackend::named("a");
    let pebble = Pebble::start(Manner { slow: 0, ..Manner::UNHELPFUL });
    let text = text(&pebble, backend.address(), "127.0.0.1", "hosts: [a.example.com]")
        .replace("state_dir: state", &format!("state_dir: {}", state.0.path().display()));
    let mut lb = LbProcess::with_config(&text, &[]);
    let line = lb.wait_for_log("no certificate");
    assert!(line.contains("No space left on device"), "{line}");
    assert_eq!(pebble.count("POST /"), 0, "{}", pebble.story());
    drop(lb);
    // There is room again, and no failure that is waited for.
    for file in files(state.0.path()) {
        fs::remove_file(file).unwrap();
    }
    assert!(state.mount(&["-o", "remount,size=1m"]));
    let lb = LbProcess::with_config(&text, &[]);
    wait_for_certificates(&pebble, &lb, 1);
}

#[test]
fn instances_that_share_a_folder_order_once_and_answer_for_each_other() {
    let backend = ScriptedBackend::named("a");
    let shared = new_folder();
    let state = format!("state_dir: {}", shared.path().display());
    for challenge in ["tls-alpn-01", "http-01"] {
        let pebble = Pebble::start(Manner { life: 3600, ..Manner::SHORT_LIVED });
        // It accepts connections, and answers nothing until both instances serve.
        pebble.process().signal(Signal::SIGSTOP);
        // The authority finds the one host at the one instance, and the other at the other.
        let acme = format!("hosts: [a.example.com, b.example.com], challenge: {challenge}");
        let instances = ["127.0.0.1", "127.0.0.2"].map(|host| {
            let text = text(&pebble, backend.address(), host, &acme);
            let mut lb = LbProcess::with_config(&text.replace("state_dir: state", &state), &[]);
            lb.wait_for_log("serving pool=");
            lb
        });
        pebble.process().signal(Signal::SIGCONT);
        let got = |lb: &LbProcess| {
            lb.stderr().iter().filter(|line| line.contains("got a certificate")).count()
        };
        let came =
            wait_for(ORDERED, || (instances.iter().map(got).sum::<usize>() > 0).then_some(()));
        let story = || instances.iter().map(|lb| lb.stderr().join("\n")).collect::<String>();
        assert!(came.is_some(), "{}\n{}", story(), pebble.story());
        let config = trusting(&pebble.root());
        for host in ["127.0.0.1", "127.0.0.2"] {
            let address = (host, pebble.asks.1);
            eventually(PATIENCE, "each instance uses it", || {
                let tcp = TcpStream::connect(address).unwrap();
                tcp.set_read_timeout(Some(PATIENCE)).unwrap();
                let name = ServerName::try_from("b.example.com").unwrap();
                let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
                StreamOwned::new(session, tcp).write_all(b"GET").is_ok()
            });
        }
        assert_eq!(pebble.count("Added order"), 1, "{}", pebble.story());
    }
}

#[test]
fn an_account_belongs_to_another_one_where_the_authority_asks_for_it() {
    let backend = ScriptedBackend::named("a");
    let pebble = Pebble::start(Manner { external: true, slow: 0, ..Manner::UNHELPFUL });
    let mut lb = start(&pebble, backend.address(), "hosts: [a.example.com]");
    let line = lb.wait_for_log("no certificate");
    assert!(
        line.contains("the authority says: ") && line.contains("(externalAccountRequired)"),
        "{line}"
    );
    drop(lb);
    let (key_id, key) = EXTERNAL;
    let external = format!("external_account: {{ key_id: {key_id}, hmac_key: {key} }}");
    let lb = start(&pebble, backend.address(), &format!("hosts: [a.example.com], {external}"));
    wait_for_certificates(&pebble, &lb, 1);
}

#[test]
fn an_order_outlives_a_reload_and_an_upgrade_and_ends_with_its_host() {
    let backend = ScriptedBackend::named("a");
    let pebble = Pebble::start(Manner { slow: 0, rejects: 0, ..Manner::UNHELPFUL });
    pebble.process().signal(Signal::SIGSTOP);
    let mut lb = start(&pebble, backend.address(), "hosts: [a.example.com, c.example.com]");
    lb.wait_for_log("asking for a certificate");
    // In the middle of the order, whose conversation hangs.
    assert_eq!(tell(&lb, "reload").code, Some(0));
    let before = pid_that(&lb, |_| true);
    let upgraded = tell(&lb, "upgrade");
    assert_eq!(upgraded.code, Some(0), "{}", upgraded.stderr);
    assert_ne!(pid_that(&lb, |_| true), before);
    let file = lb.folder().join("lb.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(", c.example.com", "")).unwrap();
    assert_eq!(tell(&lb, "reload").code, Some(0));
    pebble.process().signal(Signal::SIGCONT);
    let config = trusting(&pebble.root());
    let served = wait_for(ORDERED, || request(&config, pebble.asks.1, "a.example.com").ok());
    assert!(served.is_some(), "{}\n{}", lb.stderr().join("\n"), pebble.story());
    // Nothing of the host that was removed is asked for, or kept.
    let error = request(&config, pebble.asks.1, "c.example.com").unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
    assert_eq!(pebble.count("Issued certificate"), 1, "{}", pebble.story());
    eventually(PATIENCE, "the order of the first process ends", || {
        let _ = lb.exit_status();
        lb.pids_in_folder().len() == 1
    });
}

#[test]
fn wrong_settings_of_an_order_are_told() {
    let folder = new_folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "no key!").unwrap();
    let check = |acme: &str, more: &str, host: &str| {
        let text = format!(
            "listeners: [ {{ address: 127.0.0.1:443, tls: {{ acme: {{ {acme} }} }} }} ]\n\
             routes: [ {{ pool: web, host: {host} }} ]\n\
             pools: {{ web: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}\n{more}\n"
        );
        fs::write(path("lb.yaml"), text).unwrap();
        let mut command = lb(&["-t", "-c", "lb.yaml"]);
        let output = command.current_dir(folder.path()).output().unwrap();
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
    };
    let (good, account) =
        ("email: a@b.example, hosts: [a.example.com]", "key_id: a, hmac_key_file");
    let state = "state_dir: state";
    let cases = [
        (good.to_owned(), state, "ok: 1 listener"),
        (good.to_owned(), "state_dir: file/state", "and lb file is not a directory"),
        ("hosts: [a.example.com]".to_owned(), state, "acme: has no email"),
        (format!("{good}, challenge: http-01"), state, "http-01 needs a listener without TLS"),
        (format!("{good}, directory_ca: none.pem"), state, "none.pem cannot be read"),
        (format!("{good}, directory_ca: file"), state, "file has no certificate in PEM"),
        (format!("{good}, external_account: {{ {account}: none }}"), state, "none cannot be read"),
        (format!("{good}, external_account: {{ {account}: file }}"), state, "is not base64url"),
    ];
    for (acme, more, expected) in cases {
        let said = check(&acme, more, "a.example.com");
        assert!(said.contains(expected), "{acme} {more}: {said}");
    }
    let said = check(good, state, "b.example.com");
    assert!(
        said.contains(
            "warning: lb.yaml:1: listeners[0].tls.acme: is for a.example.com, which no route has"
        ),
        "{said}"
    );
}

/// `lb` with these flags, for one backend, with its state in `state`.
fn quick(backend: SocketAddr, flags: &[&str]) -> LbProcess {
    let backends = format!("http://{backend}");
    let common = ["--backends", &backends, "--state-dir", "state", "--port", "0"];
    let mut lb = LbProcess::start(&[&common, flags].concat());
    lb.wait_for_log("\"serving\"");
    lb
}

#[test]
fn a_host_on_the_command_line_gets_its_certificate() {
    let backend = ScriptedBackend::named("a");
    let pebble = Pebble::start(Manner { slow: 0, ..Manner::UNHELPFUL });
    let (port, ca) = (pebble.asks.1.to_string(), pebble.ca().display().to_string());
    let directory = pebble.directory();
    let authority = ["--acme-directory", &directory, "--acme-ca", &ca];
    let host = ["--https", "shop.example.com", "--https-port", &port, "--email", "ops@example.com"];
    let mut lb = quick(backend.address(), &[&host[..], &authority].concat());
    wait_for_certificates(&pebble, &lb, 1);
    eventually(PATIENCE, "it is used", || is_served(&pebble, "shop.example.com"));
    let plain = lb.addresses(2)[1];
    let plain = SocketAddr::from(([127, 0, 0, 1], plain.port()));
    let redirect = get(plain, "/a?b");
    assert_eq!(redirect.status, 308);
    let expected = format!("https://127.0.0.1:{port}/a?b");
    assert_eq!(redirect.header("location"), Some(expected.as_str()));
}

#[test]
fn localhost_has_a_certificate_of_an_authority_that_clients_can_be_told_to_trust() {
    let backend = ScriptedBackend::named("a");
    let mut lb = quick(backend.address(), &["--https", "localhost", "--https-port", "0"]);
    let address = lb.addresses(2)[0];
    // Word by word what it says.
    let line = lb.wait_for_stdout("curl --cacert");
    let root = line.split_whitespace().skip_while(|word| *word != "--cacert").nth(1).unwrap();
    let mut roots = vec![fs::read_to_string(root).unwrap()];
    let curl = |host: &str| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "-m", "20", "--cacert", root, "--resolve"]);
        command.arg(format!("localhost:{}:127.0.0.1", address.port()));
        let output = command.arg(format!("https://{host}:{}/", address.port())).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    for host in ["localhost", "127.0.0.1"] {
        assert!(curl(host).starts_with("HTTP/1.1 200"), "{}", curl(host));
    }
    // The next process has the same authority.
    let next = lb.beside(&[
        "--backends",
        &format!("http://{}", backend.address()),
        "--state-dir",
        "state",
        "--port",
        "0",
        "--https",
        "localhost,app.localhost",
        "--https-port",
        "0",
    ]);
    let mut next = next;
    next.wait_for_log("\"serving\"");
    roots.push(fs::read_to_string(root).unwrap());
    assert_eq!(roots[0], roots[1]);
}
