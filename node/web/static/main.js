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
const budget = 4; // milliseconds of a frame; what is left goes on in the next
let due = false; // what is drawn is not what is known
let at = -1; // the part that the next frame begins with, -1: no frame is asked for

/** Has the page drawn in the next frames. A part that says true goes on in the next one. */
function redraw() {
  due = true;
  if (at < 0) requestAnimationFrame(draw, (at = 0));
}

function draw() {
  const began = performance.now();
  if (at === 0) due = false;
  try {
    while (at < parts.length && performance.now() - began < budget) {
      if (!parts[at++](state(), redraw)) continue;
      at--; // it has more to draw
      break;
    }
  } finally { // the other parts, whatever is wrong with one
    if (at === parts.length) at = due ? 0 : -1;
    if (at >= 0) requestAnimationFrame(draw);
  }
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
  line("bad", "No token");
  show($("refused"), true);
  show($("shown"), false);
}

takeToken();
addEventListener("hashchange", () => takeToken() && location.reload());
if (token()) watch(tell, lost, refused);
else refused();
