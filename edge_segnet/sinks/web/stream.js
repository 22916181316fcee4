// Frames of /stream/layers, one after the other: the camera's JPEG and the class ids of the same frame.

const RETRY_MS = [300, 600, 1200, 2500, 5000];

/** Bytes that came and were not used yet; grows to the largest part and is then used again and again. */
class Buffer {
  #bytes = new Uint8Array(1 << 17);
  #start = 0;
  #end = 0;

  push(chunk) {
    if (this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  #makeRoom(more) {
    const used = this.#end - this.#start;
    const target = used + more > this.#bytes.length / 2 ? new Uint8Array(2 * (used + more)) : this.#bytes;
    target.set(this.#bytes.subarray(this.#start, this.#end));
    [this.#bytes, this.#start, this.#end] = [target, 0, used];
  }

  /** The next whole part as {headers, body}, or null while it is not there. */
  part() {
    const seen = this.#bytes.subarray(this.#start, this.#end);
    const end = endOfHeaders(seen);
    if (end < 0) return null;
    const headers = parse(new TextDecoder().decode(seen.subarray(0, end)));
    const length = Number(headers["content-length"]);
    if (seen.length < end + 4 + length + 2) return null;
    this.#start += end + 4 + length + 2;
    return { headers, body: seen.slice(end + 4, end + 4 + length) };
  }
}

function endOfHeaders(bytes) {
  for (let at = 0; at + 3 < bytes.length; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

function parse(head) {
  const lines = head.split("\r\n").filter((line) => line.includes(": "));
  return Object.fromEntries(lines.map((line) => line.split(": ", 2)).map(([name, value]) => [name.toLowerCase(), value]));
}

async function decode({ headers, body }) {
  const length = new DataView(body.buffer, body.byteOffset).getUint32(0);
  const jpeg = new Blob([body.subarray(4, 4 + length)], { type: "image/jpeg" });
  const zipped = new Blob([body.subarray(4 + length)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const [image, ids] = await Promise.all([createImageBitmap(jpeg), new Response(zipped).arrayBuffer()]);
  const [width, height] = headers["x-source-size"].split("x").map(Number);
  return {
    image,
    ids: new Uint8Array(ids),
    seq: Number(headers["x-seq"]),
    camera: headers["x-camera"],
    synthetic: headers["x-synthetic"] === "1",
    sourceWidth: width,
    sourceHeight: height,
    capturedAt: performance.now() - Number(headers["x-age-ms"]),
  };
}

export class LayerStream {
  #abort = null;
  #waiting = null;
  #decoding = false;

  /** `show(frame)` gets every frame that could be decoded in time; `trouble(text or null)` hears about the connection. */
  constructor(show, trouble) {
    this.show = show;
    this.trouble = trouble;
  }

  async open(camera, fps) {
    this.close();
    const abort = (this.#abort = new AbortController());
    for (let tries = 0; !abort.signal.aborted; tries++) {
      try {
        await this.#read(`/stream/layers?camera=${encodeURIComponent(camera)}&fps=${fps}`, abort.signal, () => (tries = 0));
      } catch (error) {
        if (!abort.signal.aborted) this.trouble(error.message);
      }
      await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]));
    }
  }

  close() {
    this.#abort?.abort();
    this.#abort = null;
    this.#waiting = null;
  }

  async #read(address, signal, began) {
    const answer = await fetch(address, { signal, cache: "no-store" });
    if (answer.status === 401) location.assign("/login");
    if (!answer.ok) throw new Error((await answer.json()).error);
    this.trouble(null);
    const buffer = new Buffer();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream ended");
      buffer.push(value);
      for (let part = buffer.part(); part; part = buffer.part()) {
        began();
        this.#offer(part, signal);
      }
    }
  }

  /** Newest first: what comes while a frame is being decoded waits, and is replaced by what comes later. */
  async #offer(part, signal) {
    this.#waiting = part;
    if (this.#decoding) return;
    this.#decoding = true;
    while (this.#waiting && !signal.aborted) {
      const next = this.#waiting;
      this.#waiting = null;
      try {
        const frame = await decode(next);
        if (!signal.aborted) this.show(frame);
      } catch (error) {
        console.warn("a frame could not be decoded", error);
      }
    }
    this.#decoding = false;
  }
}
