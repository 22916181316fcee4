// A window's way to the service: through the worker that all windows share, or by itself where there are no such workers.

import { Feed } from "./feed.js";

const ALIVE_MS = 20_000;
const FORM = "edge-segnet 1"; // of the messages: windows of another version have another worker

/** `hear(message)` gets what the feed says; returns the function that says something to it (see `Feed.take`). */
export function connect(hear) {
  const say = "SharedWorker" in window ? shared(hear) : alone(hear);
  setInterval(() => say({ kind: "alive" }), ALIVE_MS);
  addEventListener("pagehide", () => say({ kind: "bye" }));
  return say;
}

function shared(hear) {
  const { port } = new SharedWorker("/static/shared.js", { type: "module", name: FORM });
  port.onmessage = ({ data }) => hear(data);
  return (message) => port.postMessage(message);
}

function alone(hear) {
  const feed = new Feed();
  const viewer = feed.add(hear);
  return (message) => feed.take(viewer, message);
}
