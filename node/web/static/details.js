// What an operator asks for now and then.

import {$, facts, make} from "./dom.js";
import {bytes, compact, count, name, sentence, time, whole} from "./format.js";

function reach(r) {
  if (r.verdict === "public") return "others can dial this node";
  if (r.dialled?.length) return "others have dialled this node at " + r.dialled[0];
  if (r.relays?.length) return "through a relay, for peers that it cannot dial itself";
  if (r.verdict === "private") return "nobody can dial this node; it dials others";
  return "not known yet whether others can dial this node";
}

const tried = (r) => (r.tried ?? []).map((a) => `${a.addr}: ${a.why}, at ${time(a.at)}`).join("; ");

let sends = "";

export function drawDetails(s) {
  const c = s.counts, p = s.process, t = s.trainer;
  facts($("detail-facts"), [
    ["Node", `${name(s.peer)}, murmur ${s.version}, since ${time(s.started)}`],
    ["Join link", s.link],
    ["Reach", sentence(reach(s.reach))],
    ["Not let in", s.reach.refusal],
    ["Not reached", tried(s.reach)],
    ["Model", t.params ? `${compact(t.params)} parameters; state ${s.head.state_root.slice(-8)} at round ${whole(s.head.height)}` : ""],
    ["Trainer", t.pid ? `process ${t.pid}, ${count(t.steps, "step")}, ${count(t.restarts, "restart")}` : ""],
    ["Backends refused", (t.refusals ?? []).join("; ")],
    ["Gossip left out", Object.entries(s.traffic.dropped ?? {}).map(([why, n]) => `${whole(n)} ${why}`).join(", ")],
    ["Rounds here", `${count(c.rounds, "round")}; own updates ${whole(c.own_included)} in, ${whole(c.own_missing)} left out`],
    ["Memory, disk", `${bytes(p.memory_bytes)} held by the daemon, ${bytes(p.disk_bytes)} on disk`],
    ["Swarm", s.swarm],
  ]);
  const said = (s.sends ?? []).join("\n");
  if (said !== sends) {
    sends = said;
    $("sends").replaceChildren(...(s.sends ?? []).map((line) => make("li", "", sentence(line))));
  }
}
