//! Certificates and keys in every form in which they come.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{
    backend::ScriptedBackend,
    certificates::{Authority, Pem},
    metrics::Asked,
    process::{LbProcess, new_folder},
};

use super::{
    outcome,
    tls::{run, s_client, text},
};

/// The key in another form, by the means of `openssl`.
fn converted(pem: &Pem, arguments: &[&str]) -> String {
    let text = run(Command::new("openssl").args(arguments), &pem.key);
    let begin = text.find("-----BEGIN").unwrap_or_else(|| panic!("{arguments:?}: {text}"));
    text[begin..].to_owned()
}

fn serving(folder: tempfile::TempDir, backend: &ScriptedBackend, certificates: &str) -> LbProcess {
    let tls = format!("certificates: [ {certificates} ], unknown_sni: refuse");
    fs::write(folder.path().join("lb.yaml"), text(backend.address(), &tls, "")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    LbProcess::spawn(folder, command)
}

#[test]
fn a_key_may_have_any_form_and_be_in_the_file_of_its_certificate() {
    let a = ScriptedBackend::named("a");
    let (folder, authority) = (new_folder(), Authority::new("lb test"));
    let certs = folder.path().join("certs");
    fs::create_dir(&certs).unwrap();
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let write = |name: &str, text: &str| fs::write(certs.join(name), text).unwrap();
    let pkcs8 = authority.issue(&["pkcs8.example"]);
    assert!(pkcs8.key.contains("BEGIN PRIVATE KEY"), "{}", pkcs8.key);
    pkcs8.write(&certs, "pkcs8");
    let sec1 = authority.issue(&["sec1.example"]);
    let key = converted(&sec1, &["ec"]);
    assert!(key.contains("BEGIN EC PRIVATE KEY"), "{key}");
    // As `openssl ecparam -genkey` writes it, the parameters of the curve come first.
    let parameters = converted(&sec1, &["ecparam", "-name", "prime256v1"]);
    write("sec1.crt", &sec1.chain);
    write("sec1.key", &(parameters + &key));
    let pkcs1 = authority.issue_rsa(&["pkcs1.example"]);
    let key = converted(&pkcs1, &["rsa", "-traditional"]);
    assert!(key.contains("BEGIN RSA PRIVATE KEY"), "{key}");
    write("pkcs1.pem", &pkcs1.chain);
    write("pkcs1.key", &key);
    let behind = authority.issue(&["behind.example"]);
    write("behind.pem", &(behind.chain + &behind.key));
    let before = authority.issue(&["before.example"]);
    write("before.cer", &(before.key + &before.chain));
    let kubernetes = authority.issue(&["kubernetes.example"]);
    write("tls.crt", &kubernetes.chain);
    write("tls.key", &kubernetes.key);
    write("ca.crt", &authority.pem());
    let mut lb = serving(folder, &a, "{ directory: certs }");
    let address = lb.address();
    for name in ["pkcs8", "sec1", "pkcs1", "behind", "before", "kubernetes"] {
        let name = format!("{name}.example");
        let seen =
            s_client(lb.folder(), address, &["-servername", &name, "-verify_hostname", &name]);
        assert!(seen.contains("Verify return code: 0"), "{name}: {seen}");
        assert!(seen.contains("HTTP/1.1 200"), "{name}: {seen}");
    }
}

#[test]
fn of_two_certificates_for_a_name_a_client_gets_one_that_it_knows() {
    let a = ScriptedBackend::named("a");
    let (folder, authority) = (new_folder(), Authority::new("lb test"));
    let path: &Path = folder.path();
    fs::write(path.join("ca.pem"), authority.pem()).unwrap();
    authority.issue_rsa(&["shop.example"]).write(path, "rsa");
    authority.issue(&["shop.example"]).write(path, "ecdsa");
    authority.issue_rsa(&["rsa.example"]).write(path, "alone");
    let pairs = "{ cert: rsa.pem, key: rsa.key }, { cert: ecdsa.pem, key: ecdsa.key }, \
                 { cert: alone.pem, key: alone.key }";
    let mut lb = serving(folder, &a, pairs);
    let address = lb.address();
    for (name, arguments, expected) in [
        ("shop.example", &["-tls1_3"][..], "Peer signature type: ECDSA"),
        ("shop.example", &["-tls1_2"], "Peer signature type: ECDSA"),
        (
            "shop.example",
            &["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"],
            "Peer signature type: RSA-PSS",
        ),
        (
            "shop.example",
            &["-tls1_2", "-sigalgs", "RSA-PSS+SHA256"],
            "Peer signature type: RSA-PSS",
        ),
        (
            "shop.example",
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
            "Cipher is ECDHE-RSA-AES128-GCM-SHA256",
        ),
        (
            "shop.example",
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
            "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        // Whatever the client prefers.
        (
            "shop.example",
            &["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"],
            "Cipher is TLS_AES_128_GCM_SHA256",
        ),
        ("rsa.example", &["-tls1_3"], "Peer signature type: RSA-PSS"),
        ("rsa.example", &["-tls1_2"], "Peer signature type: RSA-PSS"),
    ] {
        let seen = s_client(lb.folder(), address, &[&["-servername", name], arguments].concat());
        assert!(seen.contains(expected), "{name} {arguments:?}: {seen}");
        assert!(seen.contains("HTTP/1.1 200"), "{name} {arguments:?}: {seen}");
    }
}

#[test]
fn certificates_are_listed_and_those_that_end_soon_are_warned_of() {
    let a = ScriptedBackend::named("a");
    let (folder, authority) = (new_folder(), Authority::new("lb test"));
    authority
        .issue_for_days(&["soon.example", "www.soon.example"], 13)
        .write(folder.path(), "soon");
    authority.issue_for_days(&["later.example"], 90).write(folder.path(), "later");
    let tls = "{ certificates: [ { cert: soon.pem, key: soon.key }, { cert: later.pem, key: later.key } ] }";
    let listeners = format!(
        "listeners: [ {{ address: 127.0.0.1:0, tls: {tls} }}, {{ address: 127.0.0.2:0, tls: {tls} }} ]"
    );
    let rest = "admin: { address: 127.0.0.1:0 }";
    let yaml = text(a.address(), "", rest);
    let yaml = yaml.replace("listeners: [ { address: 127.0.0.1:0, tls: {  } } ]", &listeners);
    fs::write(folder.path().join("lb.yaml"), yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, command);
    lb.wait_for_log("soon.pem expires on");
    let asked = Asked::of(&mut lb);
    let admin = format!("http://{}", asked.0);
    let list = |arguments: &[&str]| {
        let arguments = [&["certificates", "--admin", &admin], arguments].concat();
        outcome(lb.beside(&arguments)).stdout
    };
    let said = list(&[]);
    let line = said.lines().find(|line| line.starts_with("soon.example,www.soon.example")).unwrap();
    // The thirteenth day has begun.
    for part in ["  12  ", "CN=lb test", "soon.pem", "127.0.0.1:0,127.0.0.2:0"] {
        assert!(line.contains(part), "{part}: {said}");
    }
    assert!(said.contains("later.example") && said.contains("  89  "), "{said}");
    let listed: Value = serde_json::from_str(&list(&["--json"])).unwrap();
    assert_eq!(listed["certificates"][0]["days_left"], 12, "{listed}");
    assert_eq!(listed["certificates"].as_array().unwrap().len(), 2, "{listed}");
    let status = asked.api("/api/v1/status");
    assert_eq!(status["listeners"][1]["certificate_days_left"], 12, "{status}");
}
