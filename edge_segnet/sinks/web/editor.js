// Draw regions with the mouse, a finger or the keyboard, and take them away as YAML for the settings file.

import { outline, shape } from "./regions.js";
import { crossing, yaml } from "./polygons.js";

const STEP = 0.005; // of an arrow key
const CLOSE = 0.025; // so near to the first corner, a click closes the outline

export class Editor {
  #regions = {};
  #rules = [];
  #name = null;
  #drawing = null;

  /** `parts`: panel, choices, name, add, remove, text, copy, note, done. `shapes`: the SVG over the picture. */
  constructor(shapes, parts) {
    this.shapes = shapes;
    this.parts = parts;
    parts.add.addEventListener("click", () => this.#begin());
    parts.remove.addEventListener("click", () => this.#remove());
    parts.copy.addEventListener("click", () => this.#copy());
    parts.name.addEventListener("change", () => this.#rename(parts.name.value.trim()));
    shapes.addEventListener("pointerdown", (event) => this.#press(event));
    shapes.addEventListener("dblclick", () => this.#finish());
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  get open() {
    return !this.parts.panel.hidden;
  }

  show({ regions, rules }) {
    this.#regions = structuredClone(regions);
    this.#rules = rules;
    this.#name = Object.keys(regions)[0] ?? null;
    this.parts.panel.hidden = false;
    this.shapes.classList.add("editing");
    if (this.#name === null) this.#begin();
    else this.#draw();
  }

  hide() {
    this.#drawing = null;
    this.parts.panel.hidden = true;
    this.shapes.classList.remove("editing");
  }

  #begin() {
    let number = 1;
    while (`region-${number}` in this.#regions) number++;
    this.#name = `region-${number}`;
    this.#drawing = [];
    this.#draw();
  }

  #finish() {
    if (!this.#drawing) return;
    if (this.#drawing.length >= 3) this.#regions[this.#name] = { polygon: this.#drawing };
    else this.#name = Object.keys(this.#regions)[0] ?? null;
    this.#drawing = null;
    this.#draw();
  }

  #remove() {
    delete this.#regions[this.#name];
    this.#drawing = null;
    this.#name = Object.keys(this.#regions)[0] ?? null;
    this.#draw();
  }

  #rename(name) {
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(name) || (name !== this.#name && name in this.#regions)) {
      this.parts.name.value = this.#name;
      return this.#say("A name has up to 32 letters, digits, - and _, and stands once.");
    }
    const entries = Object.entries(this.#regions).map(([key, region]) => [key === this.#name ? name : key, region]);
    this.#regions = Object.fromEntries(entries);
    this.#name = name;
    this.#draw();
  }

  async #copy() {
    this.parts.text.select();
    // The clipboard API is only there under https and on this machine itself.
    if (navigator.clipboard) await navigator.clipboard.writeText(this.parts.text.value).catch(() => document.execCommand("copy"));
    else document.execCommand("copy");
    this.#say("Copied: it takes the place of regions in the settings file.");
  }

  #say(text) {
    this.parts.note.textContent = text;
  }

  #at(event) {
    const box = this.shapes.getBoundingClientRect();
    const within = (value) => Math.min(1, Math.max(0, Math.round(1000 * value) / 1000));
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }

  #press(event) {
    if (!this.open || event.button !== 0) return;
    const at = this.#at(event);
    if (this.#drawing) {
      event.preventDefault();
      const [first] = this.#drawing;
      const near = first && Math.hypot(at[0] - first[0], at[1] - first[1]) < CLOSE;
      if (near && this.#drawing.length >= 3) return this.#finish();
      const last = this.#drawing.at(-1);
      const twice = last && Math.hypot(at[0] - last[0], at[1] - last[1]) < CLOSE / 3; // of a double click
      if (!near && !twice) this.#drawing.push(at);
      return this.#draw();
    }
    const { corner, edge, region } = event.target.dataset;
    if (region !== undefined) return this.#choose(region);
    if (edge !== undefined) this.#corners.splice(Number(edge) + 1, 0, at);
    const grabbed = corner ?? (edge === undefined ? undefined : Number(edge) + 1);
    if (grabbed === undefined) return;
    event.preventDefault();
    this.#drag(Number(grabbed), event.pointerId);
  }

  get #corners() {
    return this.#regions[this.#name].polygon;
  }

  #drag(corner, pointer) {
    this.shapes.setPointerCapture(pointer);
    const move = (event) => {
      this.#corners[corner] = this.#at(event);
      this.#draw(corner);
    };
    const end = () => {
      this.shapes.removeEventListener("pointermove", move);
      this.#draw(corner);
    };
    this.shapes.addEventListener("pointermove", move);
    for (const over of ["pointerup", "pointercancel"]) this.shapes.addEventListener(over, end, { once: true });
    this.#draw(corner);
  }

  #key(event) {
    if (!this.open) return;
    if (event.key === "Escape" || (event.key === "Enter" && this.#drawing)) {
      if (this.#drawing) this.#finish();
      else this.parts.done.click();
      return;
    }
    const corner = Number(event.target.dataset?.corner ?? NaN);
    if (Number.isNaN(corner)) return;
    const steps = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key === "Delete" && this.#corners.length > 3) this.#corners.splice(corner, 1);
    else if (steps[event.key]) this.#corners[corner] = this.#corners[corner].map((value, axis) => Math.min(1, Math.max(0, Math.round(1000 * (value + steps[event.key][axis])) / 1000)));
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#draw(Math.min(corner, this.#corners.length - 1));
  }

  #choose(name) {
    this.#name = name;
    this.#draw();
  }

  #draw(focus = null) {
    const names = Object.keys(this.#regions);
    this.parts.choices.replaceChildren(...names.map((name) => this.#choice(name)));
    this.parts.name.value = this.#name ?? "";
    this.parts.name.disabled = this.parts.remove.disabled = this.#name === null || this.#drawing !== null;
    this.parts.text.value = yaml(this.#regions, this.#rules);
    this.shapes.replaceChildren(...names.filter((name) => name !== this.#name).map((name) => this.#other(name)), ...this.#current());
    if (focus !== null) this.shapes.querySelector(`[data-corner="${focus}"]`)?.focus();
    const wrong = names.filter((name) => crossing(this.#regions[name].polygon));
    if (this.#drawing) this.#say(this.#drawing.length < 3 ? "Click the corners along the outline." : "Click the first corner, or press Enter, to close it.");
    else if (wrong.length) this.#say(`${wrong.join(", ")}: the outline crosses itself.`);
    else this.#say(this.#name === null ? "No region yet." : "Drag corners; drag an edge's dot for a new one; Delete removes the corner in focus.");
  }

  #choice(name) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "choice", textContent: name });
    button.setAttribute("aria-pressed", name === this.#name);
    button.addEventListener("click", () => this.#choose(name));
    return button;
  }

  #other(name) {
    const polygon = shape("polygon", { points: outline(this.#regions[name].polygon) });
    polygon.dataset.region = name;
    return polygon;
  }

  #current() {
    if (this.#name === null) return [];
    const corners = this.#drawing ?? this.#corners;
    const wrong = !this.#drawing && crossing(corners);
    const line = shape(this.#drawing ? "polyline" : "polygon", { points: outline(corners), class: wrong ? "chosen wrong" : "chosen" });
    const dots = this.#drawing ? [] : corners.map((corner, at) => this.#edge(corner, corners[(at + 1) % corners.length], at));
    return [line, ...dots, ...corners.map((corner, at) => this.#corner(corner, at))];
  }

  /** A dot keeps its shape although the space is stretched: a line of no length with a round end. */
  #dot([x, y], kind) {
    return shape("path", { d: `M${x},${y}h0`, class: kind });
  }

  #edge([ax, ay], [bx, by], at) {
    const dot = this.#dot([(ax + bx) / 2, (ay + by) / 2], "edge");
    dot.dataset.edge = at;
    return dot;
  }

  #corner(corner, at) {
    const dot = this.#dot(corner, "corner");
    if (this.#drawing) return dot;
    dot.dataset.corner = at;
    dot.setAttribute("tabindex", "0");
    dot.setAttribute("role", "button");
    dot.setAttribute("aria-label", `Corner ${at + 1} of ${this.#name}`);
    return dot;
  }
}
