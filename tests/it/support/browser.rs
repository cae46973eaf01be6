//! A browser that a test looks at and clicks in: Chromium, over its debugging pipe.
//!
//! Messages are JSON, each ended by a zero byte, on two descriptors of their own; so there is no
//! port to choose, no other process can connect, and the browser ends when the pipe does. Clicks
//! and keys are the browser's own input events and not calls from a script: an element that is
//! hidden, covered or disabled cannot be clicked. A page that reports an error, of a script or of
//! its Content-Security-Policy, fails the test that looks at it.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    PATIENCE,
    eventually::wait_for,
    process::{end_all_in, new_folder},
};

/// The names of the program on different systems.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// The flags. The sandbox would need rights that a container and root do not have; only our own
/// page is opened here. Without GPU and with its memory in files, the browser starts anywhere.
const FLAGS: &str = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --no-first-run --no-default-browser-check --disable-background-networking \
    --disable-component-update --disable-sync --disable-extensions --mute-audio \
    --remote-debugging-pipe --user-data-dir=profile";
/// The number of lines of the browser's own log that are shown if it stops answering.
const LAST_LINES: usize = 20;
/// The limit on the start, in which it reads and writes a lot, on a machine that other tests keep
/// busy.
const START: Duration = Duration::from_secs(60);

/// What the browser says of an expression whose page was replaced meanwhile.
const PAGE_GONE_ERRORS: [&str; 3] = [
    "Inspected target navigated or closed",
    "Execution context was destroyed.",
    "Cannot find default execution context",
];
const PAGE_GONE: &str = "the page was replaced by another one";

/// A browser with one page. Ends when dropped; the page must not have reported an error by then.
#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    /// The pipe for commands; `None` once the browser is to end.
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    folder: TempDir,
    session: Option<String>,
    sent: u64,
    complaints: VecDeque<String>,
    forgiven: Option<&'static str>,
}

/// The actions of a test.
impl Browser {
    /// Starts it with an empty page, 1280 wide.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Like [`Browser::start`], and it trusts the certificate with the key of this hash: SHA-256 of the
    /// key with its algorithm, in base64.
    #[track_caller]
    pub(crate) fn trusting(key_hash: &str) -> Self {
        Self::start_with(&format!("--ignore-certificate-errors-spki-list={key_hash}"))
    }

    /// Like [`Browser::trusting`], and it speaks HTTP/3 with this port of `localhost` from the beginning.
    #[track_caller]
    pub(crate) fn over_quic(key_hash: &str, port: u16) -> Self {
        Self::start_with(&format!(
            "--ignore-certificate-errors-spki-list={key_hash} --enable-quic \
             --origin-to-force-quic-on=localhost:{port} \
             --host-resolver-rules='MAP localhost 127.0.0.1'"
        ))
    }

    #[track_caller]
    fn start_with(flags: &str) -> Self {
        let folder = new_folder();
        let log = File::create(folder.path().join("log")).expect("the folder takes a file");
        let name = NAMES.iter().copied().find(|name| is_installed(name)).unwrap_or_else(|| {
            panic!(
                "no browser: run scripts/install-build-tools.sh test, or install one of {NAMES:?}"
            )
        });
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("exec {name} {FLAGS} {flags} about:blank 3<&0 4>&1 </dev/null >&2"))
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("there is a shell");
        let messages = read(BufReader::new(child.stdout.take().expect("piped")));
        let mut browser = Self {
            commands: child.stdin.take(),
            child,
            messages,
            folder,
            session: None,
            sent: 0,
            complaints: VecDeque::new(),
            forgiven: None,
        };
        browser.attach();
        browser.resize(1280, 900);
        browser
    }

    /// Opens this URL; returns when the page has loaded.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        let is_there =
            format!("document.readyState == 'complete' && location.href == {}", json!(url));
        self.wait_until("the page has loaded", &is_there);
    }

    /// Loads the page again; returns when the new one has loaded.
    #[track_caller]
    pub(crate) fn reload(&mut self) {
        // Only the page that is about to go has this mark.
        self.eval("window.isOld = true");
        self.call("Page.reload", json!({}));
        let is_there = "document.readyState == 'complete' && !window.isOld";
        self.wait_until("the page has loaded again", is_there);
    }

    /// Gives the page this size, in CSS pixels.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Sets the time zone of the page, such as `Europe/Berlin`.
    pub(crate) fn set_time_zone(&mut self, zone: &str) {
        self.call("Emulation.setTimezoneOverride", json!({ "timezoneId": zone }));
    }

    /// The value of an expression of JavaScript in the page.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        self.eval_now(expression).unwrap_or_else(|| panic!("{expression}: {PAGE_GONE}"))
    }

    /// The value of an expression of JavaScript; `None` where the page made way for another one
    /// before it had answered.
    #[track_caller]
    fn eval_now(&mut self, expression: &str) -> Option<Value> {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = match self.try_call("Runtime.evaluate", asked) {
            Ok(answer) => answer,
            Err(error) if PAGE_GONE_ERRORS.iter().any(|it| error["message"] == *it) => return None,
            Err(error) => panic!("{expression}: {error}"),
        };
        let thrown = answer.get("exceptionDetails");
        assert!(thrown.is_none(), "{expression}: {thrown:?}");
        Some(answer["result"]["value"].clone())
    }

    /// The text that the first such element shows; empty where there is none.
    #[track_caller]
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let found = format!("document.querySelector({})?.innerText ?? ''", json!(selector));
        self.eval(&found).as_str().unwrap_or_default().to_owned()
    }

    /// Returns when the expression is true. A page that makes way for another one is asked again.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, expression: &str) {
        let expression = format!("Boolean({expression})");
        let held = wait_for(PATIENCE, || {
            (self.eval_now(&expression) == Some(Value::Bool(true))).then_some(())
        });
        if held.is_none() {
            panic!("not within {PATIENCE:?}: {what}\n{}", self.text("body"));
        }
    }

    /// Returns when the first such element shows this text, perhaps among other.
    #[track_caller]
    pub(crate) fn wait_for_text(&mut self, selector: &str, text: &str) {
        let shown = format!(
            "document.querySelector({})?.innerText.includes({})",
            json!(selector),
            json!(text)
        );
        self.wait_until(&format!("{text:?} in {selector}"), &shown);
    }

    /// Clicks in the middle of the first such element, as soon as nothing covers it.
    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        // The place of the element, once a click there would hit it; the page notes what it does hit.
        let place = format!(
            "(() => {{ const node = document.querySelector({selector});
               if (!node || node.disabled) return null;
               node.scrollIntoView({{ block: 'center', behavior: 'instant' }});
               const box = node.getBoundingClientRect();
               const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
               const hit = document.elementFromPoint(x, y);
               if (!hit || !node.contains(hit)) return null;
               window.hasHit = null;
               const note = (event) => {{ window.hasHit = !!event.target.closest({selector}); }};
               document.addEventListener('click', note, {{ capture: true, once: true }});
               return {{ x, y }}; }})()",
            selector = json!(selector)
        );
        // Where the page moves what is to be hit in that moment, it is tried again.
        let hits = wait_for(PATIENCE, || {
            let place = self.eval_now(&place).filter(Value::is_object)?;
            for kind in ["mousePressed", "mouseReleased"] {
                let click = json!({ "type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1 });
                self.call("Input.dispatchMouseEvent", click);
            }
            (self.eval_now("window.hasHit") != Some(Value::Bool(false))).then_some(())
        });
        hits.unwrap_or_else(|| panic!("cannot be clicked: {selector}\n{}", self.text("body")));
    }

    /// Types this where the focus is.
    #[track_caller]
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Ignores complaints that contain this text, for tests about their cause.
    pub(crate) fn forgive(&mut self, text: &'static str) {
        self.forgiven = Some(text);
    }

    /// Takes the complaints of the page so far, oldest first.
    pub(crate) fn take_complaints(&mut self) -> Vec<String> {
        // An answer comes after everything that was said before it.
        self.eval("0");
        self.complaints.drain(..).collect()
    }
}

/// The protocol.
impl Browser {
    fn attach(&mut self) {
        let found = wait_for(START, || {
            let targets = self.call("Target.getTargets", json!({}));
            let targets = targets["targetInfos"].as_array()?.clone();
            targets.into_iter().find(|target| target["type"] == "page")
        });
        let page = found.unwrap_or_else(|| panic!("no page\n{}", self.log()));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attach);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Sends a command and waits for its answer.
    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sends a command and waits for its answer, or for the browser's refusal.
    #[track_caller]
    fn try_call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let pipe = self.commands.as_mut().expect("it is to go on");
        let is_sent = pipe.write_all(&bytes).and_then(|()| pipe.flush());
        assert!(is_sent.is_ok(), "{method}: the browser is gone\n{}", self.log());
        loop {
            let message = self.messages.recv_timeout(START);
            let mut message =
                message.unwrap_or_else(|error| panic!("{method}: {error}\n{}", self.log()));
            if message["id"] == self.sent {
                let error = message["error"].take();
                return if error.is_null() { Ok(message["result"].take()) } else { Err(error) };
            }
            self.complaints.extend(complaint(&message));
        }
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let complaints = if thread::panicking() { vec![] } else { self.take_complaints() };
        // This makes it end, with all the processes that it has started.
        self.commands = None;
        let ended = wait_for(PATIENCE, || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        end_all_in(self.folder.path());
        let is_grave = |text: &&String| !self.forgiven.is_some_and(|part| text.contains(part));
        let grave: Vec<_> = complaints.iter().filter(is_grave).collect();
        assert!(grave.is_empty(), "the page complains: {grave:#?}");
    }
}

/// Messages, until the browser ends.
fn read(mut pipe: impl BufRead + Send + 'static) -> Receiver<Value> {
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = vec![];
        while pipe.read_until(0, &mut bytes).is_ok_and(|length| length > 0) {
            let text = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
            let message = serde_json::from_slice(text).expect("the browser speaks JSON");
            if sender.send(message).is_err() {
                break;
            }
            bytes.clear();
        }
    });
    messages
}

/// The complaint in this message: an exception, a console error, or an error in the log, such as a
/// violation of the policy or a resource that did not load.
fn complaint(message: &Value) -> Option<String> {
    let params = &message["params"];
    let text = match message["method"].as_str()? {
        "Runtime.exceptionThrown" => params["exceptionDetails"].to_string(),
        "Runtime.consoleAPICalled" if params["type"] == "error" => params["args"].to_string(),
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            format!("{}: {} {}", entry["source"], entry["text"], entry["url"])
        }
        _ => return None,
    };
    Some(text)
}

fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
