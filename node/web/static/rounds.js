// How the newest rounds went.

import {$, cell, facts, line, make, more, rows, say, show} from "./dom.js";
import {loss, name, never, span, timeOfDay, whole} from "./format.js";
import {rounds} from "./record.js";

const few = 10;
const most = 200;
const named = 3; // of those whose updates are not in; of more only how many
const shown = new WeakMap(); // the outcome that a row shows
let open, seen = "";

function create() {
  const summary = make("summary", "", make("span", "chip in"), make("span", "chip late"), make("span", "chip out"));
  const more = make("details", "", summary, make("dl", "facts"));
  const updates = cell("td", "updates", more);
  const row = line("", cell("th", "n round"), cell("td", "n ended"), cell("td", "n took"), cell("td", "n nats"), updates, cell("td", "closer"));
  more.addEventListener("toggle", () => more.open && fillMore(more.lastChild, shown.get(row)));
  return row;
}

const names = (peers) => peers.map(name).join(", ");

// fillMore lists who was in, and when the round came how far, in seconds since it was due.
function fillMore(list, o) {
  const began = new Date(o.stages.due);
  const stages = never(o.stages.due) ? [] : Object.entries(words).filter(([key]) => !never(o.stages[key]))
    .map(([key, word]) => `${word} after ${((new Date(o.stages[key]) - began) / 1000).toFixed(1)} s`);
  facts(list, [
    ["In", names(o.included ?? [])],
    ["Late", names(o.late ?? [])],
    ["Missing", names(missing(o))],
    ["View", o.view ? whole(o.view) : ""],
    ["Once due", stages.join(", ")],
  ]);
}

const words = {published: "own update out", held: "last payload here", known: "commit here", verified: "verified", adopted: "adopted", applied: "in the trainer"};

const missing = (o) => (o.missing ?? []).filter((p) => !(o.late ?? []).includes(p));

function chip(element, peers, word) {
  say(element, `${peers.length} ${word}` + (word === "in" || peers.length > named ? "" : `: ${names(peers)}`));
  show(element, word === "in" || peers.length > 0);
}

function fill(row, o) {
  if (shown.get(row) === o) return;
  shown.set(row, o);
  const [round, ended, took, nats, updates, closer] = row.children;
  say(round, whole(o.height));
  say(ended, never(o.stages.adopted) ? "–" : timeOfDay(o.stages.adopted));
  say(took, span(o.seconds));
  say(nats, o.loss ? loss(o.loss) : "–");
  const [summary, list] = updates.firstChild.children;
  chip(summary.children[0], o.included ?? [], "in");
  chip(summary.children[1], o.late ?? [], "late");
  chip(summary.children[2], missing(o), "missing");
  if (updates.firstChild.open) fillMore(list, o);
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
