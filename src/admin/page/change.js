// Changes by an operator: drain and undrain after a confirmation; weight, ejection and readmission
// with a form. An open dialog is updated with every answer.

import * as words from "./words.js";
import { put } from "./pools.js";

const byId = (id) => document.getElementById(id);
const confirm = byId("confirm");
const more = byId("more");

// The subject of the open dialog: `{ pool, address, label, verb }`; `null` if none is open.
let about = null;
let ask;
let done;

// `request(path, options)` sends a request and throws a refusal; `changed(backend, said)` is called
// after each change.
export function start(request, changed) {
  ask = request;
  done = changed;
}

const path = ({ pool, address }, verb) =>
  `api/v1/pools/${encodeURIComponent(pool)}/backends/${encodeURIComponent(address)}/${verb}`;

async function change(verb, body, said, error, button) {
  const { pool, address, label } = about;
  button.disabled = true;
  put(error, "");
  try {
    const method = verb === "weight" ? "PUT" : "POST";
    const backend = await ask(path({ pool, address }, verb), { method, body });
    confirm.close();
    more.close();
    done(backend, `${label}: ${said}`);
  } catch (failure) {
    put(error, failure.message);
  } finally {
    button.disabled = false;
  }
}

function find(status) {
  const pool = status.pools.find((it) => it.name === about.pool);
  return pool?.backends.find((it) => it.address === about.address) ?? null;
}

function inFlight({ active }) {
  if (!active) return "nothing is in flight on it.";
  return active === 1 ? "1 in flight finishes." : `${words.count(active)} in flight finish.`;
}

function showConfirm(backend) {
  const isDrain = about.verb === "drain";
  put(byId("confirm-text"), isDrain
    ? `It takes no new requests; ${inFlight(backend)} It stays so, also over a reload, until it is undrained.`
    : "It gets requests again as soon as nothing else stands in the way.");
  warn("confirm-warning", isDrain ? words.loss(backend) : "");
}

function warn(id, text) {
  put(byId(id), text);
  byId(id).hidden = !text;
}

function showMore(backend) {
  const state = words.stateOf(backend.state);
  const why = words.reason(backend);
  const head = [state.sign, state.word, words.since(backend)].filter(Boolean).join(" ");
  put(byId("more-state"), `${head}${why ? `: ${why}` : ""}`);
  warn("more-warning", words.loss(backend));
  byId("readmit").disabled = !["ejected", "half_open"].includes(backend.state);
}

// Called with every answer while a dialog may be open.
export function update(status) {
  if (!about) return;
  const found = find(status);
  if (!found) return void (confirm.close(), more.close());
  if (confirm.open) showConfirm(found);
  if (more.open) showMore(found);
}

export function open(kind, backend, status) {
  const { pool, address } = backend;
  const label = words.label(backend);
  about = { pool, address, label, verb: "" };
  const found = find(status);
  if (!found) return;
  if (kind === "more") {
    put(byId("more-title"), `${label} of pool ${pool}`);
    put(byId("more-error"), "");
    byId("weight").value = backend.weight;
    byId("eject-for").value = "30s";
    showMore(found);
    more.showModal();
    return;
  }
  const isDraining = backend.state === "draining";
  about.verb = isDraining ? "undrain" : "drain";
  const title = isDraining ? "Undrain" : "Drain";
  put(byId("confirm-title"), `${title} ${label} of pool ${pool}?`);
  put(byId("confirm-yes"), title);
  put(byId("confirm-error"), "");
  showConfirm(found);
  confirm.showModal();
}

for (const dialog of [confirm, more]) {
  // This event comes late, when the next dialog may be open already.
  dialog.addEventListener("close", () => {
    if (!confirm.open && !more.open) about = null;
  });
}
byId("confirm-no").addEventListener("click", () => confirm.close());
byId("more-close").addEventListener("click", () => more.close());
byId("confirm-yes").addEventListener("click", (event) => {
  const said = about.verb === "drain" ? "draining" : "undrained";
  change(about.verb, undefined, said, byId("confirm-error"), event.target);
});
byId("more-weight").addEventListener("submit", (event) => {
  event.preventDefault();
  const weight = Number(byId("weight").value);
  change("weight", { weight }, `weight ${weight}`, byId("more-error"), event.submitter);
});
byId("weight-back").addEventListener("click", (event) => {
  const body = { weight: null };
  change("weight", body, "weight as configured", byId("more-error"), event.target);
});
byId("more-eject").addEventListener("submit", (event) => {
  event.preventDefault();
  const time = byId("eject-for").value.trim();
  change("eject", { for: time }, `ejected for ${time}`, byId("more-error"), event.submitter);
});
byId("readmit").addEventListener("click", (event) => {
  change("readmit", undefined, "readmitted", byId("more-error"), event.target);
});
