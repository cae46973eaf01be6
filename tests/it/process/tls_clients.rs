//! Clients that show a certificate of their own: what lets them in, what keeps them out, and what backends
//! are told.

use std::{fs, net::SocketAddr, process::Command};

use crate::support::{
    backend::ScriptedBackend,
    certificates::Authority,
    metrics::Asked,
    process::{LbProcess, new_folder},
};

use super::{
    access_lines, tell,
    tls::{curl, run, s_client},
};

const CERTIFICATE: &str = "certificates: [ { cert: shop.pem, key: shop.key } ]";
const REQUIRED: &str = "client_auth: { ca: clients.pem, crl: clients.crl }";

/// The authorities and the certificates of a test, in files of one folder.
struct Site {
    lb: LbProcess,
    addresses: Vec<SocketAddr>,
}

/// A process with these listeners, each in YAML.
fn start(backend: &ScriptedBackend, listeners: &[&str]) -> Site {
    let folder = new_folder();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", &servers.pem());
    write("clients.pem", &clients.pem());
    write("clients.crl", &clients.revoke(&[3], 4000));
    write("revoked.crl", &clients.revoke(&[1, 3], 4000));
    let names = ["shop.example", "admin.example", "staff.example", "other.example"];
    servers.issue(&names).write(folder.path(), "shop");
    clients.issue_client("ann", 1, 4000).write(folder.path(), "ann");
    clients.issue_client("eve", 2, 2001).write(folder.path(), "expired");
    clients.issue_client("bob", 3, 4000).write(folder.path(), "revoked");
    Authority::new("clients").issue_client("mallory", 1, 4000).write(folder.path(), "impostor");
    Authority::new("others").issue_client("mallory", 1, 4000).write(folder.path(), "unknown");
    write("lb.yaml", &text(backend, listeners));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, command);
    let addresses = lb.addresses(listeners.len());
    Site { lb, addresses }
}

fn text(backend: &ScriptedBackend, listeners: &[&str]) -> String {
    let address = backend.address();
    // Apart by their hosts: listeners are known by their addresses in the file, and port 0 is one.
    let listener = |(place, rest): (usize, &&str)| {
        format!("  - {{ address: 127.0.0.{}:0{rest} }}\n", place + 1)
    };
    let listeners: Vec<_> = listeners.iter().enumerate().map(listener).collect();
    format!(
        "listeners:\n{}routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [ {{ address: {address} }} ] }} }}\n\
         access_log: {{ path: access.log }}\npid_file: lb.pid\nadmin: {{ address: 127.0.0.1:0 }}\n",
        listeners.concat()
    )
}

fn tls(rest: &str) -> String {
    format!(", tls: {{ {CERTIFICATE}, {rest} }}")
}

impl Site {
    /// What `curl` prints that shows this certificate, or none for an empty name.
    fn curl(&self, listener: usize, certificate: &str, arguments: &[&str]) -> String {
        let (pem, key) = (format!("{certificate}.pem"), format!("{certificate}.key"));
        let shown = ["--cert", &pem, "--key", &key];
        let shown = if certificate.is_empty() { &[] } else { &shown[..] };
        curl(self.lb.folder(), self.addresses[listener], &[shown, arguments].concat())
    }

    fn s_client(&self, listener: usize, arguments: &[&str]) -> String {
        s_client(self.lb.folder(), self.addresses[listener], arguments)
    }

    /// Loads a configuration with these listeners in place of the present ones.
    fn reload(&self, backend: &ScriptedBackend, listeners: &[&str]) {
        fs::write(self.lb.folder().join("lb.yaml"), text(backend, listeners)).unwrap();
        let outcome = tell(&self.lb, "reload");
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }

    fn fingerprint(&self, certificate: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
        command.arg(format!("{certificate}.pem")).current_dir(self.lb.folder());
        let said = run(&mut command, "");
        said.trim().split('=').nth(1).unwrap().replace(':', "").to_lowercase()
    }
}

#[test]
fn a_valid_certificate_lets_a_client_in_and_every_other_is_refused_and_counted() {
    let a = ScriptedBackend::named("a");
    let mut site = start(&a, &[&tls(REQUIRED)]);
    let lies = ["-H", "X-Client-Cert-Subject: CN=root", "-H", "x-client_cert-verified: true"];
    let arguments = [&["https://shop.example/in"], &lies[..]].concat();
    for version in ["--tls-max 1.2", "--tlsv1.3"] {
        let version: Vec<_> = version.split(' ').collect();
        let seen = site.curl(0, "ann", &[&arguments[..], &version].concat());
        assert!(seen.contains(" 200"), "{seen}");
    }
    for request in a.requests() {
        let lines = |name| request.header_lines(name);
        assert_eq!(lines("x-client-cert-verified"), ["true"]);
        assert_eq!(lines("x-client-cert-subject"), ["CN=ann,O=Shop\\, Inc."]);
        assert_eq!(lines("x-client-cert-san"), ["DNS:ann.clients.example"]);
        assert_eq!(lines("x-client-cert-fingerprint"), [site.fingerprint("ann")]);
        assert!(lines("x-client_cert-verified").is_empty());
        assert!(lines("client-cert").is_empty());
    }
    for line in access_lines(&site.lb, 2) {
        assert_eq!(line["client_cert"], "CN=ann,O=Shop\\, Inc.");
    }
    let cases = [
        ("", "certificate required", "client_cert_missing"),
        ("expired", "certificate expired", "client_cert_expired"),
        ("revoked", "certificate revoked", "client_cert_revoked"),
        ("unknown", "unknown ca", "client_cert_unknown"),
        ("impostor", "decrypt error", "client_cert_unknown"),
    ];
    for (certificate, alert, _) in cases {
        let (pem, key) = (format!("{certificate}.pem"), format!("{certificate}.key"));
        let shown = ["-cert", &pem, "-key", &key];
        let shown = if certificate.is_empty() { &[] } else { &shown[..] };
        let seen = site.s_client(0, &[&["-servername", "shop.example"], shown].concat());
        assert!(seen.contains(&format!("alert {alert}")), "{certificate}: {seen}");
        assert!(!seen.contains("HTTP/"), "{certificate}: {seen}");
    }
    assert_eq!(a.requests().len(), 2);
    let scrape = Asked::of(&mut site.lb).scrape();
    let counted = scrape.by("lb_listener_tls_handshakes_total", "result");
    for (_, _, reason) in cases {
        let expected = cases.iter().filter(|case| case.2 == reason).count();
        assert!(counted.contains(&(reason.to_owned(), expected)), "{counted:?}");
    }
    site.lb.wait_for_log("\"reason\":\"client_cert_");
}

#[test]
fn a_certificate_may_be_optional_and_told_as_it_is() {
    let a = ScriptedBackend::named("a");
    let listeners = [
        tls("client_auth: { ca: clients.pem, mode: optional }"),
        tls("client_auth: { ca: clients.pem, mode: optional, fields: client-cert }"),
        tls("hsts: off"),
        String::new(),
    ];
    let site = start(&a, &listeners.each_ref().map(String::as_str));
    let lies = ["-H", "X-Client-Cert-Verified: true", "-H", "Client-Cert: :AAAA:"];
    let last = |name: &str| {
        let request = a.requests().pop().unwrap();
        request.header_lines(name).iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()
    };
    let shop = [&["https://shop.example/"], &lies[..]].concat();
    assert!(site.curl(0, "ann", &shop).contains(" 200"));
    assert_eq!(
        (last("x-client-cert-verified"), last("client-cert").len()),
        (vec!["true".into()], 0)
    );
    assert!(site.curl(0, "", &shop).contains(" 200"));
    assert_eq!(
        (last("x-client-cert-verified"), last("client-cert").len()),
        (vec!["false".into()], 0)
    );
    assert!(last("x-client-cert-subject").is_empty());
    assert!(!site.curl(0, "unknown", &shop).contains("HTTP/"));
    assert!(site.curl(1, "ann", &shop).contains(" 200"));
    let told = last("client-cert");
    let pem = fs::read_to_string(site.lb.folder().join("ann.pem")).unwrap();
    let leaf: String = pem.lines().skip(1).take_while(|line| !line.contains("END")).collect();
    assert_eq!(told, [format!(":{leaf}:")]);
    assert!(last("x-client-cert-verified").is_empty());
    for (listener, url) in [(1, "https"), (2, "https"), (3, "http")] {
        let url = format!("{url}://shop.example/");
        let shop = [&[&*url], &lies[..]].concat();
        assert!(site.curl(listener, "", &shop).contains(" 200"));
        assert!(last("client-cert").is_empty() && last("x-client-cert-verified").is_empty());
    }
}

#[test]
fn what_a_client_says_is_removed_where_no_certificate_is_asked_for() {
    let a = ScriptedBackend::named("a");
    let site = start(&a, &[&tls("hsts: off"), ""]);
    for (listener, url) in [(0, "https://shop.example/"), (1, "http://shop.example/")] {
        let lies = ["-H", "x-client-cert-verified: true", "-H", "Client-Cert: :AAAA:"];
        assert!(site.curl(listener, "", &[&[url], &lies[..]].concat()).contains(" 200"));
        let request = a.requests().pop().unwrap();
        assert!(request.header_lines("x-client-cert-verified").is_empty());
        assert!(request.header_lines("client-cert").is_empty());
    }
}

#[test]
fn a_host_with_another_rule_than_its_connections_is_misdirected() {
    let a = ScriptedBackend::named("a");
    let rule = "client_auth: { ca: clients.pem }";
    let hosts = format!(
        "hosts: [ {{ host: admin.example, {rule} }}, {{ host: \"*.deep.example\", {rule} }}, \
         {{ host: staff.example, client_auth: {{ ca: clients.pem, mode: optional }} }} ]"
    );
    let site = start(&a, &[&tls(&hosts)]);
    let ask = |certificate: &str, name: &str, host: &str| {
        let (url, host) = (format!("https://{name}/"), format!("Host: {host}"));
        let seen = site.curl(0, certificate, &[&url, "-H", &host]);
        seen.split(' ').nth(1).map(|status| status.chars().take(3).collect::<String>())
    };
    let status = |status: &str| Some(status.to_owned());
    assert_eq!(ask("", "shop.example", "shop.example"), status("200"));
    assert_eq!(ask("", "shop.example", "other.example"), status("200"));
    assert_eq!(ask("ann", "admin.example", "admin.example"), status("200"));
    assert_eq!(ask("ann", "admin.example", "a.deep.example"), status("200"));
    assert_eq!(ask("", "staff.example", "staff.example"), status("200"));
    let before = a.requests().len();
    for host in [
        "admin.example",
        "ADMIN.example",
        "admin.example.",
        "admin.example:8443",
        "admin.example.:1",
        "a.b.deep.example",
        "staff.example",
    ] {
        assert_eq!(ask("", "shop.example", host), status("421"), "{host}");
    }
    assert_eq!(ask("ann", "admin.example", "shop.example"), status("421"));
    assert_eq!(ask("", "staff.example", "admin.example"), status("421"));
    assert_eq!(a.requests().len(), before);
    let seen = site.curl(0, "", &["https://admin.example/"]);
    assert!(!seen.contains("HTTP/1.1"), "{seen}");
    let seen = site.s_client(0, &["-noservername"]);
    assert!(seen.contains("HTTP/1.1 200"), "{seen}");
}

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];
const ANN: [&str; 4] = ["-cert", "ann.pem", "-key", "ann.key"];

/// Opens a session in each version and saves it.
fn save(site: &Site, listener: usize, name: &str, shown: &[&str]) {
    for version in VERSIONS {
        let saved = format!("{name}{version}");
        let asked = ["-servername", "shop.example", version, "-sess_out", &saved];
        let seen = site.s_client(listener, &[&asked[..], shown].concat());
        assert!(seen.contains("New, TLS") && seen.contains("HTTP/1.1 200"), "{version}: {seen}");
    }
}

/// What comes of an attempt to go on with each saved session, without a certificate.
fn resume(site: &Site, listener: usize, name: &str) -> [String; 2] {
    VERSIONS.map(|version| {
        let saved = format!("{name}{version}");
        site.s_client(listener, &["-servername", "shop.example", version, "-sess_in", &saved])
    })
}

fn assert_refused(seen: [String; 2]) {
    for seen in seen {
        assert!(!seen.contains("HTTP/1.1") && seen.contains("alert"), "{seen}");
    }
}

#[test]
fn a_session_never_goes_on_under_another_rule() {
    let a = ScriptedBackend::named("a");
    let open = tls("hsts: off");
    let optional = tls("client_auth: { ca: clients.pem, crl: clients.crl, mode: optional }");
    let required = tls(REQUIRED);
    let site = start(&a, &[&open, &optional, &required]);
    save(&site, 0, "open", &[]);
    save(&site, 1, "optional", &[]);
    save(&site, 2, "required", &ANN);
    for seen in resume(&site, 2, "required") {
        assert!(seen.contains("Reused, TLS") && seen.contains("HTTP/1.1 200"), "{seen}");
        let request = a.requests().pop().unwrap();
        assert_eq!(request.header_lines("x-client-cert-subject"), ["CN=ann,O=Shop\\, Inc."]);
    }
    // On another listener.
    assert_refused(resume(&site, 2, "open"));
    assert_refused(resume(&site, 2, "optional"));
    for seen in resume(&site, 1, "required") {
        assert!(seen.contains("New, TLS"), "{seen}");
        let request = a.requests().pop().unwrap();
        assert_eq!(request.header_lines("x-client-cert-verified"), ["false"]);
    }
    // On the same listener, whose rule is another one since.
    let revoked = tls("client_auth: { ca: clients.pem, crl: revoked.crl }");
    site.reload(&a, &[&required, &required, &revoked]);
    assert_refused(resume(&site, 0, "open"));
    assert_refused(resume(&site, 1, "optional"));
    assert_refused(resume(&site, 2, "required"));
}

#[test]
fn what_is_wrong_with_the_files_is_told() {
    let a = ScriptedBackend::named("a");
    let site = start(&a, &[&tls(REQUIRED)]);
    let folder = site.lb.folder();
    fs::write(folder.join("old.crl"), Authority::new("clients").revoke(&[], 2001)).unwrap();
    fs::write(folder.join("others.crl"), Authority::new("others").revoke(&[], 4000)).unwrap();
    for (rule, expected) in [
        ("{ ca: none.pem }", "none.pem cannot be read: there is no such file"),
        ("{ ca: shop.key }", "shop.key has no certificate"),
        ("{ ca: clients.pem, crl: ca.pem }", "ca.pem has no list of revoked certificates"),
        (
            "{ ca: clients.pem, crl: old.crl }",
            "old.crl has a list that is out of date since 2001-01-01",
        ),
        (
            "{ ca: clients.pem, crl: others.crl }",
            "clients.pem has an authority without a list of revoked certificates",
        ),
    ] {
        let listener = tls(&format!("client_auth: {rule}"));
        fs::write(folder.join("lb.yaml"), text(&a, &[&listener])).unwrap();
        let said = tell(&site.lb, "-t");
        assert!(said.stderr.contains(expected), "{rule}: {}", said.stderr);
        assert!(said.stderr.contains("listeners[0].tls.client_auth: "), "{}", said.stderr);
    }
}
