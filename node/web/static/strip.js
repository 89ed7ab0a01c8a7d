// The newest rounds of a node as a strip: a tall bar where it was taken in, a shorter one where
// its update came late, a stump where none came, a dot where it did not take part.

const most = 50;
const tall = 16;
const kinds = {
  "+": ["in", tall],
  "~": ["late", 10],
  "-": ["out", 5],
  ".": ["none", 1.5],
};
const svg = "http://www.w3.org/2000/svg";

export function makeStrip() {
  const s = document.createElementNS(svg, "svg");
  s.setAttribute("class", "strip");
  s.setAttribute("role", "img");
  s.setAttribute("viewBox", `0 0 ${most * 3} ${tall}`);
  s.setAttribute("preserveAspectRatio", "none");
  for (const [kind] of Object.values(kinds)) {
    const path = document.createElementNS(svg, "path");
    path.setAttribute("class", kind);
    s.append(path);
  }
  return s;
}

/** Draws letters of the API's share.recent, the newest at the right. */
export function fillStrip(strip, recent) {
  if (strip.recent === recent) return;
  strip.recent = recent;
  const from = most - recent.length, counts = {};
  Object.entries(kinds).forEach(([letter, [kind, height]], i) => {
    let d = "";
    counts[kind] = 0;
    for (let at = recent.indexOf(letter); at >= 0; at = recent.indexOf(letter, at + 1)) {
      d += `M${3 * (from + at)} ${tall - height}h2v${height}h-2z`;
      counts[kind]++;
    }
    strip.children[i].setAttribute("d", d);
  });
  strip.setAttribute("aria-label", `Of ${recent.length} rounds: in ${counts.in}, late ${counts.late}, missing ${counts.out}, not taking part ${counts.none}`);
}
