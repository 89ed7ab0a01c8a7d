// The page: it listens to the node, and draws what changed at most once a frame.

import {$, attribute, say, show} from "./dom.js";
import {sentence} from "./format.js";
import {state, take} from "./record.js";
import {watch} from "./stream.js";
import {takeToken, token} from "./token.js";
import {drawAlerts} from "./alerts.js";
import {drawControls} from "./controls.js";
import {drawCurve} from "./curve.js";
import {drawDetails} from "./details.js";
import {drawEvents} from "./events.js";
import {drawLimits} from "./limits.js";
import {drawMachine} from "./machine.js";
import {drawPeers} from "./peers.js";
import {drawRounds} from "./rounds.js";
import {drawSwarm} from "./swarm.js";
import {drawTraffic} from "./traffic.js";

const parts = [drawAlerts, drawMachine, drawControls, drawLimits, drawSwarm, drawCurve, drawPeers, drawRounds, drawEvents, drawTraffic, drawDetails];
let due = false;

/** Has the page drawn in the next frame. */
function redraw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (state()) for (const draw of parts) draw(state(), redraw);
  });
}

function line(tone, words) {
  attribute($("line"), "class", tone);
  say($("line"), words);
}

async function tell(kind, data) {
  line("good", "Live");
  show($("refused"), false);
  show($("shown"), true);
  const taken = take(kind, data);
  redraw();
  await taken?.catch(() => {}); // the stream ends as well then, and begins anew
  redraw();
}

function lost() {
  const left = state()?.reason === "leaving";
  line("bad", left ? "The daemon has left; murmur up starts it again" : sentence("the daemon does not answer; this is how it was. Trying again"));
}

function refused() {
  line("bad", "No key");
  show($("refused"), true);
  show($("shown"), false);
}

takeToken();
addEventListener("hashchange", () => takeToken() && location.reload());
if (token()) watch(tell, lost, refused);
else refused();
