// The state of a node in a word, and how it feels: good, rest or bad.

const words = {
  training: ["Training", "good"],
  done: ["Finished", "good"],
  seed: ["Seed", "good"],
  "no-trainer": ["Trainer not up", "bad"],
  damaged: ["Repairing", "bad"],
  disk: ["Disk trouble", "bad"],
  gone: ["Gone", "gone"],
  "gpu-in-use": ["Graphics card in use", "rest"],
  hot: ["Too hot", "rest"],
  power: ["Power limit reached", "rest"],
  memory: ["Memory limit reached", "bad"],
  energy: ["Waiting for energy", "rest"],
  quota: ["Resting", "rest"],
  "network-hours": ["Resting", "rest"],
  hours: ["Outside its hours", "rest"],
  battery: ["On battery", "rest"],
};

/** The word for a reason of the policy or a state of a peer, and its tone. */
export function stateWord(reason) {
  if (words[reason]) return words[reason];
  const word = reason.replaceAll("-", " ");
  return [word[0].toUpperCase() + word.slice(1), "rest"];
}
