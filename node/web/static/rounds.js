// How the newest rounds went.

import {$, attribute, cell, line, make, more, rows, say, show} from "./dom.js";
import {loss, name, never, span, timeOfDay, whole} from "./format.js";
import {rounds} from "./record.js";

const few = 10;
const most = 200;
const named = 3; // of those whose updates are not in
let open, seen = "";

function create() {
  const updates = cell("td", "updates", make("span", "chip in"), make("span", "chip late"), make("span", "chip out"));
  return line("", cell("th", "n round"), cell("td", "n ended"), cell("td", "n took"), cell("td", "n nats"), updates, cell("td", "closer"));
}

function chip(element, peers, word) {
  const names = peers.slice(0, named).map(name).join(", ");
  say(element, `${peers.length} ${word}` + (word === "in" ? "" : `: ${names}${peers.length > named ? ", …" : ""}`));
  attribute(element, "title", peers.map(name).join(", "));
  show(element, word === "in" || peers.length > 0);
}

function fill(row, o) {
  if (row.outcome === o) return;
  row.outcome = o;
  const [round, ended, took, nats, updates, closer] = row.children;
  const late = o.late ?? [];
  say(round, whole(o.height));
  say(ended, never(o.stages.adopted) ? "–" : timeOfDay(o.stages.adopted));
  say(took, span(o.seconds));
  say(nats, o.loss ? loss(o.loss) : "–");
  chip(updates.children[0], o.included ?? [], "in");
  chip(updates.children[1], late, "late");
  chip(updates.children[2], (o.missing ?? []).filter((p) => !late.includes(p)), "missing");
  say(closer, name(o.closer));
}

export function drawRounds(_, redraw) {
  open ??= more($("rounds-more"), few, most, "rounds", () => {
    seen = "";
    redraw();
  });
  if (seen === rounds.changes) return;
  seen = rounds.changes;
  rows($("rounds-table").tBodies[0], rounds.items.slice(-open(rounds.items.length)).reverse(), (o) => o.height, create, fill);
  show($("rounds-none"), rounds.items.length === 0);
  show($("rounds-table"), rounds.items.length > 0);
}
