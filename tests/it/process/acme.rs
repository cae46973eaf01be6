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
    pebble::{EXTERNAL, Manner, Pebble, ports},
    process::{LbProcess, lb, new_folder},
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
    crate::support::process::address_in(&line).unwrap()
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
