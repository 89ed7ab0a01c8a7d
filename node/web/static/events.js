// The node's diary, the newest first.

import {$, make, more, rows} from "./dom.js";
import {events} from "./record.js";
import {timeOfDay} from "./format.js";

const few = 10;
const most = 200;
let open, seen = "";

function create(e) {
  const time = make("time", "", timeOfDay(e.time));
  time.dateTime = e.time;
  return make("li", "", time, make("span", "kind", e.kind), make("span", "text", e.text));
}

export function drawEvents(_, redraw) {
  open ??= more($("events-more"), few, most, "events", () => {
    seen = "";
    redraw();
  });
  if (seen === events.changes) return;
  seen = events.changes;
  rows($("events-list"), events.items.slice(-open(events.items.length)).reverse(), (e) => e.seq, create, () => {});
}
