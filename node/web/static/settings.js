// What a person allows the machine, in words.

import {bytes} from "./format.js";

const most = (n, words) => (n ? words : "");
const list = (parts) => parts.filter(Boolean).join(", ");

/** When it may train. */
export function hours(p) {
  return list([
    p.compute === "always" ? "at any hour" : p.compute,
    p.battery ? "on battery too" : "not on battery",
    p.idle && p.idle !== "0s" ? `after ${p.idle.replace(/m0s$/, "m").replace(/h0m$/, "h")} without keyboard and mouse` : "",
    p.network === "always" ? "" : `with the line used ${p.network}`,
  ]);
}

/** What it may take of the line. */
export function lineLimits(s) {
  const l = s.limits;
  return list([
    most(l.up_mbit, `${l.up_mbit} Mbit/s up`),
    most(l.down_mbit, `${l.down_mbit} Mbit/s down`),
    most(l.month_gb, `${l.month_gb} GB a month (${bytes(s.usage.bytes)} used)`),
  ]) || "no limit";
}

/** What it may take of the machine. */
export function machineLimits(p) {
  return list([
    most(p.celsius, `up to ${p.celsius} °C`),
    most(p.watts, `up to ${p.watts} W`),
    most(p.memory, `${bytes(p.memory)} of memory`),
    most(p.vram, `${bytes(p.vram)} of the graphics cards' memory`),
  ]) || "no limit";
}

/** Which signal it goes by. */
export function energy(e) {
  const from = e.file ?? e.url ?? e.command?.join(" ");
  if (!from) return "";
  return `${from}${e.field ? `, ${e.field}` : ""}: ${e.above === undefined ? `up to ${e.below}` : `from ${e.above} on`}`;
}
