// What the service says, for all windows of a browser together: one stream of events and one of pictures, however many
// windows look on. A browser keeps six connections to a host; three windows of their own would use them up.

import { PartStream } from "./stream.js";

const RESULTS_PER_S = 5;
const PICTURES_PER_S = 30;
const RETRY_MS = 2000;
const GONE_MS = 180_000; // hidden windows are heard once a minute; one that says nothing for longer was closed

/** One window: what it wants, and the newest part that it has not taken yet. */
class Viewer {
  camera = null;
  visible = true;
  pictures = false;
  ready = true;
  waiting = null;
  heard = Date.now();

  constructor(send) {
    this.send = send;
  }

  get wants() {
    return this.visible && this.pictures ? this.camera : null;
  }

  /** Newest first: what comes while the window still decodes waits, and is replaced by what comes later. */
  offer(part) {
    this.waiting = part;
    if (!this.ready || part === null) return;
    [this.waiting, this.ready] = [null, false];
    this.send({ kind: "part", ...part });
  }
}

export class Feed {
  #viewers = new Set();
  #events = null;
  #status = null;
  #connected = true;
  #retry = null;
  #showing = "";
  #parts = new PartStream(
    (part) => this.#hand(part),
    (text) => this.#tell({ kind: "trouble", text }),
    () => this.#tell({ kind: "login" }),
  );

  /** `send(message)` reaches the window. */
  add(send) {
    const viewer = new Viewer(send);
    this.#viewers.add(viewer);
    this.#adjust();
    if (this.#status) send({ kind: "status", data: this.#status });
    send({ kind: "connected", on: this.#connected });
    return viewer;
  }

  /** What a window says: watch {camera, pictures, visible}, ready for the next part, alive, bye. */
  take(viewer, message) {
    viewer.heard = Date.now();
    this.#viewers.add(viewer); // one that was given up is back
    if (message.kind === "bye") this.#viewers.delete(viewer);
    if (message.kind === "ready") {
      viewer.ready = true;
      if (viewer.waiting) viewer.offer(viewer.waiting);
    }
    if (message.kind === "watch") {
      const back = message.visible && !viewer.visible;
      Object.assign(viewer, { camera: message.camera, pictures: message.pictures, visible: message.visible });
      viewer.waiting = null;
      if (back && this.#status) viewer.send({ kind: "status", data: this.#status });
    }
    this.#adjust();
  }

  /** Forget windows that were closed without a word. */
  sweep() {
    for (const viewer of this.#viewers) if (Date.now() - viewer.heard > GONE_MS) this.#viewers.delete(viewer);
    this.#adjust();
  }

  #tell(message, wanted = () => true) {
    for (const viewer of this.#viewers) if (viewer.visible && wanted(viewer)) viewer.send(message);
  }

  #hand(part) {
    for (const viewer of this.#viewers) if (viewer.wants === part.headers["x-camera"]) viewer.offer(part);
  }

  /** Ask the service for what somebody looks at, and for nothing else. */
  #adjust() {
    const viewers = [...this.#viewers];
    if (!viewers.some(({ visible }) => visible)) this.#deafen();
    else if (!this.#events) this.#listen();
    const cameras = [...new Set(viewers.map(({ wants }) => wants))].filter((name) => name !== null).sort();
    if (cameras.join("\n") === this.#showing) return;
    this.#showing = cameras.join("\n");
    if (cameras.length) this.#parts.open(cameras, PICTURES_PER_S);
    else this.#parts.close();
  }

  #deafen() {
    clearTimeout(this.#retry);
    this.#events?.close();
    this.#events = null;
  }

  #listen() {
    const events = (this.#events = new EventSource(`/api/stream?rate=${RESULTS_PER_S}`));
    const on = (name, take) => events.addEventListener(name, ({ data }) => take(JSON.parse(data)));
    on("result", (data) => this.#tell({ kind: "result", data }, ({ camera }) => camera === data.camera));
    on("event", (data) => this.#tell({ kind: "event", data }, ({ camera }) => camera === data.camera));
    on("status", (data) => {
      this.#status = data;
      this.#connect(true);
      this.#tell({ kind: "status", data });
    });
    events.addEventListener("error", () => this.#broke(events));
  }

  async #broke(events) {
    this.#connect(false);
    if (events.readyState !== EventSource.CLOSED || events !== this.#events) return;
    this.#deafen();
    const answer = await fetch("/api/status").catch(() => null);
    if (answer?.status === 401) this.#tell({ kind: "login" });
    this.#retry = setTimeout(() => this.#adjust(), RETRY_MS);
  }

  #connect(on) {
    if (on !== this.#connected) this.#tell({ kind: "connected", on });
    this.#connected = on;
  }
}
