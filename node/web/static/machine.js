// What this machine does, and why.

import {$, attribute, cell, facts, line, make, rows, say, show} from "./dom.js";
import {bytes, compact, loss, never, sentence, time, whole} from "./format.js";
import {energy, hours, lineLimits, machineLimits} from "./settings.js";
import {stateWord} from "./words.js";

function why(s) {
  if (s.why !== s.reason) return sentence(s.why);
  return s.round.active > 1 ? "It learns together with others." : "It learns alone until others come.";
}

const device = () => line("", cell("th", "", make("span"), make("span", "note")), cell("td", "n"), cell("td", "n"), cell("td", "n"));

function fillDevice(row, d) {
  const [name, heat, power, memory] = row.children;
  say(name.children[0], d.name);
  say(name.children[1], d.others ? `${whole(100 * d.others)} % used by other programs` : "");
  say(heat, d.celsius ? `${d.celsius.toFixed(0)} °C` : "–");
  say(power, d.watts ? `${d.watts.toFixed(0)} W` : "–");
  say(memory, d.memory_total_bytes ? `${bytes(d.memory_bytes ?? 0).replace(/ .*/, "")} of ${bytes(d.memory_total_bytes)}` : "–");
}

export function drawMachine(s) {
  const [word, tone] = stateWord(s.reason);
  attribute($("state-dot"), "class", "dot " + tone);
  say($("state-word"), word);
  const title = `${word}, ${s.name || "murmur"}`;
  if (document.title !== title) document.title = title;
  say($("state-why"), why(s));
  say($("state-by"), `Decided by ${s.source}${never(s.until) ? "" : "; it may change at " + time(s.until)}.`);

  const t = s.trainer;
  facts($("machine-figures"), [
    ["tokens/s", t.up ? compact(t.tokens_per_s) : "–"],
    ["training loss", t.up && t.loss ? loss(t.loss) : "–"],
    ["tokens given", compact(s.share.tokens)],
    ["updates taken in", whole(s.share.updates)],
  ]);
  const devices = s.devices ?? [];
  rows($("devices").tBodies[0], devices.map((d, i) => ({...d, i})), (d) => d.i, device, fillDevice);
  show($("devices"), devices.length > 0);
  facts($("machine-facts"), [
    ["Trains on", t.up ? [t.backend, t.device].filter(Boolean).join(", ") : ""],
    ["May train", hours(s.policy)],
    ["Waits for energy", energy(s.policy.energy)],
    ["Line", lineLimits(s)],
    ["Machine", machineLimits(s.policy)],
  ]);
}
