// The worker that all windows of a browser share.

import { Feed } from "./feed.js";

const feed = new Feed();

addEventListener("connect", ({ ports: [port] }) => {
  const viewer = feed.add((message) => port.postMessage(message));
  port.onmessage = ({ data }) => feed.take(viewer, data);
});
setInterval(() => feed.sweep(), 30_000);
