// What the page knows: the node's state, and the newest rounds, losses and events.

import {get} from "./ask.js";
import {merge} from "./merge.js";

/** Things in the order of a number that each has, the newest at most so many. */
export class Series {
  constructor(key, most) {
    Object.assign(this, {key, most, items: [], changes: 0});
  }

  /** The number of the newest, 0 before there is one. */
  get last() {
    return this.items.at(-1)?.[this.key] ?? 0;
  }

  /** Puts things where they belong; one that is there already is replaced. */
  put(things) {
    for (const thing of things) {
      const n = thing[this.key];
      let at = this.items.length;
      while (at > 0 && this.items[at - 1][this.key] > n) at--;
      const same = at > 0 && this.items[at - 1][this.key] === n;
      this.items.splice(same ? at - 1 : at, same ? 1 : 0, thing);
    }
    if (this.items.length > this.most) this.items.splice(0, this.items.length - this.most);
    if (things.length > 0) this.changes++;
  }

  clear() {
    this.items = [];
    this.changes++;
  }
}

export const rounds = new Series("height", 10_000);
export const curve = new Series("height", 10_000);
export const events = new Series("seq", 200);

let told; // the state as the stream tells it
let shown; // that, or what the node answered to a request since

/** The node's state, undefined before it is known. */
export const state = () => shown;

/** Shows what the node answered until the stream says the same. */
export function answered(now) {
  shown = now;
}

const load = (series, path) => get(path + "?since=" + series.last).then((things) => series.put(things ?? []));

async function begin(now) {
  if (told && (told.started !== now.started || told.peer !== now.peer)) {
    for (const s of [rounds, curve, events]) s.clear(); // another run of the daemon: it counts anew
  }
  told = shown = now;
  await Promise.all([load(rounds, "rounds"), load(curve, "curve"), load(events, "events")]);
}

/** Takes a message of the stream in. */
export async function take(kind, data) {
  const before = told?.heldout?.height;
  switch (kind) {
    case "state":
      return begin(data);
    case "patch":
      told = shown = merge(told, data);
      if (told.heldout?.height !== before) await load(curve, "curve");
      return;
    case "round":
      return rounds.put([data]);
    case "event":
      return events.put([data]);
  }
}
