// Changes to the page: only where something is not as it was, since each costs a layout.

const texts = new WeakMap(); // what an element says
const children = new WeakMap(); // the rows of a list, by key

export const $ = (id) => document.getElementById(id);

/** Has an element say a text. */
export function say(element, text) {
  if (texts.get(element) === text) return;
  texts.set(element, text);
  element.textContent = text;
}

export function attribute(element, key, value) {
  if (element.getAttribute(key) !== value) element.setAttribute(key, value);
}

export function show(element, yes) {
  if (element.hidden === yes) element.hidden = !yes;
}

/** Makes an element with a class and what it holds. */
export function make(tag, kind, ...inside) {
  const e = document.createElement(tag);
  if (kind) e.className = kind;
  e.append(...inside);
  return e;
}

/** Makes a cell of a table; its role stays where a small screen lays the table out as blocks. */
export function cell(tag, kind, ...inside) {
  const c = make(tag, kind, ...inside);
  c.setAttribute("role", tag === "th" ? "rowheader" : "cell");
  if (tag === "th") c.scope = "row";
  return c;
}

/** Makes a row of such cells. */
export function line(kind, ...cells) {
  const r = make("tr", kind, ...cells);
  r.setAttribute("role", "row");
  return r;
}

/** Lists terms with what is said of them, leaving out those with nothing to say. */
export function facts(list, entries) {
  const said = entries.filter(([, text]) => text);
  const terms = said.map(([term]) => term).join("\n");
  if (texts.get(list) !== terms) {
    texts.set(list, terms);
    list.replaceChildren(...said.map(([term]) => make("div", "", make("dt", "", term), make("dd"))));
  }
  said.forEach(([, text], i) => say(list.children[i].lastChild, text));
}

/**
 * Keeps one child for each thing, in their order, and returns them; they are made by create and
 * filled by fill.
 */
export function rows(parent, things, key, create, fill) {
  const before = children.get(parent) ?? new Map();
  const now = new Map(things.map((thing) => [key(thing), thing]));
  for (const [k, row] of before) if (!now.has(k)) row.remove();
  let at = parent.firstElementChild;
  for (const [k, thing] of now) {
    const row = before.get(k) ?? create(thing);
    now.set(k, row);
    fill(row, thing);
    if (row === at) at = at.nextElementSibling;
    else parent.insertBefore(row, at);
  }
  children.set(parent, now);
  return [...now.values()];
}

/** A button that shows more of a list; what it gives tells how many of all to show. */
export function more(button, few, many, what, redraw) {
  let open = false;
  button.addEventListener("click", () => {
    open = !open;
    redraw();
  });
  return (all) => {
    show(button, all > few);
    say(button, open ? `Show fewer ${what}` : `Show ${all > many ? `the newest ${many}` : `all ${all}`} ${what}`);
    attribute(button, "aria-expanded", String(open));
    return open ? many : few;
  };
}
