// Questions to the node.

import {token} from "./token.js";

/** The node does not know this page's token. */
export class Refused extends Error {}

async function ask(path, options) {
  const answer = await fetch("/v1/" + path, {...options, headers: {Authorization: "Bearer " + token()}, cache: "no-store"});
  if (answer.status === 401 || answer.status === 403) throw new Refused("the token is not the node's");
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.error ?? "the node answers " + answer.status);
  }
  return answer;
}

/** An answer as it comes, for the stream. */
export const open = (path, signal) => ask(path, {signal});

export const get = async (path) => (await ask(path)).json();

export const post = async (path, body) => (await ask(path, {method: "POST", body})).json();
