// The buttons: pause, resume, finish.

import {post} from "./ask.js";
import {$, attribute, say, show} from "./dom.js";
import {sentence} from "./format.js";
import {answered} from "./record.js";

const buttons = [...$("controls").querySelectorAll("button")];
let redraw = () => {};

async function press(path) {
  for (const b of buttons) b.disabled = true;
  try {
    answered(await post(path));
    show($("control-error"), false);
  } catch (e) {
    say($("control-error"), sentence("that did not work: " + e.message));
    show($("control-error"), true);
  }
  const focused = document.activeElement === document.body;
  for (const b of buttons) b.disabled = false;
  redraw();
  if (focused) requestAnimationFrame(() => $("machine").focus({preventScroll: true}));
}

for (const b of buttons) b.addEventListener("click", () => press(b.id === "resume" ? "resume" : "pause?for=" + b.dataset.for));
$("finish").addEventListener("click", () => $("leaving").showModal());
$("stay").addEventListener("click", () => $("leaving").close());
$("leave").addEventListener("click", () => {
  $("leaving").close();
  press("finish");
});

export function drawControls(s, again) {
  redraw = again;
  const paused = s.policy.pause.on && s.reason === "paused";
  show($("resume"), paused);
  say($("pause-label"), paused ? "or pause for" : "Pause for");
  show($("finish"), s.reason !== "leaving");
  attribute($("controls"), "class", s.reason === "leaving" ? "off" : "");
}
