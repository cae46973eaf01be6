// The texts of the page: numbers, states, and problems. Values in, text out; nothing here touches
// the document, so that one place decides all names.

// The states by the word of the API. A lower `rank` is shown first; `sign` is for users who do not
// see the colour, and the label for all.
const STATES = {
  unhealthy: { rank: 0, word: "unhealthy", sign: "✕" },
  ejected: { rank: 1, word: "ejected", sign: "▲" },
  half_open: { rank: 2, word: "half-open", sign: "◐" },
  full: { rank: 3, word: "full", sign: "■" },
  draining: { rank: 4, word: "draining", sign: "▼" },
  eligible: { rank: 6, word: "eligible", sign: "●" },
};

// Shares of failed requests: a warning, and a problem.
const ERRORS_WARN = 0.01;
const ERRORS_BAD = 0.05;

const CHECK_IS_OLD_MS = 30000;

const UNTIL = {
  checks_pass: "until checks pass",
  undrain: "until undrained",
};

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 0 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const names = new Intl.Collator("en", { numeric: true });
const NOTHING = "–";

// A number and its unit stay on one line.
const joined = (value, unit) => `${value}\u00a0${unit}`;

export const stateNames = () => Object.keys(STATES);

// An unknown state of a later version is shown as it comes.
export const stateOf = (name) => STATES[name] ?? { rank: 5, word: name, sign: "?" };

export const isTrouble = (backend) => stateOf(backend.state).rank < STATES.draining.rank;

export const count = (value) => whole.format(value);

// A number with its noun: `1 request`, `2 requests`.
export const plural = (value, noun, more = `${noun}s`) => `${count(value)} ${value === 1 ? noun : more}`;

// A number with at most four digits.
const short = (value) => (value < 10000 ? whole : compact).format(value);

export function rate(value) {
  if (value > 0 && value < 0.05) return "<0.1";
  if (value > 0 && value < 10) return value.toFixed(1);
  return value < 100000 ? whole.format(value) : compact.format(value);
}

export function millis(value) {
  if (value === null) return NOTHING;
  if (value < 10) return joined(value.toFixed(1), "ms");
  if (value < 1000) return joined(value.toFixed(0), "ms");
  return joined((value / 1000).toFixed(value < 10000 ? 2 : 1), "s");
}

export function percent(part) {
  if (part <= 0) return joined(0, "%");
  if (part < 0.001) return joined("<0.1", "%");
  return joined((part * 100).toFixed(part < 0.0995 ? 1 : 0), "%");
}

// A duration in its two largest units.
export function duration(ms) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const seconds = Math.max(0, Math.round(ms / 1000));
  const at = units.findIndex(([, size]) => seconds >= size);
  if (at < 0) return joined(0, "s");
  const [unit, size] = units[at];
  const [below, small] = units[at + 1] ?? ["", 0];
  const rest = small ? Math.floor((seconds % size) / small) : 0;
  const first = joined(Math.floor(seconds / size), unit);
  return rest ? joined(first, joined(rest, below)) : first;
}

// At least a second while time is left, so that "0 s left" is not shown for long.
export const left = (ms) => (ms > 0 ? joined(duration(Math.max(ms, 1000)), "left") : "due now");

const zone = { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" };

// A time of day with the name of its zone, and the day if that is another one in this zone.
function clockIn(time, timeZone) {
  const day = (of) => of.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone });
  const clock = time.toLocaleTimeString("en-GB", { ...zone, timeZone });
  return day(time) === day(new Date()) ? clock : `${day(time)} ${clock}`;
}

// A time as in the logs, and on the clock of the browser if that differs.
export function clocks(time) {
  const at = new Date(time);
  const utc = clockIn(at, "UTC");
  return at.getTimezoneOffset() === 0 ? [utc] : [utc, clockIn(at)];
}

export const when = (time) => clocks(time).join(" · ");

// How long ago.
export const age = (ms) => joined(duration(ms), "ago");

// How long a backend has been in its state: an ejection is an event, the other states last.
export function since(backend, ms = backend.since_ms) {
  if (ms === null || ms === undefined) return "";
  return backend.state === "ejected" ? age(ms) : `for ${duration(ms)}`;
}

// A number of bytes in the unit that leaves at most three digits.
export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return joined(at > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0), units[at]);
}

export const byteRate = (value) => `${bytes(value ?? 0)}/s`;

// The requests that a route is for.
export const site = ({ host, path }) => {
  if (!host) return path === "/" ? "any host" : `any host ${path}`;
  return path === "/" ? host : host + path;
};

// Some of these, and the number of the others.
export function some(all, most = 3, between = ", ") {
  const more = all.length - most;
  const named = all.slice(0, most).join(between);
  return more > 0 ? `${named}${between}${count(more)} more` : named;
}

// A share; 0 if there is no total.
const part = (some, all) => (all > 0 ? Math.min(1, some / all) : 0);

export const errorShare = (it) => part(it.error_rate, it.rate);

// The end in words, if no instant is known.
export const until = (backend) => (backend.for_ms === null ? (UNTIL[backend.until] ?? "") : "");

// The remarks on a backend beside its state.
export const reason = (backend) => backend.reason ?? (isSlow(backend) ? "slow start" : "");

export const isSlow = (backend) =>
  backend.state === "eligible" && backend.weight_in_effect < backend.weight * 0.995;

export function weight(backend) {
  const inEffect = backend.weight_in_effect;
  if (!isSlow(backend)) return short(backend.weight);
  return `${inEffect < 10 ? inEffect.toFixed(1) : short(inEffect)}/${short(backend.weight)}`;
}

export const active = (it) =>
  it.max_connections == null
    ? short(it.active)
    : `${short(it.active)}/${short(it.max_connections)}`;

export function check(backend) {
  const last = backend.check;
  if (!last) return "none";
  if (last.passed) return `passed in ${millis(last.took_ms)}`;
  // The reason of an unhealthy backend is shown beside its state.
  return last.reason && backend.state !== "unhealthy" ? `failed: ${last.reason}` : "failed";
}

// The age of a passed check is shown only if it is older than expected.
export function checkAge({ check }) {
  if (!check || (check.passed && check.ago_ms < CHECK_IS_OLD_MS)) return "";
  return age(check.ago_ms);
}

export const counts = (pool) => {
  const classes = Object.entries(pool.responses).filter(([, value]) => value > 0);
  const text = classes.map(([name, value]) => `${name} ${count(value)}`).join(", ");
  const parts = [`${plural(pool.requests, "request")}${text ? ` (${text})` : ""}`];
  parts.push(plural(pool.retries, "retry", "retries"));
  parts.push(`${bytes(pool.request_bytes ?? 0)} in, ${bytes(pool.response_bytes ?? 0)} out`);
  if (pool.budget_exhausted) parts.push(`${count(pool.budget_exhausted)} not paid for by the budget`);
  if (pool.queue.size) parts.push(`queue ${count(pool.queue.length)} of ${count(pool.queue.size)}`);
  return parts.join(" · ");
};

export const eligible = (backends) => backends.filter((it) => it.state === "eligible");

// The days that are left of the certificate that ends first; null without TLS.
export function certificateDays(listeners) {
  const all = listeners.map((it) => it.certificate_days_left ?? null).filter((it) => it !== null);
  return all.length ? Math.min(...all) : null;
}

export const days = (value) => plural(value, "day");

// As the process log warns.
export const endsSoon = (value) => value !== null && value !== undefined && value < 20;

// A problem of a pool as a whole: `[level, words, in short]`.
export function poolTroubles(pool) {
  const found = [];
  if (!eligible(pool.backends).length) {
    const probed = pool.backends.some((it) => it.state === "half_open");
    const short = "no eligible backend";
    found.push(["bad", probed ? `${short}, waits for a probe` : short, short]);
  }
  if (pool.panic) {
    found.push(["bad", "panic: too many backends are unhealthy, health checks are ignored", "panic"]);
  }
  const failing = errorShare(pool);
  if (failing >= ERRORS_WARN) {
    const how = failing >= ERRORS_BAD ? "bad" : "warn";
    found.push([how, `${percent(failing)} of requests fail`, "errors"]);
  }
  if (pool.queue.length) {
    found.push(["warn", plural(pool.queue.length, "request waits", "requests wait"), "queue"]);
  }
  return found;
}

const LEVELS = ["bad", "warn", ""];

// The level: `bad`, `warn`, or empty.
export function level(pool) {
  const found = poolTroubles(pool).map(([it]) => it);
  if (pool.backends.some(isTrouble)) found.push("warn");
  return LEVELS.find((it) => !it || found.includes(it));
}

// A minute of history in three parts: requests, errors, p99.
export function minute({ requests, errors, p99_ms: p99 }) {
  const slowest = Math.max(0, ...p99);
  const all = errors.reduce((sum, it) => sum + it, 0);
  return [
    `peak ${count(Math.max(0, ...requests))}/s`,
    plural(all, "error"),
    slowest ? `p99 up to ${millis(slowest)}` : "no p99",
  ];
}

// The same for one second.
export function second({ requests, errors, p99_ms: p99 }, at) {
  const when = joined(requests.length - at, "s ago");
  return [`${when}: ${count(requests[at])}/s`, plural(errors[at], "error"), `p99 ${millis(p99[at])}`];
}

export const byLevel = (a, b) => LEVELS.indexOf(level(a)) - LEVELS.indexOf(level(b));

const NUMBERS = {
  weight: (it) => it.weight_in_effect,
  active: (it) => it.active,
  rate: (it) => it.rate,
  share: (it) => it.share,
  errors: errorShare,
  p50: (it) => it.latency.p50_ms ?? -1,
  p99: (it) => it.latency.p99_ms ?? -1,
  // Failed checks come first, then the oldest.
  check: (it) => (it.check ? (it.check.passed ? 0 : 1e12) + it.check.ago_ms : -1),
};

// Numbers begin with the largest, which users look for; names begin with the first.
export const startsDown = (key) => key in NUMBERS;

// Compares backends. Ties keep the order of the configuration, since sorting is stable.
export function order(key, down) {
  const sign = down ? -1 : 1;
  if (key === "address") return (a, b) => sign * names.compare(a.name, b.name) || sign * names.compare(a.address, b.address);
  if (key === "state") return (a, b) => sign * (rank(a) - rank(b));
  const number = NUMBERS[key];
  return (a, b) => sign * (number(a) - number(b));
}

// Among eligible backends, those with remarks come first.
function rank(backend) {
  const { rank } = stateOf(backend.state);
  return backend.state === "eligible" && isSlow(backend) ? rank - 0.5 : rank;
}

// The name, and the address if it differs.
export function label({ name, address }) {
  return name === address ? name : `${name} (${address})`;
}

// Unusual facts that its state does not show.
export function tags(backend) {
  const orders = backend.set_by_operator.filter((it) => {
    return !(it === "drained" && backend.state === "draining") && it !== backend.state;
  });
  const set = orders.map((order) => `${order} by operator`);
  return backend.backup ? ["backup", ...set] : set;
}

// Whether a backend matches every word that was typed.
export function matches(backend, words) {
  const state = stateOf(backend.state).word;
  const orders = backend.set_by_operator.join(" ");
  const known = [backend.pool, backend.name, backend.address, state, reason(backend), orders, ...tags(backend)];
  const text = known.join(" ");
  return words.every((word) => text.toLowerCase().includes(word));
}

export function sentence(event) {
  const length = event.for_ms === null ? "" : `, for ${duration(event.for_ms)}`;
  const operator = event.by ? `, by ${event.by}` : "";
  return `${event.text}${length}${operator}`;
}

// What a pool loses without this backend, as the commands say it.
export function loss({ pool, last_serving: last }) {
  if (!last) return "";
  if (last === "primary") return `It is the last eligible primary of ${pool}: backups take over.`;
  return `It is the last eligible backend of ${pool}: without it, requests to this pool fail.`;
}

const BAD_EVENTS = ["ejected", "unhealthy", "panic_began", "pool_unavailable", "reload_failed"];
const GOOD_EVENTS = ["readmitted", "healthy", "panic_ended", "pool_available"];

export function tone(event) {
  if (BAD_EVENTS.includes(event.event)) return "bad";
  return GOOD_EVENTS.includes(event.event) ? "good" : "info";
}
