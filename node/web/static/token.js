// The token that opens the node, which the link of `murmur page` carries after its #. It stays in this
// browser and out of its address bar and history.

const kept = "murmur.token";

/** Takes the token from the address, if one is there, and tells whether it was. */
export function takeToken() {
  const said = location.hash.slice(1);
  if (!said || document.getElementById(said)) return false; // a place on the page
  localStorage.setItem(kept, said);
  history.replaceState(null, "", location.pathname);
  return true;
}

/** The token, empty where none was given. */
export const token = () => localStorage.getItem(kept) ?? "";
