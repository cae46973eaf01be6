// The pools and their backends. Every pool and every backend has its own element for as long as it
// exists: once a second only what has changed is written, so that focus, selection and scrolling
// stay where they are, and 200 backends cost little.

import * as words from "./words.js";

// After the user points or types there, rows keep their place for this long, in milliseconds.
const HOLD_MS = 4000;
// Without this interval, changing numbers would make rows jump every second.
const RESORT_MS = 5000;
// With more pools or more backends, only pools in trouble are unfolded at first.
const UNFOLDED_POOLS = 6;
const UNFOLDED_BACKENDS = 24;
// The rows of a pool that are shown until the user asks for all, or filters.
const ROWS = 12;
// The same on a phone, where a row is a card.
const UNFOLDED_BACKENDS_SMALL = 8;
const ROWS_SMALL = 5;
const SECONDS = 60;
const CHART = { width: 300, height: 44 };

const isSmall = matchMedia("(width < 700px)");
const place = document.getElementById("pools");
const pools = new Map();
let sort = { key: "state", down: false };
let filter = { words: [], state: "all" };
let touchedAt = -Infinity;
let sortedAt = -Infinity;
let sortedAs = "";
let onChange = () => {};

export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function mark(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// The elements of a template that are filled in, by their names.
export function fields(root) {
  const all = [...root.querySelectorAll("[data-f]")];
  return Object.fromEntries(all.map((node) => [node.dataset.f, node]));
}

function fromTemplate(id) {
  const root = document.getElementById(id).content.firstElementChild.cloneNode(true);
  return { root, f: fields(root) };
}

class Row {
  constructor(backend) {
    Object.assign(this, fromTemplate("row-template"));
    this.endsAt = null;
    this.beganAt = null;
    this.root.dataset.backend = backend.address;
    this.f.drain.addEventListener("click", () => onChange("drain", this.backend));
    this.f.more.addEventListener("click", () => onChange("more", this.backend));
  }

  update(backend) {
    const f = this.f;
    this.backend = backend;
    const state = words.stateOf(backend.state);
    mark(this.root, "data-state", backend.state);
    put(f.state, `${state.sign} ${state.word}`);
    put(f.reason, words.reason(backend));
    this.setTimes(backend);
    this.updateTags(backend);
    put(f.weight, words.weight(backend));
    put(f.active, words.active(backend));
    put(f.rate, words.rate(backend.rate));
    put(f.share, words.percent(backend.share));
    f.bar.style.width = `${(backend.share * 100).toFixed(1)}%`;
    put(f.errors, words.percent(words.errorShare(backend)));
    mark(f.errors, "class", backend.error_rate > 0 ? "bad-text" : "");
    put(f.p50, words.millis(backend.latency.p50_ms));
    put(f.p99, words.millis(backend.latency.p99_ms));
    put(f.check, words.check(backend));
    put(f.age, words.checkAge(backend));
    mark(f.check, "class", backend.check?.passed === false ? "bad-text" : "");
    const verb = backend.state === "draining" ? "Undrain" : "Drain";
    put(f.drain, verb);
    put(f.name, backend.name);
    put(f.address, backend.name === backend.address ? "" : backend.address);
    mark(f.more, "aria-label", `More for ${words.label(backend)}`);
    mark(f.drain, "aria-label", `${verb} ${words.label(backend)}`);
  }

  setTimes(backend) {
    const now = performance.now();
    const began = backend.since_ms ?? null;
    this.endsAt = steady(this.endsAt, backend.for_ms === null ? null : now + backend.for_ms);
    this.beganAt = steady(this.beganAt, began === null ? null : now - began);
    this.tick();
  }

  tick() {
    const since = this.beganAt === null ? null : performance.now() - this.beganAt;
    put(this.f.since, words.since(this.backend, since));
    const time = this.endsAt === null ? "" : words.left(this.endsAt - performance.now());
    put(this.f.left, time || words.until(this.backend));
  }

  updateTags(backend) {
    const tags = words.tags(backend);
    const text = tags.join("\n");
    if (this.tags === text) return;
    this.tags = text;
    const nodes = tags.map((tag) => {
      const node = document.createElement("span");
      node.className = "tag";
      node.textContent = tag;
      return node;
    });
    this.f.tags.replaceChildren(...nodes);
  }
}

// The answer's own rounding must not make the seconds flicker.
function steady(before, now) {
  const isNear = before !== null && now !== null && Math.abs(now - before) < 1500;
  return isNear ? before : now;
}

class PoolView {
  constructor(pool) {
    Object.assign(this, fromTemplate("pool-template"));
    this.rows = new Map();
    // The user's choice; `null` before the first one.
    this.chosen = null;
    this.wasTroubled = false;
    this.isWhole = false;
    // The rows in their order.
    this.order = [];
    this.pointed = null;
    const id = `pool-${pools.size}`;
    this.f.name.id = id;
    this.f.body.id = `${id}-backends`;
    mark(this.root, "aria-labelledby", id);
    mark(this.f.fold, "aria-controls", this.f.body.id);
    put(this.f.name, pool.name);
    put(this.f.title, `Backends of pool ${pool.name}`);
    this.f.fold.addEventListener("click", () => {
      this.chosen = this.f.body.hidden;
      this.fold();
    });
    this.f.rest.addEventListener("click", () => {
      this.isWhole = !this.isWhole;
      this.show();
    });
    for (const button of this.root.querySelectorAll("[data-sort]")) {
      button.addEventListener("click", () => sortBy(button.dataset.sort));
    }
    this.f.chart.addEventListener("pointermove", (event) => this.point(event));
    this.f.chart.addEventListener("pointerleave", () => this.point(null));
    showSort(this.root);
  }

  update(pool, routes, isOneOfMany) {
    const f = this.f;
    this.pool = pool;
    this.isOneOfMany = isOneOfMany;
    const level = words.level(pool);
    this.wasTroubled ||= level !== "";
    mark(this.root, "data-level", level);
    put(f.algorithm, pool.algorithm);
    this.updateMarks(level);
    put(f.eligible, `${words.eligible(pool.backends).length} of ${pool.backends.length}`);
    put(f.rate, words.rate(pool.rate));
    put(f.errors, words.percent(words.errorShare(pool)));
    mark(f.errors, "class", pool.error_rate > 0 ? "bad-text" : "");
    put(f.p50, words.millis(pool.latency.p50_ms));
    put(f.p99, words.millis(pool.latency.p99_ms));
    put(f.active, words.count(pool.active));
    const sites = routes.filter((it) => it.pool === pool.name).map(words.site);
    put(f.sites, sites.length ? `for ${words.some(sites)}` : "no route leads here");
    put(f.counts, words.counts(pool));
    this.updateRows(pool);
    this.draw(pool.history);
  }

  updateMarks(level) {
    const found = words.poolTroubles(this.pool);
    const out = this.pool.backends.filter(words.isTrouble).length;
    const text = found.map(([, , short]) => short).join(" · ") || (out ? `${out} in trouble` : "");
    put(this.f.marks, text);
    mark(this.f.marks, "class", text ? `badge ${level}` : "");
  }

  updateRows(pool) {
    const gone = new Set(this.rows.keys());
    for (const backend of pool.backends) {
      gone.delete(backend.address);
      let row = this.rows.get(backend.address);
      if (!row) {
        row = new Row(backend);
        this.rows.set(backend.address, row);
        sortedAs = "";
      }
      row.update(backend);
    }
    for (const address of gone) {
      this.rows.get(address).root.remove();
      this.rows.delete(address);
      sortedAs = "";
    }
  }

  // The number of backends that the filter lets through.
  show() {
    const isFiltered = filter.words.length > 0 || filter.state !== "all";
    const most = isFiltered || this.isWhole ? Infinity : this.most();
    let shown = 0;
    for (const row of this.order) {
      const isPassing = passes(row.backend);
      const isHidden = !isPassing || shown >= most;
      shown += isPassing;
      if (row.root.hidden !== isHidden) row.root.hidden = isHidden;
    }
    this.showRest(isFiltered);
    this.root.hidden = isFiltered && shown === 0;
    this.isFiltered = isFiltered;
    this.fold();
    return shown;
  }

  // Not a button for one row more.
  most() {
    const rows = isSmall.matches ? ROWS_SMALL : ROWS;
    return this.order.length <= rows + 1 ? Infinity : rows;
  }

  showRest(isFiltered) {
    const isCut = this.most() < this.order.length;
    this.f.rest.hidden = isFiltered || !isCut;
    if (!isCut) return;
    const rest = this.order.slice(this.most()).map((it) => it.backend);
    const bad = rest.filter(words.isTrouble).length;
    const more = [`${words.count(rest.length)} more`, bad && `${words.count(bad)} of them in trouble`];
    const all = `Show all ${words.plural(this.order.length, "backend")} (${more.filter(Boolean).join(", ")})`;
    put(this.f.rest, this.isWhole ? "Show fewer" : all);
    mark(this.f.rest, "aria-expanded", String(this.isWhole));
  }

  fold() {
    const byItself = this.isFiltered || this.wasTroubled || !this.isOneOfMany;
    const isOpen = this.chosen ?? byItself;
    this.f.body.hidden = !isOpen;
    mark(this.f.fold, "aria-expanded", String(isOpen));
  }

  arrange() {
    const compare = words.order(sort.key, sort.down);
    const rows = this.pool.backends.map((it) => this.rows.get(it.address));
    rows.sort((a, b) => compare(a.backend, b.backend));
    this.order = rows;
    arrange(this.f.rows, rows.map((row) => row.root));
  }

  draw(history) {
    const top = Math.max(1, ...history.requests);
    const slowest = Math.max(0, ...history.p99_ms);
    const width = CHART.width / SECONDS;
    const offset = SECONDS - history.requests.length;
    const x = (index) => (index + offset) * width;
    const bar = (value, index, least) => {
      if (!value) return "";
      const height = Math.max(least, (value / top) * CHART.height);
      return `M${x(index).toFixed(1)} ${CHART.height}v${-height.toFixed(1)}h${(width - 1).toFixed(1)}V${CHART.height}z`;
    };
    mark(this.f.bars, "d", history.requests.map((it, at) => bar(it, at, 1)).join(""));
    mark(this.f.bad, "d", history.errors.map((it, at) => bar(it, at, 3)).join(""));
    mark(this.f.line, "d", line(history.p99_ms, slowest, (index) => x(index) + width / 2));
    mark(this.f.chart, "aria-label", `The last minute: ${words.minute(history).join(", ")}`);
    this.caption();
  }

  point(event) {
    const box = this.f.chart.getBoundingClientRect();
    this.pointed = event && Math.floor(((event.clientX - box.left) / box.width) * SECONDS);
    this.caption();
  }

  // The second under the pointer, else the whole minute.
  caption() {
    const { history } = this.pool;
    const at = this.pointed === null ? -1 : this.pointed - (SECONDS - history.requests.length);
    const isThere = at >= 0 && at < history.requests.length;
    const parts = isThere ? words.second(history, at) : words.minute(history);
    [this.f.peak, this.f.failed, this.f.slow].forEach((node, index) => put(node, parts[index]));
  }
}

// A line with gaps at unknown values.
function line(values, top, x) {
  let isDrawn = false;
  const points = values.map((value, index) => {
    const verb = isDrawn ? "L" : "M";
    isDrawn = value !== null;
    if (!isDrawn) return "";
    const y = CHART.height - 2 - (value / (top || 1)) * (CHART.height - 4);
    return `${verb}${x(index).toFixed(1)} ${y.toFixed(1)}`;
  });
  return points.join("");
}

function passes(backend) {
  const { state } = filter;
  const isState =
    state === "all" || (state === "trouble" ? words.isTrouble(backend) : backend.state === state);
  return isState && words.matches(backend, filter.words);
}

// Puts the children into this order, and moves only those that must move.
function arrange(parent, nodes) {
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    // `moveBefore` keeps the focus, in browsers that have it.
    else if (parent.moveBefore && node.parentNode === parent) parent.moveBefore(node, at);
    else parent.insertBefore(node, at);
  }
}

function arrangeAll(status, isAsked) {
  const now = performance.now();
  const states = status.pools.map((pool) => {
    return words.level(pool) + pool.backends.map((it) => words.stateOf(it.state).rank);
  });
  const asNow = states.join(";");
  const isNew = sortedAs === "";
  const isDue = asNow !== sortedAs || (sort.key !== "state" && now - sortedAt > RESORT_MS);
  const isHeld = now - touchedAt < HOLD_MS && !isNew;
  if (!isAsked && (!isDue || isHeld)) return;
  sortedAt = now;
  sortedAs = asNow;
  const sorted = [...status.pools].sort(words.byLevel);
  arrange(place, sorted.map((pool) => pools.get(pool.name).root));
  for (const pool of pools.values()) pool.arrange();
}

function hasMany(all) {
  const backends = all.reduce((sum, pool) => sum + pool.backends.length, 0);
  const most = isSmall.matches ? UNFOLDED_BACKENDS_SMALL : UNFOLDED_BACKENDS;
  // One pool alone is what its page is for, and its rows are cut anyway.
  return all.length > UNFOLDED_POOLS || (all.length > 1 && backends > most);
}

// The number of backends shown, and of all.
let last = null;

export function update(status) {
  last = status;
  const gone = new Set(pools.keys());
  const routes = status.routes ?? [];
  const isMany = hasMany(status.pools);
  for (const pool of status.pools) {
    gone.delete(pool.name);
    if (!pools.has(pool.name)) {
      pools.set(pool.name, new PoolView(pool));
      sortedAs = "";
    }
    pools.get(pool.name).update(pool, routes, isMany);
  }
  for (const name of gone) {
    pools.get(name).root.remove();
    pools.delete(name);
  }
  arrangeAll(status, false);
  return show();
}

// The answer to a change, shown before the next whole answer comes.
export function updateBackend(backend) {
  pools.get(backend.pool)?.rows.get(backend.address)?.update(backend);
}

function show() {
  let shown = 0;
  for (const pool of pools.values()) shown += pool.show();
  return shown;
}

export function tick() {
  for (const pool of pools.values()) {
    for (const row of pool.rows.values()) if (row.backend.state !== "eligible") row.tick();
  }
}

export function setFilter(text, state) {
  filter = { words: text.toLowerCase().split(/\s+/).filter(Boolean), state };
  return show();
}

// A second click reverses the order.
export function sortBy(key, down) {
  const isAgain = sort.key === key;
  sort = { key, down: down ?? (isAgain ? !sort.down : words.startsDown(key)) };
  document.getElementById("sort").value = key;
  for (const pool of pools.values()) showSort(pool.root);
  if (!last) return;
  arrangeAll(last, true);
  show();
}

function showSort(root) {
  for (const button of root.querySelectorAll("[data-sort]")) {
    const isIt = button.dataset.sort === sort.key;
    const cell = button.closest("th");
    if (isIt) mark(cell, "aria-sort", sort.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
}

// Brings a pool, or one of its backends, into sight.
export function reveal(name, address) {
  const pool = pools.get(name);
  if (!pool) return;
  pool.chosen = true;
  pool.fold();
  if (pool.rows.get(address)?.root.hidden) {
    pool.isWhole = true;
    pool.show();
  }
  const target = pool.rows.get(address);
  const focused = target && !target.root.hidden ? target.f.drain : pool.f.fold;
  focused.focus({ preventScroll: true });
  focused.closest("tr, section").scrollIntoView({ block: "center" });
}

export function whenAsked(handler) {
  onChange = handler;
}

isSmall.addEventListener("change", () => last && update(last));

for (const kind of ["pointermove", "pointerdown", "keydown"]) {
  place.addEventListener(kind, () => (touchedAt = performance.now()), { passive: true });
}
