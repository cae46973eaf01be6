//! Clients that others have written: `curl`, `nghttp` and `h2load`.

use std::process::Command;

use tempfile::TempDir;

use crate::support::{backend::ScriptedBackend, lb::Lb, process::new_folder, reply::Reply};

/// What a program prints; it must succeed.
#[track_caller]
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program}: {error}; scripts/install-build-tools.sh test installs it")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}{errors}");
    text
}

fn backend() -> ScriptedBackend {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok("x".repeat(3 << 20)));
    let with_trailers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                         2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    a.reply_to("/trailers", Reply::raw(with_trailers));
    a
}

#[test]
fn curl_asks_and_uploads() {
    let a = backend();
    let lb = Lb::over(&[&a], "");
    let url = |path: &str| format!("http://{}{path}", lb.address());
    let common = ["--http2-prior-knowledge", "--silent", "--show-error", "--max-time", "30"];
    let curl = |more: &[&str]| output("curl", &[&common[..], more].concat());
    let seen = curl(&["--write-out", " %{http_version} %{response_code}", &url("/")]);
    assert!(seen.ends_with(" 2 200"), "{seen}");
    assert_eq!(curl(&[&url("/large")]).len(), 3 << 20);
    let (_folder, path) = written(&"y".repeat(100_000));
    let upload = format!("@{path}");
    curl(&["--data-binary", &upload, "--header", "Cookie: a=1", &url("/upload")]);
    let seen = a.requests().pop().unwrap();
    assert_eq!((seen.body.len(), &*seen.path), (100_000, "/upload"));
    assert_eq!(seen.header_lines("cookie"), ["a=1"]);
}

/// A file with this text, in a folder of its own, and its path.
fn written(text: &str) -> (TempDir, String) {
    let folder = new_folder();
    let path = folder.path().join("body");
    std::fs::write(&path, text).unwrap();
    (folder, path.display().to_string())
}

#[test]
fn nghttp_shows_header_body_and_trailers() {
    let a = backend();
    let lb = Lb::over(&[&a], "");
    let url = |path: &str| format!("http://{}{path}", lb.address());
    let seen = output("nghttp", &["-v", &url("/trailers")]);
    for line in [":status: 200", "x-sum: 7"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    assert_eq!(seen.matches("recv RST_STREAM").count(), 0, "{seen}");
    // Padding, a small window, and trailers of its own.
    let (_folder, body) = written(&"z".repeat(50_000));
    let options = ["-n", "-b", "100", "-w", "12", "--trailer", "x-own: 8", "-d", &body];
    output("nghttp", &[&options[..], &[&*url("/upload"), &*url("/large")]].concat());
    let uploads = a.requests();
    assert!(uploads.iter().any(|it| it.path == "/upload" && it.body.len() == 50_000));
}

#[test]
fn h2load_loses_no_request() {
    let a = backend();
    let lb = Lb::over(&[&a], "");
    let url = format!("http://{}/", lb.address());
    let seen = output("h2load", &["-n", "600", "-c", "6", "-m", "20", &url]);
    assert!(seen.contains("600 succeeded, 0 failed, 0 errored, 0 timeout"), "{seen}");
    assert_eq!(lb.listener().cuts().iter().sum::<u64>(), 0);
}
