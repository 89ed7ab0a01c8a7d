// How far the swarm is.

import {$, facts, say, show} from "./dom.js";
import {compact, loss, span, whole} from "./format.js";

/** What this node and the peers that train learn a second. */
export function speed(s) {
  const own = s.trainer.up && s.reason === "training" ? s.trainer.tokens_per_s : 0;
  return s.peers.reduce((sum, p) => sum + (p.tokens_per_s ?? 0), own);
}

export function drawSwarm(s) {
  say($("swarm-name"), s.name);
  facts($("swarm-figures"), [
    ["held-out loss", s.heldout ? loss(s.heldout.loss) : "–"],
    ["perplexity", s.heldout ? Math.exp(s.heldout.loss).toPrecision(3) : "–"],
    ["tokens/s", compact(speed(s))],
    ["nodes learn", whole(s.round.active)],
    ["round", whole(s.head.height + 1)],
    ["since it began", span(s.round.seconds) + (s.round.due ? ", due" : "")],
  ]);
  const {total_tokens: total, complete} = s.schedule;
  show($("progress").parentElement, total > 0);
  if (total > 0) {
    const part = Math.min(s.head.tokens / total, 1);
    if ($("progress").value !== part) $("progress").value = part;
    say($("progress-text"), `${compact(s.head.tokens)} of ${compact(total)} tokens${complete ? ", complete" : ` (${(100 * part).toFixed(1)} %)`}`);
  }
}
