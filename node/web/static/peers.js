// This node and its peers, a row each.

import {$, attribute, cell, line, make, more, rows, say} from "./dom.js";
import {compact, count, name, time} from "./format.js";
import {tell} from "./news.js";
import {fillStrip, makeStrip} from "./strip.js";
import {stateWord} from "./words.js";

const few = 50;
const most = 1000; // more than a node connects to
const paths = {lan: "LAN", direct: "direct", relayed: "relayed"};
const fresh = 3_600_000; // milliseconds that a peer is gone
const chunk = 50; // of them in a frame: 200 rows take 20 ms to fill, and as long to lay out
let left = []; // rows that are still to be filled, each with its node
let open, goneBefore;

function self(s) {
  return {
    id: s.peer, own: true, connected: true, state: s.reason, why: s.why, agent: "murmur/" + s.version, share: s.share,
    tokens_per_s: s.reason === "training" ? s.trainer.tokens_per_s : 0, height: s.head.height,
  };
}

function create(p) {
  const head = cell("th", "who", make("code", "", name(p.id)));
  head.title = p.id;
  if (p.own) head.append(make("span", "you", "this node"));
  return line(
    p.own ? "own" : "", head,
    cell("td", "state", make("span", "dot"), make("span", "word"), make("span", "note")),
    cell("td", "path"), cell("td", "n rtt"), cell("td", "lag"), cell("td", "n rate"), cell("td", "recent", makeStrip()),
    cell("td", "n share", make("span"), make("span", "note")), cell("td", "version"),
  );
}

function lag(p) {
  if (p.own || p.state === "gone" || !p.state) return p.own ? "" : "–";
  if (!p.lag) return "in step";
  return p.lag > 0 ? `${compact(p.lag)} behind` : `${compact(-p.lag)} ahead`;
}

function note(p) {
  if (p.flag) return p.flag;
  if (p.state === "gone") return p.why + (p.seen ? `; heard at ${time(p.seen)}` : "");
  return p.why && p.why !== p.state && !p.own ? p.why : "";
}

function fill(row, p) {
  const [, state, path, rtt, behind, rate, recent, share, version] = row.children;
  const [word, tone] = stateWord(p.state || (p.connected ? "silent" : "not connected"));
  attribute(state.children[0], "class", "dot " + (p.flag ? "bad" : tone));
  say(state.children[1], word);
  say(state.children[2], note(p));
  attribute(state.children[2], "class", p.flag ? "note bad" : "note");
  say(path, p.own ? "" : p.connected ? (paths[p.path] ?? p.path ?? "–") : "none");
  say(rtt, p.rtt_ms ? `${p.rtt_ms < 10 ? p.rtt_ms.toFixed(1) : p.rtt_ms.toFixed(0)} ms` : p.own ? "" : "–");
  say(behind, lag(p));
  say(rate, p.tokens_per_s ? compact(p.tokens_per_s) : "");
  fillStrip(recent.firstChild, p.share.recent ?? "");
  say(share.children[0], p.share.tokens ? `${compact(p.share.tokens)} tokens` : "–");
  say(share.children[1], p.share.updates ? count(p.share.updates, "update") : "");
  say(version, (p.agent ?? "").replace("murmur/", "") || "–");
}

function summary(peers) {
  const states = new Map();
  for (const p of peers) {
    const word = stateWord(p.state || (p.connected ? "silent" : "not connected"))[0].toLowerCase();
    states.set(word, (states.get(word) ?? 0) + 1);
  }
  const by = Object.entries(paths).map(([path, word]) => [peers.filter((p) => p.connected && p.path === path).length, word]).filter(([n]) => n > 0);
  const join = (entries) => entries.map(([n, word]) => `${n} ${word}`).join(", ");
  return count(peers.length, "node") + ": " + join([...states].map(([word, n]) => [n, word])) + (by.length > 0 ? `. Paths: ${join(by)}.` : ".");
}

function tellGone(peers) {
  const gone = new Set(peers.filter((p) => p.state === "gone").map((p) => p.id));
  const news = goneBefore ? [...gone].filter((id) => !goneBefore.has(id)) : [];
  goneBefore = gone;
  if (news.length > 0) tell(news.length > 3 ? `${news.length} peers are gone` : `Gone: ${news.map(name).join(", ")}`);
}

// rank puts those first that a person may look for: flagged, or gone a short time ago.
function rank(p) {
  if (p.flag) return 0;
  if (p.state !== "gone") return 2;
  return Date.now() - new Date(p.seen) < fresh ? 1 : 3;
}

export function drawPeers(s, redraw) {
  open ??= more($("peers-more"), few, most, "nodes", redraw);
  if (left.length === 0) {
    const nodes = [self(s), ...[...s.peers].sort((a, b) => rank(a) - rank(b))];
    say($("peers-sum"), summary(nodes));
    tellGone(s.peers);
    const listed = nodes.slice(0, open(nodes.length));
    const made = rows($("peers-table").tBodies[0], listed, (p) => p.id, create, () => {});
    left = listed.map((p, i) => [made[i], p]);
  }
  for (const [row, p] of left.splice(0, chunk)) fill(row, p);
  return left.length > 0;
}
