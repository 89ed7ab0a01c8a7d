// The limits of the line, which a form changes.

import {post} from "./ask.js";
import {$, say} from "./dom.js";
import {sentence} from "./format.js";
import {answered, state} from "./record.js";

const form = $("limits").querySelector("form");
const fields = [...form.querySelectorAll("input")];
let dirty = false;
let redraw = () => {};

form.addEventListener("input", () => {
  dirty = true;
  say($("limits-said"), "");
});

form.addEventListener("submit", async (e) => {
  e.preventDefault();
  const wanted = {...state().limits};
  for (const f of fields) wanted[f.name] = Number(f.value);
  try {
    answered(await post("limits", JSON.stringify(wanted)));
    dirty = false;
    say($("limits-said"), "Set.");
  } catch (e) {
    say($("limits-said"), sentence(e.message));
  }
  redraw();
});

export function drawLimits(s, again) {
  redraw = again;
  if (dirty) return; // somebody is typing
  for (const f of fields) {
    const value = s.limits[f.name] ? String(s.limits[f.name]) : "";
    if (f.value !== value) f.value = value;
  }
}
