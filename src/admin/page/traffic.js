// Routes and listeners: which sites get requests, and which fail.

import { put, mark } from "./pools.js";
import * as words from "./words.js";

// Rows that are shown until the user asks for all.
const ROWS = 8;

const byId = (id) => document.getElementById(id);
const isWhole = { routes: false, listeners: false };
let last = null;
let onPool = () => {};

// `handler(pool)` is called when the user follows a route to its pool.
export function whenAsked(handler) {
  onPool = handler;
}

export function update(status) {
  last = status;
  const routes = status.routes ?? [];
  const failing = routes.filter(fails).length;
  const summary = [words.plural(routes.length, "route"), words.plural(status.listeners.length, "listener")];
  if (failing) summary.push(`${words.plural(failing, "route fails", "routes fail")} requests`);
  put(byId("traffic-summary"), summary.join(", "));
  mark(byId("traffic-summary"), "class", failing ? "bad-text" : "muted");
  // Failing routes come first; the others keep the order of the configuration.
  table("routes", [...routes].sort((a, b) => fails(b) - fails(a)), route);
  table("listeners", status.listeners, listener);
}

const fails = (it) => it.error_rate > 0;

function route(it) {
  return [words.site(it), it.pool, words.rate(it.rate), words.percent(words.errorShare(it)), words.count(it.requests)];
}

function listener(it) {
  return [
    it.address,
    words.rate(it.rate ?? 0),
    words.percent(words.errorShare({ rate: it.rate ?? 0, error_rate: it.error_rate ?? 0 })),
    words.byteRate(it.request_byte_rate),
    words.byteRate(it.response_byte_rate),
    words.count(it.connections),
  ];
}

// Writes the rows, and only the cells that have changed.
function table(name, all, cells) {
  const body = byId(name);
  const shown = isWhole[name] ? all : all.slice(0, ROWS);
  while (body.rows.length > shown.length) body.lastElementChild.remove();
  shown.forEach((it, at) => {
    const row = body.rows[at] ?? body.insertRow();
    mark(row, "class", fails(it) ? "failing" : "");
    cells(it).forEach((text, column) => {
      const cell = row.cells[column] ?? newCell(row, name, column);
      put(cell.firstElementChild ?? cell, text);
    });
  });
  const button = byId(`${name}-more`);
  button.hidden = all.length <= ROWS;
  put(button, isWhole[name] ? "Show fewer" : `Show all ${words.count(all.length)}`);
  mark(button, "aria-expanded", String(isWhole[name]));
}

function newCell(row, name, column) {
  if (column === 0) {
    const head = document.createElement("th");
    head.scope = "row";
    row.append(head);
    return head;
  }
  const cell = row.insertCell();
  if (name === "routes" && column === 1) {
    const link = document.createElement("button");
    link.type = "button";
    link.addEventListener("click", () => onPool(link.textContent));
    cell.append(link);
  }
  return cell;
}

for (const name of ["routes", "listeners"]) {
  byId(`${name}-more`).addEventListener("click", () => {
    isWhole[name] = !isWhole[name];
    if (last) update(last);
  });
}
