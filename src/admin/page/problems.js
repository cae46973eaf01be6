// The problems of a process, the most urgent first: values in, values out. Each has a tone, a text, and
// the pool or the backend that it leads to.

import * as words from "./words.js";

// From this number on, backends of a pool with the same problem are one line.
const TOGETHER = 3;
// The problems of a failed reload that are shown.
const RELOAD_LINES = 3;

export function problems(status) {
  const found = [];
  if (status.failed_reload) found.push(failedReload(status));
  const ending = status.listeners.filter((it) => words.endsSoon(it.certificate_days_left));
  found.push(...ending.map(certificate));
  const orders = status.orders ?? [];
  found.push(...orders.filter((it) => it.self_signed || it.expired || it.failures).map(order));
  const sorted = [...status.pools].sort(words.byLevel);
  for (const pool of sorted) {
    const text = words.poolTroubles(pool).map(([, text]) => text).join("; ");
    if (text) found.push({ tone: words.level(pool), pool: pool.name, text: text + broken(status, pool) });
  }
  for (const pool of sorted) found.push(...backends(pool));
  return found;
}

// No problem, but easily forgotten.
export function asides(status) {
  const all = status.pools.flatMap((pool) => pool.backends);
  const out = all.filter((it) => it.state === "draining").length;
  return out ? [{ tone: "info", text: words.plural(out, "backend is draining", "backends are draining") }] : [];
}

function failedReload({ failed_reload: { problems, ago_ms: ago, failures, time }, loaded, file }) {
  // The header has the whole name of the file.
  const folder = file ? file.slice(0, file.lastIndexOf("/") + 1) : "";
  const lines = problems.map((it) => (folder && it.startsWith(folder) ? it.slice(folder.length) : it));
  const times = failures > 1 ? `${words.plural(failures, "reload")} failed, the last` : "The last reload failed";
  const still = loaded ? ` The configuration of ${words.when(loaded)} stays in force.` : "";
  const what = words.some(lines, RELOAD_LINES, "; ");
  return { tone: "bad", label: "Configuration", text: `${times} ${words.age(ago)} (${words.when(time)}): ${what}.${still}` };
}

// The sites that a pool with a problem breaks: those that fail, or else all that lead to it.
function broken(status, pool) {
  const routes = (status.routes ?? []).filter((it) => it.pool === pool.name);
  const failing = routes.filter((it) => it.error_rate > 0);
  const sites = (failing.length ? failing : routes).map(words.site);
  return sites.length ? `; it serves ${words.some(sites)}` : "";
}

function order({ hosts, self_signed: selfSigned, expired, failures, error, next }) {
  const state = selfSigned ? "self-signed until the order is done"
    : expired ? "expired, and kept until there is a better one"
    : "not renewed, the old certificate stays";
  const text = failures ? `${state}; ${error}; next try at ${words.when(next)}` : state;
  return { tone: expired || failures && selfSigned ? "bad" : "warn", label: hosts.join(", "), text };
}

function certificate({ address, certificate_days_left: left }) {
  const text = left < 0 ? "a certificate has expired" : `a certificate ends in ${words.days(left)}`;
  return { tone: left < 3 ? "bad" : "warn", label: address, text };
}

function backends(pool) {
  const out = pool.backends.filter(words.isTrouble).sort(words.order("state", false));
  const alike = new Map();
  for (const backend of out) {
    const key = [backend.state, why(backend)].join("\n");
    alike.set(key, [...(alike.get(key) ?? []), backend]);
  }
  return [...alike.values()].flatMap((all) => (all.length < TOGETHER ? all.map(backendProblem) : [together(all)]));
}

const why = (backend) => [words.reason(backend), words.until(backend)].filter(Boolean).join(", ");

const tone = (backend) => (words.stateOf(backend.state).rank < 2 ? "bad" : "warn");

function backendProblem(backend) {
  const head = [words.stateOf(backend.state).word, words.since(backend)].filter(Boolean).join(" ");
  const reason = why(backend);
  const time = backend.for_ms === null ? "" : `, ${words.left(backend.for_ms)}`;
  return {
    tone: tone(backend),
    pool: backend.pool,
    address: backend.address,
    label: words.label(backend),
    text: `${head}${reason ? `: ${reason}` : ""}${time}`,
  };
}

function together(all) {
  const [first] = all;
  const ages = all.map((it) => it.since_ms).filter((it) => it !== null && it !== undefined);
  const longest = ages.length ? `, the first for ${words.duration(Math.max(...ages))}` : "";
  const reason = why(first);
  const text = `${words.plural(all.length, "backend")} ${words.stateOf(first.state).word}${longest}`;
  return { tone: tone(first), pool: first.pool, text: `${text}${reason ? `: ${reason}` : ""}` };
}
