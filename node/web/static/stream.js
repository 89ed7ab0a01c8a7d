// The node's event stream, for as long as the page is open. EventSource cannot carry a token, so
// this reads the stream itself.

import {open, Refused} from "./ask.js";

const firstWait = 500;
const longestWait = 15_000;
// The state of a node that runs changes each second; a stream that is silent so long is dead.
const silence = 20_000;

/** Calls back for each message: what is told of parts that end with an empty line. */
export function parser(tell) {
  let rest = "";
  return (text) => {
    rest += text;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      let kind = "message", data = "";
      for (const line of rest.slice(0, end).split("\n")) {
        if (line.startsWith("event: ")) kind = line.slice(7);
        if (line.startsWith("data: ")) data += line.slice(6);
      }
      if (data) tell(kind, JSON.parse(data));
    }
  };
}

async function read(tell) {
  const end = new AbortController();
  let alarm;
  const alive = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => end.abort(), silence);
  };
  try {
    alive();
    const body = (await open("stream", end.signal)).body.pipeThrough(new TextDecoderStream()).getReader();
    const take = parser(tell);
    for (;;) {
      const {done, value} = await body.read();
      if (done) return;
      alive();
      take(value);
    }
  } finally {
    clearTimeout(alarm);
    end.abort();
  }
}

/**
 * Reads until the token is refused, and begins anew whenever the stream ends.
 * lost is called when the node does not answer, refused when it does not know the token.
 */
export async function watch(tell, lost, refused) {
  for (let wait = firstWait; ; wait = Math.min(2 * wait, longestWait)) {
    try {
      await read((kind, data) => {
        wait = firstWait / 2;
        tell(kind, data);
      });
    } catch (e) {
      if (e instanceof Refused) return refused();
    }
    lost();
    await new Promise((go) => setTimeout(go, wait));
  }
}
