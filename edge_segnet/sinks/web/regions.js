// Regions over the picture: their outlines, and what they hold now.

import { readable } from "./legend.js";

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element in a space that goes from 0 to 1, as the polygons of the settings do. */
export function shape(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export const outline = (corners) => corners.map(([x, y]) => `${x},${y}`).join(" ");

/** Where a name can stand: the middle of the corners, inside the picture. */
export function middle(corners) {
  const mean = (axis) => corners.reduce((sum, corner) => sum + corner[axis], 0) / corners.length;
  return [mean(0), mean(1)];
}

export class Regions {
  #drawn = new Map();
  #rules = [];

  constructor(shapes, tags) {
    this.shapes = shapes;
    this.tags = tags;
    this.found = { regions: {}, rules: [] };
    this.camera = null;
  }

  /** `found` as /api/regions gives it; only regions of the camera are drawn. */
  set(found, camera) {
    this.found = found;
    this.camera = camera;
    this.#rules = found.rules;
    this.#drawn.clear();
    for (const [name, region] of Object.entries(found.regions)) {
      if (region.cameras === null || region.cameras.includes(camera)) this.#drawn.set(name, this.#draw(name, region));
    }
    this.shapes.replaceChildren(...[...this.#drawn.values()].map(({ polygon }) => polygon));
    this.tags.replaceChildren(...[...this.#drawn.values()].map(({ tag }) => tag));
  }

  get any() {
    return this.#drawn.size > 0;
  }

  #draw(name, { polygon: corners }) {
    const polygon = shape("polygon", { points: outline(corners) });
    const tag = Object.assign(document.createElement("div"), { className: "tag" });
    const [x, y] = middle(corners);
    tag.style.left = `${100 * x}%`;
    tag.style.top = `${100 * y}%`;
    const value = document.createElement("span");
    tag.append(Object.assign(document.createElement("strong"), { textContent: name }), value);
    return { polygon, tag, value };
  }

  show(result) {
    for (const [name, { polygon, tag, value }] of this.#drawn) {
      const rules = this.#rules.filter((rule) => rule.region === name);
      const on = rules.some((rule) => result.alarms.includes(rule.name));
      polygon.classList.toggle("on", on);
      tag.classList.toggle("on", on);
      const text = result.regions?.[name] ? this.#figure(rules, result, name) : "";
      if (value.textContent !== text) value.textContent = text;
    }
  }

  /** What its rules look at; without rules, its largest class. */
  #figure(rules, result, name) {
    const shares = result.regions[name];
    const percent = (of) => `${readable(of)} ${Math.round(100 * (shares[of] ?? 0))} %`;
    const parts = rules.filter((rule) => rule.class !== null).map((rule) => percent(exact(shares, rule.class)));
    const free = result.region_details[name].free;
    if (free) parts.push(`free ${free.metres ? metres(Math.min(...free.metres)) : `${Math.min(...free.rows)} rows`}`);
    if (parts.length === 0) parts.push(percent(Object.keys(shares).reduce((a, b) => (shares[b] > shares[a] ? b : a))));
    return [...new Set(parts)].join(" · ");
  }
}

/** The class's name as the model spells it; settings may differ in upper and lower case. */
const exact = (shares, name) => Object.keys(shares).find((known) => known.toLowerCase() === name.toLowerCase()) ?? name;

const metres = (value) => (value >= 100 ? "100 m +" : `${value.toFixed(1)} m`);
