// JSON merge patches, RFC 7386.

const tree = (v) => v !== null && typeof v === "object" && !Array.isArray(v);

/** What a tree is after a patch; parts that the patch does not name stay the same objects. */
export function merge(old, patch) {
  if (!tree(patch)) return patch;
  const now = tree(old) ? {...old} : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete now[key];
    else now[key] = merge(now[key], value);
  }
  return now;
}
