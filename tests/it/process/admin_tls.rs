//! The admin listener with TLS: what browsers, Prometheus and the commands meet there.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    browser::Browser,
    certificates::{Authority, Pem},
    client::raw,
    eventually::eventually,
    metrics::TOKEN,
    process::{LbProcess, address_in, new_folder},
    prometheus::Prometheus,
};

use super::{
    Outcome, outcome, tell,
    tls::{run, s_client},
    yaml,
};

const CERTIFICATE: &str = "certificates: [ { cert: admin.pem, key: admin.key } ]";

struct Site {
    lb: LbProcess,
    admin: SocketAddr,
    servers: Authority,
    certificate: Pem,
    backend: ScriptedBackend,
}

/// A process whose admin listener has these keys of `tls`, on a port and at a Unix socket.
fn start(tls: &str) -> Site {
    let backend = ScriptedBackend::named("a");
    let (folder, servers) = (new_folder(), Authority::new("servers"));
    let certificate = servers.issue(&["lb.internal", "localhost", "127.0.0.1"]);
    certificate.write(folder.path(), "admin");
    let clients = Authority::new("clients");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", &servers.pem());
    write("clients.pem", &clients.pem());
    write("clients.crl", &clients.revoke(&[3], 4000));
    write("token", TOKEN);
    clients.issue_client("ann", 1, 4000).write(folder.path(), "ann");
    clients.issue_client("bob", 3, 4000).write(folder.path(), "revoked");
    write("lb.yaml", &text(backend.address(), "127.0.0.1:0", tls));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, command);
    let admin = address_in(&lb.wait_for_log("admin listening")).expect("its address");
    Site { lb, admin, servers, certificate, backend }
}

fn text(backend: SocketAddr, address: &str, tls: &str) -> String {
    let tls = if tls.is_empty() { String::new() } else { format!(", tls: {{ {tls} }}") };
    let admin = format!(
        "admin: {{ address: \"{address}\", hosts: [lb.internal], token_file: token{tls} }}"
    );
    yaml(&[backend], &format!("pid_file: lb.pid\naccess_log: off\n{admin}"))
}

impl Site {
    fn url(&self, path: &str) -> String {
        format!("https://lb.internal:{}{path}", self.admin.port())
    }

    fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("curl");
        let connect = format!("::{}", self.admin);
        command.args(["-sS", "-i", "-m", "20", "--cacert", "ca.pem", "--connect-to", &connect]);
        command.args(arguments).arg(self.url(path)).current_dir(self.lb.folder());
        run(&mut command, "")
    }

    /// `lb` with these arguments, which end in the ones that name this process by its address.
    fn ask(&self, arguments: &[&str]) -> Outcome {
        let admin = format!("https://{}", self.admin);
        let target = ["--admin", &admin, "--token-file", "token"];
        outcome(self.lb.beside(&[arguments, &target].concat()))
    }
}

fn names_shown(folder: &Path, address: SocketAddr) -> String {
    let seen = s_client(folder, address, &[]);
    let pem = seen.split("-----BEGIN").nth(1).map(|pem| format!("-----BEGIN{pem}"));
    let mut command = Command::new("openssl");
    command.args(["x509", "-noout", "-ext", "subjectAltName"]);
    run(&mut command, &pem.unwrap_or_default())
}

#[test]
fn every_path_is_served_over_tls_and_none_without() {
    let mut site = start(&format!("{CERTIFICATE}, min_version: \"1.3\""));
    for (path, expected) in [("/live", "live"), ("/ready", "ready"), ("/", "<!doctype html>")] {
        let seen = site.curl(path, &[]);
        assert!(seen.contains(" 200") && seen.to_lowercase().contains(expected), "{path}: {seen}");
    }
    assert!(site.curl("/api/v1/status", &[]).contains(" 401"));
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert!(site.curl("/api/v1/status", &["-H", &bearer]).contains(" 200"));
    let login = format!("{{\"token\":\"{TOKEN}\"}}");
    for (path, body) in [("/login", &*login), ("/logout", "")] {
        let seen = site.curl(path, &["-H", "X-Requested-With: a", "-d", body]);
        let cookie = seen.lines().find(|line| line.to_lowercase().starts_with("set-cookie: "));
        assert!(cookie.is_some_and(|cookie| cookie.contains("; Secure")), "{path}: {seen}");
    }
    let answer = raw(site.admin, b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    site.lb.wait_for_log("TLS handshake failed listener=admin");
    let seen = s_client(site.lb.folder(), site.admin, &["-tls1_2"]);
    assert!(seen.contains("alert") && !seen.contains("HTTP/1.1"), "{seen}");
    // Its certificate is watched, listed and shown like any other.
    site.servers.issue(&["lb.internal", "next.internal"]).write(site.lb.folder(), "admin");
    eventually(PATIENCE, "the next certificate", || {
        names_shown(site.lb.folder(), site.admin).contains("DNS:next.internal")
    });
    site.lb.wait_for_log("is for next.internal, which is not one of admin.hosts");
    let metrics = site.curl("/metrics", &["-H", &bearer]);
    let series = metrics.lines().find(|line| line.contains("listener=\"admin\""));
    assert!(series.is_some_and(|series| series.contains("certificate")), "{metrics}");
}

#[test]
fn a_reload_adds_tls_and_takes_it_away() {
    let site = start(CERTIFICATE);
    let is_plain = || raw(site.admin, b"GET /live HTTP/1.0\r\n\r\n").ends_with(b"live\n");
    assert!(!is_plain() && site.curl("/live", &[]).contains(" 200"));
    for (tls, expected) in [("", true), (CERTIFICATE, false)] {
        let text = text(site.backend.address(), "127.0.0.1:0", tls);
        fs::write(site.lb.folder().join("lb.yaml"), text).unwrap();
        let reloaded = tell(&site.lb, "reload");
        assert_eq!(reloaded.code, Some(0), "{}", reloaded.stderr);
        assert!(reloaded.stdout.contains("admin"), "{}", reloaded.stdout);
        assert_eq!(is_plain(), expected, "{tls}");
    }
    // What a file no longer says of this listener does not open it.
    let text = text(site.backend.address(), "127.0.0.2:0", "").replace("admin:", "#admin:");
    fs::write(site.lb.folder().join("lb.yaml"), text).unwrap();
    assert_eq!(tell(&site.lb, "reload").code, Some(0));
    assert!(!is_plain() && site.curl("/live", &[]).contains(" 200"));
}

#[test]
fn commands_trust_what_they_are_told_to_and_nothing_else() {
    let site = start(CERTIFICATE);
    for command in [&["status"][..], &["certificates"], &["drain", "web", "127.0.0.1:1"]] {
        let refused = site.ask(command);
        let said = &refused.stderr;
        assert_eq!(refused.code, Some(1), "{said}");
        assert!(said.contains("its certificate is not trusted: "), "{said}");
        assert!(said.contains("--cacert FILE"), "{said}");
    }
    // By its authority, or as it is.
    for file in ["ca.pem", "admin.pem"] {
        let done = site.ask(&["status", "--json", "--cacert", file]);
        assert_eq!(done.code, Some(0), "{file}: {}", done.stderr);
        let status: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(status["pools"][0]["name"], "web");
    }
    let listed = site.ask(&["certificates", "--cacert", "ca.pem"]).stdout;
    let line = listed.lines().find(|line| line.contains("lb.internal")).unwrap();
    assert!(line.contains("admin.pem") && line.trim_end().ends_with("admin"), "{listed}");
    // The certificate is not for this name.
    site.servers.issue(&["other.internal"]).write(site.lb.folder(), "admin");
    eventually(PATIENCE, "the other certificate", || {
        names_shown(site.lb.folder(), site.admin).contains("DNS:other.internal")
    });
    let refused = site.ask(&["status", "--cacert", "ca.pem"]);
    assert!(refused.stderr.contains("its certificate is not trusted: "), "{}", refused.stderr);
    // Without TLS the token would be read on the way.
    let plain = format!("http://{}", site.admin);
    let refused = outcome(site.lb.beside(&["status", "--admin", &plain]));
    assert!(refused.stderr.contains("write https:// in the address"), "{}", refused.stderr);
    let useless = outcome(site.lb.beside(&["status", "--admin", &plain, "--cacert", "ca.pem"]));
    assert!(useless.stderr.contains("--cacert has no effect"), "{}", useless.stderr);
}

#[test]
fn commands_with_the_file_trust_the_certificates_that_it_names() {
    let site = start(CERTIFICATE);
    let folder = site.lb.folder();
    // A port of the system's choice is in no file.
    let at_socket = text(site.backend.address(), "unix:admin.sock", CERTIFICATE);
    fs::write(folder.join("socket.yaml"), at_socket.replace("lb.pid", "socket.pid")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "socket.yaml"]);
    let mut lb = site.lb.spawn_beside(command);
    lb.wait_for_log("admin listening");
    let ask = |command: &str| outcome(lb.beside(&[command, "-c", "socket.yaml"]));
    for command in ["status", "certificates"] {
        let done = ask(command);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
    // Of the same authority and for the same names, but not what the file names.
    fs::write(folder.join("lb.yaml"), "").unwrap();
    site.servers.issue(&["lb.internal", "localhost"]).write(folder, "next");
    let next = fs::read_to_string(folder.join("socket.yaml")).unwrap();
    let next = next.replace("admin.pem", "next.pem").replace("admin.key", "next.key");
    fs::write(folder.join("next.yaml"), next).unwrap();
    let refused = outcome(lb.beside(&["status", "-c", "next.yaml"]));
    let said = refused.stderr;
    assert!(said.contains("it is none of those that next.yaml names"), "{said}");
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let site =
        start(&format!("{CERTIFICATE}, client_auth: {{ ca: clients.pem, crl: clients.crl }}"));
    let status = ["status", "--cacert", "ca.pem"];
    let refused = site.ask(&status);
    let said = &refused.stderr;
    assert!(said.contains("CertificateRequired") && said.contains("--cert FILE"), "{said}");
    let revoked =
        site.ask(&[&status[..], &["--cert", "revoked.pem", "--key", "revoked.key"]].concat());
    assert!(revoked.stderr.contains("CertificateRevoked"), "{}", revoked.stderr);
    let done = site.ask(&[&status[..], &["--cert", "ann.pem", "--key", "ann.key"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    // It does not stand for the token.
    let shown = ["--cert", "ann.pem", "--key", "ann.key"];
    assert!(site.curl("/api/v1/status", &shown).contains(" 401"));
    assert!(site.curl("/live", &shown).contains(" 200"));
    assert!(!site.curl("/live", &[]).contains("HTTP/"));
}

#[test]
fn prometheus_scrapes_over_tls() {
    let site = start(CERTIFICATE);
    let authority = site.lb.folder().join("ca.pem");
    let prometheus = Prometheus::scraping_over_tls(site.admin, TOKEN, &authority);
    prometheus.wait_for_value("up{job=\"lb\"}", 1.0);
}

#[test]
fn the_page_works_over_tls_and_keeps_its_cookie_to_itself() {
    let site = start(CERTIFICATE);
    let mut browser = Browser::trusting(&site.certificate.key_hash());
    browser.open(&format!("https://{}/", site.admin));
    browser.forgive("401");
    browser.click("#token");
    browser.type_text(TOKEN);
    browser.click("#login [type=submit]");
    let address = site.backend.address();
    browser.wait_for_text(&format!("[data-backend='{address}'] [data-f=state]"), "eligible");
    assert_eq!(browser.eval("location.protocol"), "https:");
}
