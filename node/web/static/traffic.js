// What went over the line, against what was necessary and the all-reduce that it replaces.

import {$, cell, line, make, rows, say} from "./dom.js";
import {bytes} from "./format.js";

function create() {
  const row = line("", cell("th"), cell("td", "n"), make("td", "bar-box", make("span", "bar")));
  row.lastChild.setAttribute("aria-hidden", "true");
  return row;
}

function fill(row, r) {
  const [what, n, box] = row.children;
  say(what, r.what);
  say(n, bytes(r.bytes));
  const width = `${Math.max(100 * r.part, r.bytes > 0 ? 0.5 : 0).toFixed(1)}%`;
  if (box.firstChild.style.width !== width) box.firstChild.style.width = width;
  box.firstChild.className = "bar " + r.kind;
}

const times = (n) => (n >= 10 ? n.toFixed(0) : n.toPrecision(2));

function summary(t) {
  const said = [`Sent ${bytes(t.bytes_out)}, received ${bytes(t.bytes_in)}.`];
  if (t.all_reduce_bytes > t.bytes_in && t.bytes_in > 0) said.push(`An all-reduce of whole gradients would have received ${times(t.all_reduce_bytes / t.bytes_in)} times as much.`);
  if (t.necessary_bytes > 0) said.push(`${(100 * Math.min(t.necessary_bytes / t.bytes_in, 1)).toFixed(0)} % of what came was necessary: payloads that rounds took in.`);
  return said.join(" ");
}

const protocol = () => line("", cell("th"), cell("td", "n"), cell("td", "n"));

function fillProtocol(row, [name, b]) {
  const [what, received, sent] = row.children;
  say(what, name);
  say(received, bytes(b.in));
  say(sent, bytes(b.out));
}

export function drawTraffic(s) {
  const t = s.traffic;
  const most = Math.max(t.all_reduce_bytes, t.bytes_in, 1);
  say($("traffic-sum"), summary(t));
  rows($("traffic-table").tBodies[0], [
    {what: "by an all-reduce, which it replaces", bytes: t.all_reduce_bytes, kind: "instead"},
    {what: "by this node", bytes: t.bytes_in, kind: "real"},
    {what: "of that necessary", bytes: t.necessary_bytes, kind: "necessary"},
  ].map((r) => ({...r, part: r.bytes / most})), (r) => r.kind, create, fill);
  rows($("protocols").tBodies[0], Object.entries(t.protocols ?? {}).sort(([, a], [, b]) => b.in + b.out - a.in - a.out), ([name]) => name, protocol, fillProtocol);
}
