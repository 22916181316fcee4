// The picture: camera and class colours of one frame, blended here, so that opacity and choice act at once.

const DIMMED = 0xb4000000; // what was not chosen, under a veil (ABGR)
const SURE = 64; // a margin from which nothing is tinted: the class is sixteen times as likely as the runner-up
const DOUBT = Uint32Array.from({ length: 256 }, (_, margin) => ((Math.round(220 * Math.max(0, 1 - margin / SURE)) << 24) | 0x2828f0) >>> 0);

export class Picture {
  #layer = document.createElement("canvas");
  #frame = null;
  #colours = [];
  #palette = new Uint32Array(256);
  #margins = null;
  #loading = false;

  constructor(canvas) {
    this.canvas = canvas;
    this.view = "overlay";
    this.opacity = 0.5;
    this.chosen = new Set();
    this.stretched = true;
  }

  setClasses(classes, voidClass) {
    this.#colours = [];
    for (const { id, colour } of [...classes, voidClass]) this.#colours[id] = colour;
    this.redraw();
  }

  get frame() {
    return this.#frame;
  }

  show(frame) {
    this.#frame?.image.close();
    this.#frame = frame;
    this.redraw();
  }

  /** The class id at a point of the page, or null. */
  idAt(x, y) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor(((x - box.left) / box.width) * this.canvas.width);
    const row = Math.floor(((y - box.top) / box.height) * this.canvas.height);
    const inside = column >= 0 && row >= 0 && column < this.canvas.width && row < this.canvas.height;
    return this.#frame && inside ? this.#frame.ids[row * this.canvas.width + column] : null;
  }

  /** Draw the frame again: after a new one, and after every change of how it shall look. */
  redraw() {
    const frame = this.#frame;
    if (!frame) return;
    const { width, height } = frame.image;
    this.#size(width, height, frame);
    const context = this.canvas.getContext("2d", { alpha: false });
    context.drawImage(frame.image, 0, 0);
    if (this.view === "camera" && this.chosen.size === 0) return;
    const doubt = this.view === "margin";
    if (doubt && this.#margins?.length !== frame.ids.length) return;
    if (!doubt) this.#mixPalette();
    const [ids, palette] = doubt ? [this.#margins, DOUBT] : [frame.ids, this.#palette];
    const layer = this.#layer.getContext("2d");
    const pixels = layer.createImageData(width, height);
    const words = new Uint32Array(pixels.data.buffer);
    for (let at = 0; at < ids.length; at++) words[at] = palette[ids[at]];
    layer.putImageData(pixels, 0, 0);
    context.drawImage(this.#layer, 0, 0);
  }

  /** Fetch how sure the network is of the newest frame, and draw it; while one is under way, no other is asked for. */
  async loadMargins(camera) {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const answer = await fetch(`/frame/margin.png?camera=${encodeURIComponent(camera)}`);
      if (!answer.ok) return;
      const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
      this.#margins = Uint8Array.from({ length: data.length / 4 }, (_, at) => data[4 * at]);
      if (this.view === "margin") this.redraw();
    } catch {
      // The stream says what is wrong with the connection.
    } finally {
      this.#loading = false;
    }
  }

  #size(width, height, frame) {
    if (this.canvas.width !== width || this.canvas.height !== height) {
      [this.canvas.width, this.canvas.height] = [width, height];
      [this.#layer.width, this.#layer.height] = [width, height];
    } else if (this.#layer.width !== width || this.#layer.height !== height) {
      [this.#layer.width, this.#layer.height] = [width, height];
    }
    const ratio = this.stretched ? frame.sourceWidth / frame.sourceHeight : width / height;
    this.canvas.parentElement.style.setProperty("--ratio", ratio.toFixed(4));
  }

  #mixPalette() {
    const opacity = { overlay: this.opacity, mask: 1, camera: 0 }[this.view];
    const alpha = Math.round(opacity * 255);
    const fallback = this.#colours.at(-1) ?? [0, 0, 0];
    for (let id = 0; id < 256; id++) {
      const [red, green, blue] = this.#colours[id] ?? fallback;
      const shown = this.chosen.size === 0 || this.chosen.has(id);
      this.#palette[id] = shown ? ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0 : DIMMED;
    }
  }
}
