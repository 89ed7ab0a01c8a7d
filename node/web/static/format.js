// Numbers, times and names as people read them.

const plain = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const short = new Intl.NumberFormat("en", {notation: "compact", maximumSignificantDigits: 3});
const clock = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});
const exact = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const dated = new Intl.DateTimeFormat("en-GB", {weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"});

export const whole = (n) => plain.format(n);

/** 1234567 is 1.23M. */
export const compact = (n) => (n < 1000 ? plain.format(n) : short.format(n));

export const loss = (n) => n.toFixed(3);

export function bytes(n) {
  let unit = 0;
  for (; n >= 1000 && unit < 5; unit++) n /= 1000;
  return (unit === 0 || n >= 100 ? n.toFixed(0) : n.toPrecision(3)) + " " + ["B", "kB", "MB", "GB", "TB", "PB"][unit];
}

export function span(seconds) {
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 120) return seconds.toFixed(0) + " s";
  if (seconds < 7200) return (seconds / 60).toFixed(0) + " min";
  return (seconds / 3600).toFixed(seconds < 36_000 ? 1 : 0) + " h";
}

/** What a time that was not says: Go's zero time, or none. */
export const never = (t) => !t || t.startsWith("0001-");

/** The time of day, with the day where it is another one. */
export function time(t) {
  const d = new Date(t);
  return d.toDateString() === new Date().toDateString() ? clock.format(d) : dated.format(d);
}

export const timeOfDay = (t) => exact.format(new Date(t));

/** The end of a peer's id, as every view of murmur shows it. */
export const name = (peer) => peer.slice(-6);

export const sentence = (s) => (s ? s[0].toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? "" : ".") : "");

export const count = (n, one, many = one + "s") => whole(n) + " " + (n === 1 ? one : many);
