// The status page: polls the status once a second, receives events as they happen, and shows at
// once that the process does not answer. It polls, so that a page without new values always means a
// process that does not answer, and never a connection that died unnoticed.

import * as change from "./change.js";
import * as pools from "./pools.js";
import { fields, mark, put } from "./pools.js";
import { asides, problems } from "./problems.js";
import * as traffic from "./traffic.js";
import * as words from "./words.js";

const ASK_EVERY_MS = 1000;
// A process that takes longer than this to answer does not answer.
const ASK_LIMIT_MS = 3000;
const EVENTS_AGAIN_MS = 3000;
const EVENTS_KEPT = 200;
const LINES_SHOWN = 6;
// A phone, on which the pools come below.
const EVENTS_SHOWN_SMALL = 3;

const byId = (id) => document.getElementById(id);
const totals = fields(byId("totals"));

let status = null;
let version = null;
let lostAt = null;
let lostWhy = "";
let asking = null;
let askAgain = 0;
let needsToken = false;

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// The answer as a value. A refusal is thrown with the words of the process.
async function request(path, { method = "GET", body, signal } = {}) {
  const headers = { "X-Requested-With": "lb" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options = { method, headers, body: body && JSON.stringify(body), cache: "no-store" };
  let answer;
  let text;
  try {
    answer = await fetch(path, { ...options, signal: signal ?? AbortSignal.timeout(ASK_LIMIT_MS * 3) });
    // The time is limited, and the connection may break, until the last byte has come.
    text = await answer.text();
  } catch {
    throw new Refused(0, "lb cannot be reached.");
  }
  if (answer.ok) return text ? parse(text) : null;
  if (answer.status === 401 && path !== "login") askForToken();
  throw new Refused(answer.status, parse(text)?.error || text.trim() || `lb answers ${answer.status}.`);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function ask() {
  clearTimeout(askAgain);
  if (asking || needsToken) return;
  asking = request("api/v1/pools", { signal: AbortSignal.timeout(ASK_LIMIT_MS) });
  const begun = performance.now();
  try {
    const answer = await asking;
    // A user who has signed out meanwhile sees nothing more.
    if (!needsToken) show(answer);
  } catch (failure) {
    if (failure.code !== 401) lose(failure);
  } finally {
    asking = null;
    const spent = performance.now() - begun;
    if (!needsToken) askAgain = setTimeout(ask, Math.max(100, ASK_EVERY_MS - spent));
  }
}

function show(answer) {
  status = answer;
  version ??= answer.version;
  lostAt = null;
  document.body.classList.remove("stale");
  byId("main").hidden = false;
  showProcess();
  showTotals();
  showWrong();
  showStates();
  traffic.update(status);
  showShown(pools.update(status));
  change.update(status);
  showBanner();
}

function lose(failure) {
  if (failure instanceof Refused === false) throw failure;
  lostAt ??= Date.now();
  lostWhy = failure.code ? failure.message : "";
  document.body.classList.add("stale");
  showBanner();
}

// Shows the most urgent problem only.
function showBanner() {
  const banner = byId("banner");
  const [tone, text] = bannerText();
  mark(banner, "class", `banner ${tone}`);
  put(byId("banner-text"), text);
  // This is a separate element, so that a screen reader does not repeat the text every second.
  put(byId("banner-age"), lostAt === null ? "" : `(${words.duration(Date.now() - lostAt)})`);
  banner.hidden = !text;
  const isLive = lostAt === null && !needsToken;
  put(byId("live-text"), isLive ? `live, ${words.when(status.time)}` : "not live");
  mark(byId("live"), "class", isLive ? "good" : "bad");
}

function bannerText() {
  if (lostAt !== null) {
    const shown = status ? " Below is what was known last." : "";
    const what = lostWhy ? `lb does not answer as it should (${lostWhy})` : "lb cannot be reached";
    return ["bad", `${what} since ${words.when(lostAt)}. Trying again.${shown}`];
  }
  if (status && !status.ready) return ["bad", `Not ready: ${status.unready ?? "no reason given"}`];
  if (status && status.version !== version) {
    return ["info", `lb is now ${status.version}. Reload this page to have the page of that version.`];
  }
  return ["", ""];
}

function showProcess() {
  put(byId("host"), status.host ? `on ${status.host}` : "");
  put(byId("file"), status.file ?? "run from flags, without a file");
  const loaded = status.loaded_ago_ms == null ? "" : `, loaded ${words.age(status.loaded_ago_ms)}`;
  const up = `up for ${words.duration(status.uptime_ms)}`;
  const parts = [`version ${status.version}`, `process ${status.pid}`, up, `configuration ${status.generation}${loaded}`];
  put(byId("process"), parts.join(" · "));
}

function showTotals() {
  const all = status.pools.flatMap((pool) => pool.backends);
  const usable = words.eligible(all).length;
  const sum = (key) => status.pools.reduce((total, pool) => total + (pool[key] ?? 0), 0);
  const failing = words.errorShare({ rate: sum("rate"), error_rate: sum("error_rate") });
  const slowest = Math.max(...status.pools.map((pool) => pool.latency.p99_ms ?? -1), -1);
  put(totals.eligible, `${usable} of ${all.length}`);
  mark(totals.eligible, "class", usable < all.length ? "warn-text" : "");
  put(totals.rate, words.rate(sum("rate")));
  put(totals.errors, words.percent(failing));
  mark(totals.errors, "class", failing > 0 ? "bad-text" : "");
  put(totals.p99, words.millis(slowest < 0 ? null : slowest));
  put(totals.bytes, `${words.byteRate(sum("request_byte_rate"))} · ${words.byteRate(sum("response_byte_rate"))}`);
  put(totals.in_flight, words.count(status.in_flight));
  put(totals.clients, words.count(status.connections));
  const days = words.certificateDays(status.listeners);
  byId("expiry").hidden = days === null;
  put(totals.expiry, days === null ? "" : words.days(days));
  mark(totals.expiry, "class", days !== null && words.endsSoon(days) ? "warn-text" : "");
}

function showWrong() {
  const found = problems(status);
  const shown = found.slice(0, LINES_SHOWN);
  const list = byId("wrong");
  if (!shown.length) {
    const isUsed = status.pools.length > 0;
    shown.push({ tone: isUsed ? "good" : "info", text: isUsed ? "Nothing." : "No pool is configured." });
  }
  shown.push(...asides(status));
  lines(list, shown.length);
  shown.forEach((it, at) => {
    fill(list.children[at], it.tone, [it.pool, it.label].filter(Boolean).join(" "), it.text);
    list.children[at].target = it.pool ? it : null;
    list.children[at].children[1].disabled = !it.pool;
  });
  const rest = found.length - LINES_SHOWN;
  byId("wrong-more").hidden = rest <= 0;
  put(byId("wrong-more"), `${words.count(rest)} more: show all backends in trouble`);
  showTitle(found);
}

// Tells this tab from those of other processes.
function identity() {
  const file = status?.file?.split("/").at(-1);
  return [status?.host, file].filter(Boolean).join(": ");
}

// The tab shows it too, in words and in colour.
function showTitle(found) {
  const worst = found.some((it) => it.tone === "bad") || !status.ready ? "bad" : found.length && "warn";
  const parts = [found.length && words.plural(found.length, "problem"), identity(), "lb"];
  const title = parts.filter(Boolean).join(" – ");
  if (document.title !== title) document.title = title;
  const colour = { bad: "%23c62828", warn: "%23c77700" }[worst] ?? "%232e7d32";
  const picture = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='7' fill='${colour}'/></svg>`;
  mark(byId("icon"), "href", `data:image/svg+xml,${picture}`);
}

// Fills a list with lines, each with a place and a text.
function lines(list, wanted) {
  while (list.children.length > wanted) list.lastElementChild.remove();
  while (list.children.length < wanted) {
    const line = document.createElement("li");
    for (const name of ["when", "where", "what"]) {
      const node = document.createElement(name === "where" && list.id === "wrong" ? "button" : "span");
      node.className = name;
      line.append(node, " ");
    }
    list.append(line);
  }
}

function fill(line, tone, where, what, when = "") {
  mark(line, "class", tone);
  const [time, place, text] = line.children;
  put(time, when);
  put(place, where);
  place.hidden = !where;
  put(text, what);
}

function showStates() {
  const all = status.pools.flatMap((pool) => pool.backends);
  const of = (name) => all.filter((it) => it.state === name).length;
  const wanted = [
    ["all", `all (${all.length})`],
    ["trouble", `in trouble (${all.filter(words.isTrouble).length})`],
    ...words.stateNames().map((name) => [name, `${words.stateOf(name).word} (${of(name)})`]),
  ];
  const list = byId("state");
  wanted.forEach(([value, text], at) => {
    if (!list.options[at]) list.add(new Option(text, value));
    put(list.options[at], text);
  });
}

function showShown(shown) {
  const all = status.pools.reduce((total, pool) => total + pool.backends.length, 0);
  put(byId("shown"), shown === all ? words.plural(all, "backend") : `${shown} of ${words.plural(all, "backend")}`);
  const nothing = byId("nothing");
  nothing.hidden = shown > 0 || all === 0;
  put(nothing, "No backend passes the filter.");
}

function filter() {
  if (status) showShown(pools.setFilter(byId("filter").value, byId("state").value));
}

// Newest first. A new process counts its events from 1 again, so the time is compared too.
let events = [];
let allEvents = false;
const isSmall = matchMedia("(width < 900px)");
let source = null;

function listen() {
  source?.close();
  if (needsToken) return;
  source = new EventSource("api/v1/events");
  source.onmessage = ({ data }) => {
    const event = parse(data);
    if (!event) return;
    hear(event);
    // Changes are shown now, not at the next second.
    ask();
  };
  source.onopen = () => (byId("events-note").hidden = true);
  source.onerror = () => {
    put(byId("events-note"), "No events come at the moment.");
    byId("events-note").hidden = false;
    // The browser tries again by itself only when the connection broke.
    if (source.readyState === EventSource.CLOSED && !needsToken) setTimeout(listen, EVENTS_AGAIN_MS);
  };
}

function hear(event) {
  if (events.some((it) => it.id === event.id && it.time === event.time)) return;
  events.push(event);
  events.sort((a, b) => b.time.localeCompare(a.time) || b.id - a.id);
  events.length = Math.min(events.length, EVENTS_KEPT);
  requestAnimationFrame(showEvents);
}

function showEvents() {
  const few = isSmall.matches ? EVENTS_SHOWN_SMALL : LINES_SHOWN;
  const shown = allEvents ? events : events.slice(0, few);
  const list = byId("events");
  lines(list, shown.length || 1);
  if (!shown.length) fill(list.children[0], "", "", "None yet.");
  shown.forEach((event, at) => {
    const where = [event.pool, event.backend && words.label({ name: event.backend, address: event.address })].filter(Boolean).join(" ");
    fill(list.children[at], words.tone(event), where, words.sentence(event), words.when(event.time));
  });
  const button = byId("events-more");
  button.hidden = events.length <= few;
  put(button, allEvents ? "Show fewer" : `Show all ${events.length}`);
  mark(button, "aria-expanded", String(allEvents));
}

// Stores only whether the user is signed in: scripts cannot see the cookie itself.
function showSignedIn(isSignedIn) {
  byId("logout").hidden = !isSignedIn;
  try {
    if (isSignedIn === null) byId("logout").hidden = !localStorage.getItem("signed-in");
    else if (isSignedIn) localStorage.setItem("signed-in", "yes");
    else localStorage.removeItem("signed-in");
  } catch {
    // A browser that stores nothing signs out when it is closed.
  }
}

function askForToken() {
  if (needsToken) return;
  needsToken = true;
  showSignedIn(false);
  source?.close();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  byId("main").hidden = true;
  byId("banner").hidden = true;
  document.title = "lb";
  for (const id of ["host", "file", "process"]) put(byId(id), "");
  put(byId("live-text"), "signed out");
  mark(byId("live"), "class", "");
  byId("login").hidden = false;
  byId("token").focus();
}

async function login(event) {
  event.preventDefault();
  const button = event.submitter;
  button.disabled = true;
  put(byId("login-error"), "");
  try {
    await request("login", { method: "POST", body: { token: byId("token").value } });
    byId("token").value = "";
    byId("login").hidden = true;
    showSignedIn(true);
    needsToken = false;
    ask();
    listen();
  } catch (failure) {
    put(byId("login-error"), failure.code === 401 ? "This is not the token." : failure.message);
    byId("token").focus();
    byId("token").select();
  } finally {
    button.disabled = false;
  }
}

let silence = 0;

function say(text) {
  put(byId("said"), text);
  clearTimeout(silence);
  silence = setTimeout(() => put(byId("said"), ""), 6000);
}

byId("login").addEventListener("submit", login);
byId("logout").addEventListener("click", async () => {
  try {
    await request("logout", { method: "POST" });
    askForToken();
  } catch (failure) {
    say(failure.message);
  }
});
byId("filter").addEventListener("input", filter);
byId("state").addEventListener("input", filter);
byId("sort").addEventListener("input", ({ target }) => {
  pools.sortBy(target.value, words.startsDown(target.value));
});
byId("wrong").addEventListener("click", ({ target }) => {
  const line = target.closest("button")?.closest("li");
  if (line?.target) pools.reveal(line.target.pool, line.target.address);
});
byId("wrong-more").addEventListener("click", () => {
  byId("state").value = "trouble";
  filter();
  byId("state").focus();
});
byId("events-more").addEventListener("click", () => {
  allEvents = !allEvents;
  showEvents();
});
document.addEventListener("visibilitychange", () => document.hidden || ask());
setInterval(() => {
  pools.tick();
  if (lostAt !== null) showBanner();
}, 1000);

traffic.whenAsked((pool) => pools.reveal(pool));
pools.whenAsked((kind, backend) => change.open(kind, backend, status));
change.start(request, (backend, said) => {
  if (backend?.address) pools.updateBackend(backend);
  say(said);
  ask();
});
isSmall.addEventListener("change", showEvents);
byId("traffic").open = !isSmall.matches;
showSignedIn(null);
showEvents();
ask();
listen();
