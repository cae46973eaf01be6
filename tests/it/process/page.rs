//! The status page as a user sees and clicks it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::{ScriptedBackend, claim},
    browser::Browser,
    client::try_get,
    eventually::eventually,
    process::{LbProcess, address_in},
    process_backend::ProcessBackend,
};

use super::yaml;

const ADMIN: &str = "access_log: off\nadmin: { address: 127.0.0.1:0 }";
/// The pause between two requests of light traffic.
const PAUSE: Duration = Duration::from_millis(4);
const TOKEN: &str = "correct-horse-battery-staple";
/// Whether the page is as wide as its window.
const FITS: &str = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";

/// A client that sends one request after another until dropped.
struct Traffic {
    is_over: Arc<AtomicBool>,
    client: Option<JoinHandle<()>>,
}

impl Traffic {
    fn to(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let client = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // The result is not needed: the page shows it.
                let _ = try_get(address, "/");
                thread::sleep(PAUSE);
            }
        });
        Self { is_over, client: Some(client) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(client) = self.client.take() {
            let _ = client.join();
        }
    }
}

fn admin_of(lb: &mut LbProcess) -> SocketAddr {
    address_in(&lb.wait_for_log("admin listening")).expect("its address")
}

/// A balancer with its page open.
fn open(text: &str) -> (LbProcess, Browser) {
    let mut lb = LbProcess::with_config(text, &[]);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/", admin_of(&mut lb)));
    (lb, browser)
}

/// The text with which the row of this backend begins, with a space behind.
fn row(address: SocketAddr) -> String {
    format!("[data-backend='{address}'] ")
}

#[track_caller]
fn wait_for_state(browser: &mut Browser, address: SocketAddr, state: &str) {
    browser.wait_for_text(&format!("{}[data-f=state]", row(address)), state);
}

#[test]
fn a_backend_that_dies_is_shown_with_the_reason_and_without_a_reload() {
    let scripted = [(); 2].map(|()| ScriptedBackend::named("a"));
    let mut dies = ProcessBackend::before(&scripted[0]);
    let lives = scripted[1].address();
    let settings = format!("    health_check: {{ interval: 500ms, timeout: 400ms }}\n{ADMIN}");
    let (mut lb, mut browser) = open(&yaml(&[dies.address(), lives], &settings));
    let _traffic = Traffic::to(lb.address());
    for address in [dies.address(), lives] {
        wait_for_state(&mut browser, address, "eligible");
    }
    browser.eval("window.isSame = true");

    dies.kill();
    let of = row(dies.address());
    let state = format!("document.querySelector(\"{of}[data-f=state]\").innerText");
    browser.wait_until("it is out", &format!("/ejected|unhealthy/.test({state})"));
    let reason = browser.text(&format!("{of}[data-f=reason]"));
    assert!(reason.contains("refused"), "{reason:?}");
    let address = dies.address().to_string();
    for place in ["#wrong", "#events"] {
        browser.wait_for_text(place, &address);
        browser.wait_for_text(place, "refused");
    }
    browser.wait_for_text("#totals", "1 of 2");

    dies.start();
    wait_for_state(&mut browser, dies.address(), "eligible");
    browser.wait_for_text("#wrong", "Nothing.");
    assert_eq!(browser.eval("window.isSame"), true, "it was loaded anew");
}

#[test]
fn a_backend_is_drained_and_undrained_by_a_click_and_a_confirmation() {
    let backends = [(); 2].map(|()| ScriptedBackend::named("a"));
    let [a, b] = [0, 1].map(|at| backends[at].address());
    let (mut lb, mut browser) = open(&yaml(&[a, b], ADMIN));
    let _traffic = Traffic::to(lb.address());
    let count = |at: usize| backends[at].count(|_| true);
    let more = |at: usize| {
        let before = count(at);
        eventually(PATIENCE, "20 more requests", || count(at) >= before + 20);
    };
    let button = format!("{}[data-f=drain]", row(a));
    more(0);

    browser.click(&button);
    browser.wait_for_text("#confirm", &format!("Drain {a} of pool web?"));
    browser.wait_for_text("#confirm", "takes no new requests");
    browser.click("#confirm-no");
    browser.wait_until("the question is gone", "!document.querySelector('#confirm').open");
    more(0);

    browser.click(&button);
    browser.click("#confirm-yes");
    wait_for_state(&mut browser, a, "draining");
    // Requests that were in flight are done long before these.
    more(1);
    let before = count(0);
    more(1);
    assert_eq!(count(0), before, "it goes on to get requests");
    browser.wait_for_text(&row(a), "Undrain");
    browser.wait_for_text("#events", "drained");

    browser.click(&format!("{}[data-f=drain]", row(b)));
    browser.wait_for_text("#confirm-warning", "the last eligible backend of web");
    browser.click("#confirm-no");

    browser.click(&button);
    browser.click("#confirm-yes");
    wait_for_state(&mut browser, a, "eligible");
    more(0);
}

#[test]
fn a_weight_is_set_and_shown_as_set_by_an_operator() {
    let backend = ScriptedBackend::named("a");
    let address = backend.address();
    let (_lb, mut browser) = open(&yaml(&[address], ADMIN));
    browser.click(&format!("{}[data-f=more]", row(address)));
    browser.eval("document.querySelector('#weight').select()");
    browser.type_text("7");
    browser.click("#more-weight [type=submit]");
    browser.wait_for_text(&format!("{}[data-f=weight]", row(address)), "7");
    browser.wait_for_text(&format!("{}[data-f=tags]", row(address)), "weight 7");
    browser.click(&format!("{}[data-f=more]", row(address)));
    browser.click("#weight-back");
    browser.wait_for_text(&format!("{}[data-f=weight]", row(address)), "1");
    assert_eq!(browser.text(&format!("{}[data-f=tags]", row(address))), "");
}

#[test]
fn a_page_without_the_token_asks_for_it_once() {
    let backend = ScriptedBackend::named("a");
    let settings = format!("access_log: off\nadmin: {{ address: 127.0.0.1:0, token: {TOKEN} }}");
    let (_lb, mut browser) = open(&yaml(&[backend.address()], &settings));
    browser.forgive("401");
    browser.click("#token");
    browser.type_text("something-else-entirely");
    browser.click("#login [type=submit]");
    browser.wait_for_text("#login-error", "This is not the token.");
    browser.click("#token");
    browser.eval("document.querySelector('#token').select()");
    browser.type_text(TOKEN);
    browser.click("#login [type=submit]");
    wait_for_state(&mut browser, backend.address(), "eligible");
    browser.wait_until("the form is gone", "document.querySelector('#login').hidden");
    assert_eq!(browser.eval("document.querySelector('#logout').hidden"), false);
    assert_eq!(browser.eval("document.cookie"), "", "a script can read the token");

    browser.click(&format!("{}[data-f=drain]", row(backend.address())));
    browser.click("#confirm-yes");
    wait_for_state(&mut browser, backend.address(), "draining");

    browser.reload();
    wait_for_state(&mut browser, backend.address(), "draining");

    browser.click("#logout");
    browser.wait_for_text("#live-text", "signed out");
    let left = "document.title + ['host', 'file', 'process'].map((it) => document.getElementById(it).innerText)";
    assert_eq!(browser.eval(left), "lb,,");
    assert_eq!(browser.eval("document.querySelector('#main').hidden"), true);
    browser.reload();
    browser.wait_for_text("#login", "Sign in");
    assert_eq!(browser.eval("document.querySelector('#main').hidden"), true);
}

#[test]
fn on_a_phone_the_page_fits_the_screen() {
    let dead: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let backend = ScriptedBackend::named("a");
    let settings = format!(
        "    health_check: {{ interval: 100ms, timeout: 90ms, fall: 1 }}\n  \
         a-name-that-is-much-longer-than-anyone-would-expect-in-a-table-of-pools:\n    backends: [ {{ \
         address: \"[::1]:9\", weight: 1000, max_connections: 100000 }} ]\n    health_check: {{ \
         interval: 100ms, timeout: 90ms, fall: 1 }}\n{ADMIN}"
    );
    let (_lb, mut browser) = open(&yaml(&[dead, backend.address()], &settings));
    browser.resize(390, 844);
    wait_for_state(&mut browser, dead, "unhealthy");
    let events = "document.querySelectorAll('#events li').length === 3";
    browser.wait_until("what happened is there, as far as there is room", events);
    assert_eq!(browser.eval(FITS), true);
    browser.click(&format!("{}[data-f=more]", row(backend.address())));
    assert_eq!(browser.eval(FITS), true);
    browser.click("#more-close");
    browser.resize(1280, 900);
    assert_eq!(browser.eval(FITS), true);
}

#[test]
fn a_lost_process_is_reported_and_its_successor_is_found() {
    let backend = ScriptedBackend::named("a");
    let (admin, _claim) = claim().unwrap();
    let text = yaml(&[backend.address()], &format!("admin: {{ address: {admin} }}"));
    let (mut lb, mut browser) = open(&text);
    wait_for_state(&mut browser, backend.address(), "eligible");
    browser.forgive("net::ERR_");
    lb.signal(Signal::SIGKILL);
    lb.wait_for_exit(PATIENCE);
    browser.wait_for_text("#banner", "lb cannot be reached since");
    assert_ne!(browser.text(&row(backend.address())), "", "what was known is gone");
    let _next = LbProcess::with_config(&text, &[]);
    browser.wait_until("it is back", "document.querySelector('#banner').hidden");
}

#[test]
fn two_hundred_backends_are_filtered_and_sorted() {
    let addresses: Vec<SocketAddr> =
        (1..=200).map(|last| SocketAddr::from(([127, 0, 1, last], 9))).collect();
    let (_lb, mut browser) = open(&yaml(&addresses, ADMIN));
    let visible = "[...document.querySelectorAll('#pools tbody tr')].filter((it) => !it.hidden)\
                   .map((it) => it.dataset.backend)";
    browser.wait_for_text("#shown", "200 backends");
    browser.wait_until("most are folded", &format!("{visible}.length === 12"));
    browser.wait_for_text("[data-f=rest]", "Show all 200 backends (188 more)");
    browser.click("[data-f=rest]");
    browser.wait_until("all are there", &format!("{visible}.length === 200"));
    browser.click("[data-sort=address]");
    browser.click("[data-sort=address]");
    browser.wait_until("the last is first", &format!("{visible}[0] === '127.0.1.200:9'"));
    browser.click("#filter");
    browser.type_text("web 1.19");
    browser.wait_for_text("#shown", "11 of 200");
    let shown = browser.eval(&format!("{visible}.join(' ')"));
    assert!(shown.as_str().unwrap().starts_with("127.0.1.199:9 127.0.1.198:9 "), "{shown}");
}

#[test]
fn a_reload_that_failed_stays_a_problem_until_one_succeeds() {
    let backend = ScriptedBackend::named("a");
    let text = yaml(&[backend.address()], ADMIN);
    let (lb, mut browser) = open(&text);
    wait_for_state(&mut browser, backend.address(), "eligible");
    browser.wait_for_text("#wrong", "Nothing.");
    let file = lb.folder().join("lb.yaml");
    std::fs::write(&file, text.replace("routes:", "rooutes:")).unwrap();
    lb.signal(Signal::SIGHUP);
    browser.wait_for_text("#wrong", "The last reload failed");
    browser.wait_for_text("#wrong", "lb.yaml:");
    browser.wait_for_text("#events", "reload failed: ");
    std::fs::write(&file, &text).unwrap();
    lb.signal(Signal::SIGHUP);
    browser.wait_for_text("#wrong", "Nothing.");
    browser.wait_for_text("#process", "configuration 2, loaded");
}

#[test]
fn a_page_says_which_process_it_is_of_and_which_sites_fail() {
    let backend = ScriptedBackend::named("a");
    let text = yaml(&[backend.address()], ADMIN);
    let (mut lb, mut browser) = open(&text);
    let address = lb.address();
    wait_for_state(&mut browser, backend.address(), "eligible");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    browser.wait_for_text("#host", host.trim());
    browser.wait_for_text("#file", &lb.folder().join("lb.yaml").display().to_string());
    let title = format!("document.title === '{}: lb.yaml – lb'", host.trim());
    browser.wait_until("the title says it too", &title);
    let _traffic = Traffic::to(address);
    browser.wait_until(
        "the route has a rate",
        "document.querySelector('#routes td:nth-child(3)')?.innerText > 0",
    );
    browser.wait_for_text("#routes tr", "any host");
    browser.wait_for_text("#listeners tr", &address.ip().to_string());
    backend.stop();
    browser.wait_for_text("#wrong", "it serves any host");
    browser.wait_for_text("#traffic-summary", "1 route fails requests");
    browser.click("#routes tr button");
    browser.wait_until("the pool is shown", "document.activeElement.dataset.f === 'fold'");
}
