// The loss over rounds: held out, as the swarm measures it at snapshot heights, and in training.

import uPlot from "./uplot/uPlot.esm.js";
import {$, attribute, cell, line, rows, say} from "./dom.js";
import {loss, name, whole} from "./format.js";
import {curve, rounds} from "./record.js";

const box = $("curve");
const listed = 12; // of the newest points, in the table
let plot, seen = "", colours;

/** Both curves over the heights of either. */
export function joined(points, ends) {
  const x = [], heldout = [], training = [];
  for (let p = 0, e = 0; p < points.length || e < ends.length; ) {
    const a = points[p]?.height ?? Infinity, b = ends[e]?.height ?? Infinity;
    x.push(Math.min(a, b));
    heldout.push(a <= b ? points[p++].loss : null);
    training.push(b <= a ? ends[e++].loss || null : null);
  }
  return [x, heldout, training];
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(["good", "quiet", "faint", "rule"].map((c) => [c, style.getPropertyValue("--" + c)]));
}

const size = () => ({width: box.clientWidth, height: box.clientHeight});

function pointed(u) {
  const at = u.cursor.idx;
  const said = at == null ? "" : `round ${whole(u.data[0][at])}: ` + [u.data[1][at], u.data[2][at]].map((v) => (v == null ? "–" : loss(v))).join(" / ");
  say($("cursor"), said);
}

function create(data) {
  readColours();
  const axis = {stroke: () => colours.quiet, grid: {stroke: () => colours.rule, width: 1}, ticks: {show: false}, font: "12px system-ui, sans-serif"};
  plot = new uPlot({
    ...size(), legend: {show: false}, cursor: {y: false, drag: {x: false, y: false}, points: {size: 6}},
    scales: {x: {time: false}},
    axes: [{...axis, size: 30, values: (_, v) => v.map((n) => (Number.isInteger(n) ? whole(n) : ""))}, {...axis, size: 44}],
    series: [{}, {stroke: () => colours.good, width: 2, spanGaps: true, points: {size: 5, fill: () => colours.good}}, {stroke: () => colours.faint, width: 1, spanGaps: true, points: {show: false}}],
    hooks: {setCursor: [pointed]},
  }, data, box);
  attribute(plot.root, "aria-hidden", "true");
  new ResizeObserver(() => plot.setSize(size())).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    plot.redraw(false);
  });
}

const row = () => line("", cell("th", "n"), cell("td", "n"), cell("td", "n"), cell("td"));

function fill(r, p) {
  const [at, nats, perplexity, by] = r.children;
  say(at, whole(p.height));
  say(nats, loss(p.loss));
  say(perplexity, Math.exp(p.loss).toPrecision(3));
  say(by, name(p.by));
}

export function drawCurve() {
  const now = curve.changes + " " + rounds.changes;
  if (now === seen) return false;
  seen = now;
  const points = curve.items, data = joined(points, rounds.items);
  if (plot) plot.setData(data);
  else if (data[0].length > 0) create(data);
  const [first, last] = [points[0], points.at(-1)];
  if (first) attribute(box, "aria-label", `The held-out loss was ${loss(first.loss)} at round ${whole(first.height)} and is ${loss(last.loss)} at round ${whole(last.height)}`);
  rows($("curve-table").tBodies[0], points.slice(-listed).reverse(), (p) => p.height, row, fill);
  return true; // uPlot paints at the end of this frame
}
