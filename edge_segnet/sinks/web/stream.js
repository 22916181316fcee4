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

/** The picture and the ids of a part; `at`: when it came, by Date.now(). */
export async function decode({ headers, body, at }) {
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
    damaged: headers["x-damaged"] === "1",
    sourceWidth: width,
    sourceHeight: height,
    capturedAt: performance.now() - (Date.now() - at) - Number(headers["x-age-ms"]),
  };
}

export class PartStream {
  #abort = null;

  /** `take(part)` gets every part, `trouble(text or null)` hears about the connection, `login()` that a token is needed. */
  constructor(take, trouble, login) {
    Object.assign(this, { take, trouble, login });
  }

  async open(cameras, fps) {
    this.close();
    const abort = (this.#abort = new AbortController());
    const query = new URLSearchParams([...cameras.map((name) => ["camera", name]), ["fps", fps]]);
    for (let tries = 0; !abort.signal.aborted; tries++) {
      try {
        await this.#read(`/stream/layers?${query}`, abort.signal, () => (tries = 0));
      } catch (error) {
        if (!abort.signal.aborted) this.trouble(error.message);
      }
      await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]));
    }
  }

  close() {
    this.#abort?.abort();
    this.#abort = null;
  }

  async #read(address, signal, began) {
    const answer = await fetch(address, { signal, cache: "no-store" });
    if (answer.status === 401) this.login();
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
        this.take({ ...part, at: Date.now() });
      }
    }
  }
}
