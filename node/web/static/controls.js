// The buttons: pause, resume, finish.

import {post} from "./ask.js";
import {$, attribute, say, show} from "./dom.js";
import {sentence} from "./format.js";
import {answered} from "./record.js";

let busy = false;
let redraw = () => {};

async function press(path) {
  if (busy) return;
  busy = true;
  try {
    answered(await post(path));
    show($("control-error"), false);
  } catch (e) {
    say($("control-error"), sentence("that did not work: " + e.message));
    show($("control-error"), true);
  }
  busy = false;
  redraw();
}

for (const b of $("controls").querySelectorAll("button")) b.addEventListener("click", () => press(b.id === "resume" ? "resume" : "pause?for=" + b.dataset.for));
$("finish").addEventListener("click", () => $("leaving").showModal());
$("stay").addEventListener("click", () => $("leaving").close());
$("leave").addEventListener("click", () => {
  $("leaving").close();
  press("finish");
});

export function drawControls(s, again) {
  redraw = again;
  const paused = s.policy.pause.on && s.reason === "paused";
  if (!paused && document.activeElement === $("resume")) $("machine").focus({preventScroll: true});
  show($("resume"), paused);
  say($("pause-label"), paused ? "or pause for" : "Pause for");
  show($("finish"), s.reason !== "leaving");
  attribute($("controls"), "class", s.reason === "leaving" ? "off" : "");
}
