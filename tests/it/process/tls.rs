//! Clients that speak TLS: what `openssl s_client` and `curl` see of it.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Stdio},
};

use nix::{fcntl::OFlag, sys::stat::Mode, unistd::mkfifo};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    browser::Browser,
    certificates::Authority,
    client::{get, raw},
    eventually::eventually,
    process::{LbProcess, new_folder},
    reply::Reply,
};

use super::{access_lines, pid_that, rewrite, tell};

/// A listener with these keys of `tls`, over one backend, and the access log in a file.
pub(super) fn text(backend: SocketAddr, tls: &str, rest: &str) -> String {
    format!(
        "listeners: [ {{ address: 127.0.0.1:0, tls: {{ {tls} }} }} ]\nroutes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [ {{ address: {backend} }} ] }} }}\n\
         access_log: {{ path: access.log }}\npid_file: lb.pid\n{rest}\n"
    )
}

/// What a command prints, on both outputs.
pub(super) fn run(command: &mut Command, input: &str) -> String {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A command that has ended takes no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// `openssl s_client` with these arguments in this folder, and one request.
pub(super) fn s_client(folder: &Path, address: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args(["20", "openssl", "s_client", "-connect", &address.to_string()]);
    command.args(["-ign_eof", "-CAfile", "ca.pem"]).args(arguments).current_dir(folder);
    run(&mut command, "GET /openssl HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
}

pub(super) fn curl(folder: &Path, address: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    let connect = format!("::{address}");
    command.args(["-sS", "-i", "-m", "20", "--cacert", "ca.pem", "--connect-to", &connect]);
    run(command.args(arguments).current_dir(folder), "")
}

/// A process with a certificate for `shop.example` and one for `*.wild.example`.
fn start(backend: &ScriptedBackend, tls: &str) -> (LbProcess, SocketAddr, Authority) {
    let folder = new_folder();
    let authority = Authority::new("lb test");
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    authority.issue(&["shop.example"]).write(folder.path(), "shop");
    authority.issue(&["*.wild.example"]).write(folder.path(), "wild");
    let pairs =
        "certificates: [ { cert: shop.pem, key: shop.key }, { cert: wild.pem, key: wild.key } ]";
    let text = text(backend.address(), &format!("{pairs}, {tls}"), "");
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, command);
    let address = lb.address();
    (lb, address, authority)
}

#[test]
fn a_client_gets_the_certificate_for_its_name_in_each_version() {
    let a = ScriptedBackend::named("a");
    let (lb, address, _) = start(&a, "hsts: 180d");
    for (name, subject, arguments) in [
        ("shop.example", "shop.example", &["-tls1_3"][..]),
        ("shop.example", "shop.example", &["-tls1_2"]),
        ("a.wild.example", "*.wild.example", &[]),
        ("other.example", "shop.example", &[]),
        ("a.b.wild.example", "shop.example", &[]),
    ] {
        let arguments = [&["-servername", name], arguments].concat();
        let seen = s_client(lb.folder(), address, &arguments);
        assert!(seen.contains("Verify return code: 0"), "{name}: {seen}");
        assert!(seen.contains("HTTP/1.1 200"), "{name}: {seen}");
        let text = format!("DNS:{subject}");
        let pem = seen.split("-----BEGIN").nth(1).map(|pem| format!("-----BEGIN{pem}"));
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-ext", "subjectAltName"]);
        let names = run(&mut command, &pem.unwrap_or_default());
        assert!(names.contains(&text), "{name}: {names}");
    }
    let seen = curl(lb.folder(), address, &["https://shop.example/curl"]);
    assert!(seen.contains("strict-transport-security: max-age=15552000"), "{seen}");
    let request = a.requests().pop().unwrap();
    assert_eq!(request.header_lines("x-forwarded-proto"), ["https"]);
    assert_eq!(request.header_lines("x-forwarded-for"), ["127.0.0.1"]);
    let lines = access_lines(&lb, 6);
    let line = lines.iter().find(|line| line["path"] == "/curl").unwrap();
    assert_eq!((&line["scheme"], &line["tls_version"]), (&"https".into(), &"1.3".into()));
    assert_eq!((&line["sni"], &line["alpn"]), (&"shop.example".into(), &"h2".into()));
    assert!(line["cipher"].as_str().unwrap().starts_with("TLS_"), "{line}");
    assert!(lines.iter().any(|line| line["tls_version"] == "1.2"));
}

#[test]
fn protocols_that_have_nothing_in_common_do_not_end_the_handshake() {
    let a = ScriptedBackend::named("a");
    let (lb, address, _) = start(&a, "");
    let seen = s_client(lb.folder(), address, &["-alpn", "imap"]);
    assert!(seen.contains("No ALPN negotiated") && seen.contains("HTTP/1.1 200"), "{seen}");
    let seen = s_client(lb.folder(), address, &["-alpn", "imap,http/1.1"]);
    assert!(seen.contains("ALPN protocol: http/1.1"), "{seen}");
}

#[test]
fn a_client_chooses_its_protocol_in_the_handshake() {
    let a = ScriptedBackend::named("a");
    let (lb, address, _) = start(&a, "");
    for (option, version, protocol, alpn) in [
        ("--http2", "HTTP/2 200", "HTTP/2.0", "h2"),
        ("--http1.1", "HTTP/1.1 200", "HTTP/1.1", "http/1.1"),
    ] {
        let path = format!("https://shop.example/{alpn}");
        let seen = curl(lb.folder(), address, &[option, &path]);
        assert!(seen.starts_with(version), "{seen}");
        let lines = access_lines(&lb, a.requests().len());
        let line = lines.iter().find(|line| line["path"] == format!("/{alpn}")).unwrap();
        assert_eq!((&line["protocol"], &line["alpn"]), (&protocol.into(), &alpn.into()), "{line}");
    }
    let request = a.requests().remove(0);
    assert_eq!(request.header_lines("x-forwarded-proto"), ["https"]);
    assert_eq!(request.header_lines("host"), ["shop.example"]);
}

#[test]
fn a_browser_is_served_over_tls() {
    let a = ScriptedBackend::named("a");
    let page = "<!doctype html><p id=a>served</p><script>document.querySelector('#a').append(
        ' by ' + performance.getEntriesByType('navigation')[0].nextHopProtocol)</script>";
    a.reply_to("/", Reply::status(200).header("Content-Type", "text/html").body(page));
    let (lb, address, authority) = start(&a, "");
    let certificate = authority.issue(&["shop.example", "localhost"]);
    certificate.write(lb.folder(), "shop");
    assert_eq!(tell(&lb, "reload").code, Some(0));
    let mut browser = Browser::trusting(&certificate.key_hash());
    browser.forgive("favicon");
    browser.open(&format!("https://localhost:{}/", address.port()));
    browser.wait_for_text("#a", "served by h2");
    let line = access_lines(&lb, 1).remove(0);
    assert_eq!((&line["protocol"], &line["scheme"]), (&"HTTP/2.0".into(), &"https".into()));
}

#[test]
fn what_the_configuration_refuses_is_refused() {
    let a = ScriptedBackend::named("a");
    let (lb, address, _) = start(&a, "min_version: \"1.3\", unknown_sni: refuse");
    let seen = s_client(lb.folder(), address, &["-servername", "shop.example", "-tls1_2"]);
    assert!(seen.contains("alert") && !seen.contains("HTTP/1.1"), "{seen}");
    let seen = s_client(lb.folder(), address, &["-servername", "other.example"]);
    assert!(seen.contains("alert") && !seen.contains("HTTP/1.1"), "{seen}");
    let seen = s_client(lb.folder(), address, &["-servername", "shop.example"]);
    assert!(seen.contains("HTTP/1.1 200"), "{seen}");
    let seen = s_client(lb.folder(), address, &["-noservername"]);
    assert!(seen.contains("HTTP/1.1 200"), "{seen}");
}

#[test]
fn what_is_no_tls_gets_an_answer_and_what_comes_too_slowly_gets_none() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address, _) = start(&a, "handshake: 1s");
    let answer = raw(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{answer}");
    lb.wait_for_log("\"reason\":\"not_tls\"");
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).expect("it is closed"), 0);
    }
    let seen = s_client(lb.folder(), address, &["-servername", "shop.example"]);
    assert!(seen.contains("HTTP/1.1 200"), "{seen}");
}

#[test]
fn a_session_goes_on_after_a_reload_and_in_the_next_process() {
    let a = ScriptedBackend::named("a");
    let (lb, _, _) = start(&a, "");
    // With a port of its own the address would be another one after the upgrade.
    let mut lb = lb;
    let address = lb.address();
    for version in ["-tls1_2", "-tls1_3"] {
        let saved = format!("session{version}");
        let arguments = ["-servername", "shop.example", version];
        let seen =
            s_client(lb.folder(), address, &[&arguments[..], &["-sess_out", &saved]].concat());
        assert!(seen.contains("New, TLS"), "{seen}");
    }
    assert_eq!(tell(&lb, "reload").code, Some(0));
    for turn in 0..2 {
        for version in ["-tls1_2", "-tls1_3"] {
            let saved = format!("session{version}");
            let arguments = ["-servername", "shop.example", version, "-sess_in", &saved];
            let seen = s_client(lb.folder(), address, &arguments);
            assert!(
                seen.contains("Reused, TLS") && seen.contains("HTTP/1.1 200"),
                "{turn}: {seen}"
            );
        }
        if turn == 0 {
            let before = pid_that(&lb, |_| true);
            let outcome = tell(&lb, "upgrade");
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            assert_ne!(pid_that(&lb, |_| true), before);
        }
    }
    let lines = access_lines(&lb, 6);
    assert_eq!(lines.iter().filter(|line| line["resumed"] == true).count(), 4);
}

#[test]
fn a_certificate_in_the_place_of_another_is_used_and_a_broken_one_is_not() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address, authority) = start(&a, "");
    let names = |lb: &LbProcess| {
        let seen = s_client(lb.folder(), address, &["-servername", "new.example"]);
        let pem = seen.split("-----BEGIN").nth(1).map(|pem| format!("-----BEGIN{pem}"));
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-ext", "subjectAltName"]);
        run(&mut command, &pem.unwrap_or_default())
    };
    authority.issue(&["shop.example", "new.example"]).write(lb.folder(), "shop");
    eventually(PATIENCE, "the new certificate", || names(&lb).contains("DNS:new.example"));
    fs::write(lb.folder().join("shop.pem"), "broken").unwrap();
    lb.wait_for_log("shop.pem (with shop.key) has no certificate");
    assert!(names(&lb).contains("DNS:new.example"));

    authority.issue(&["new.example"]).write(lb.folder(), "shop");
    let text = fs::read_to_string(lb.folder().join("lb.yaml")).unwrap();
    let later = "certificates: [ { cert: later.pem, key: later.key }, ";
    rewrite(&lb, &text.replacen("certificates: [ ", later, 1));
    let outcome = tell(&lb, "reload");
    assert!(outcome.stderr.contains("later.pem cannot be read"), "{}", outcome.stderr);
    authority.issue(&["new.example", "later.example"]).write(lb.folder(), "later");
    let says = || s_client(lb.folder(), address, &["-servername", "later.example"]);
    eventually(PATIENCE, "the certificate that came later", || {
        run(Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName"]), &says())
            .contains("DNS:later.example")
    });
}

#[test]
fn each_kind_of_wrong_pair_is_told_with_its_file() {
    let folder = new_folder();
    let path = |name: &str| folder.path().join(name);
    let (authority, other) = (Authority::new("one"), Authority::new("two"));
    let good = authority.issue(&["shop.example"]);
    good.write(folder.path(), "good");
    authority.issue_between(&["a.example"], 2000, 2001).write(folder.path(), "expired");
    authority.issue_between(&["a.example"], 3000, 4000).write(folder.path(), "early");
    let mut mixed = authority.issue(&["a.example"]);
    mixed.key = other.issue(&["a.example"]).key;
    mixed.write(folder.path(), "mixed");
    let mut broken = authority.issue(&["a.example"]);
    let leaf = broken.chain.find("-----END").unwrap();
    broken.chain.truncate(leaf);
    broken.chain.push_str("-----END CERTIFICATE-----\n");
    broken.chain.push_str(&other.pem());
    broken.write(folder.path(), "chain");
    fs::create_dir(path("certs")).unwrap();
    fs::write(path("both.pem"), format!("{}{}", good.chain, good.key)).unwrap();
    fs::write(path("certs/ca.crt"), authority.pem()).unwrap();
    let check = |certificates: &str| {
        let backend = ([127, 0, 0, 1], 9).into();
        let tls = format!("certificates: [ {certificates} ]");
        let text =
            text(backend, &tls, "").replace("{ pool: web }", "{ pool: web, host: shop.example }");
        fs::write(path("lb.yaml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["-t", "-c", "lb.yaml"]).current_dir(folder.path());
        run(&mut command, "")
    };
    for (certificates, expected) in [
        ("{ cert: good.pem, key: good.key }", "ok: 1 listener"),
        ("{ cert: both.pem }", "ok: 1 listener"),
        ("{ cert: good.pem }", "good.pem has no private key"),
        ("{ cert: none.pem }", "none.pem cannot be read: there is no such file"),
        ("{ cert: expired.pem, key: expired.key }", "that expired on 2001-01-01"),
        ("{ cert: early.pem, key: early.key }", "that is not valid before 3000-01-01"),
        (
            "{ cert: mixed.pem, key: mixed.key }",
            "has a key that does not belong to its certificate",
        ),
        (
            "{ cert: chain.pem, key: chain.key }",
            "has a broken chain: certificate 1 in the file is from",
        ),
        ("{ directory: certs }", "certs has no certificate with its key"),
        ("{ directory: nowhere }", "nowhere cannot be read: there is no such file"),
    ] {
        let said = check(certificates);
        assert!(said.contains(expected), "{certificates}: {said}");
        let is_told = said.contains("lb.yaml:1: listeners[0].tls.certificates[0]: ");
        assert_eq!(is_told, !expected.starts_with("ok"), "{said}");
    }
    fs::write(path("certs/tls.crt"), &good.chain).unwrap();
    fs::write(path("certs/tls.key"), &good.key).unwrap();
    assert!(check("{ directory: certs }").contains("ok: 1 listener"));
    authority.issue(&["unused.example"]).write(folder.path(), "unused");
    let said = check("{ cert: unused.pem, key: unused.key }");
    assert!(said.contains("is for unused.example, which no route has"), "{said}");
}

#[test]
fn a_listener_that_redirects_keeps_host_path_and_query() {
    let a = ScriptedBackend::named("a");
    for (redirect, port) in [("true", ""), ("8443", ":8443"), ("443", "")] {
        let redirect = format!("redirect_to_https: {redirect}");
        let text = text(a.address(), "", "").replace("tls: {  }", &redirect);
        let mut lb = LbProcess::with_config(&text, &[]);
        let address = lb.address();
        let answer = raw(
            address,
            b"GET /a%20b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\nConnection: close\r\n\r\n",
        );
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        let location = format!("\r\nlocation: https://shop.example{port}/a%20b?c=d\r\n");
        assert!(answer.to_lowercase().contains(&location), "{answer}");
        let answer = raw(address, b"GET / HTTP/1.0\r\n\r\n");
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(a.requests().len(), 0);
}

/// Whether some process has this pipe open to read it.
fn is_read(pipe: &Path) -> bool {
    let mut options = fs::OpenOptions::new();
    options.write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(pipe).is_ok()
}

#[test]
fn a_process_without_tls_reads_no_certificates_of_the_system() {
    let a = ScriptedBackend::named("a");
    let folder = new_folder();
    let pipe = folder.path().join("store");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let store = pipe.display().to_string();
    // Reading it would have no end.
    let variables = [("SSL_CERT_FILE", &*store), ("SSL_CERT_DIR", "/nowhere")];
    let text = text(a.address(), "", "").replace(", tls: {  }", "");
    let mut lb = LbProcess::with_environment(&text, &variables);
    let address = lb.address();
    assert_eq!(get(address, "/").status, 200);
    assert_eq!(tell(&lb, "reload").code, Some(0));
    assert!(!is_read(&pipe));
    // A command that needs them does read them there.
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["status", "--admin", "https://127.0.0.1:9"]).envs(variables);
    let _asking = lb.spawn_beside(command);
    eventually(PATIENCE, "the system's certificates are read", || is_read(&pipe));
}
