// What is wrong, and what to do about it.

import {$, make, rows, say, show} from "./dom.js";
import {sentence, time} from "./format.js";
import {tell} from "./news.js";

const known = new Set(); // the texts of a condition change each second, so only its coming is told

function create(c) {
  return make("article", "alert " + c.severity, make("p", "", make("strong", "", sentence(c.severity).slice(0, -1) + ": "), make("span")), make("p", "do"), make("p", "quiet"));
}

function fill(row, c) {
  const [what, todo, since] = row.children;
  say(what.lastChild, sentence(c.text));
  say(todo, sentence(c.do));
  say(since, "Since " + time(c.since));
}

export function drawAlerts(s) {
  const wrong = s.health ?? [];
  rows($("alerts"), wrong, (c) => c.id + c.severity, create, fill);
  show($("alerts"), wrong.length > 0);
  const fresh = wrong.filter((c) => !known.has(c.id));
  if (fresh.length > 0) tell(fresh.map((c) => `${c.severity}: ${c.text}`).join("; "));
  known.clear();
  for (const c of wrong) known.add(c.id);
}
