// Shares over time: stacked while everything is shown, single lines of what was chosen.

import { css, readable } from "./legend.js";

const SECONDS = 60;
const PER_SECOND = 5;

/** A class's colour, drawn towards black or white so that a thin line of it can be seen. */
const mixed = (colour, towards) => colour.map((part) => Math.round(0.65 * part + 0.35 * towards));

export class Chart {
  #plot = null;
  #classes = [];
  #times = [];
  #shares = [];
  #chosen = new Set();

  constructor(element, note) {
    this.element = element;
    this.note = note;
    new ResizeObserver(() => this.#resize()).observe(element);
    document.addEventListener("theme", () => this.#build());
  }

  setClasses(classes) {
    this.#classes = classes;
    this.forget();
  }

  forget() {
    this.#times = [];
    this.#shares = this.#classes.map(() => []);
    this.#build();
  }

  choose(chosen) {
    this.#chosen = new Set(chosen);
    this.#build();
  }

  /** `classes` null marks a gap. */
  add(classes) {
    const now = performance.now() / 1000;
    const last = this.#times.at(-1) ?? -1;
    if (now - last < 0.8 / PER_SECOND) return;
    if (classes && last > 0 && now - last > 6) this.#push(last + 0.1, null); // nothing came: a gap, no bridge
    this.#push(now, classes);
    while (this.#times.length && this.#times[0] < now - SECONDS - 2) {
      this.#times.shift();
      for (const row of this.#shares) row.shift();
    }
    this.#draw();
  }

  #push(time, classes) {
    this.#times.push(time);
    this.#classes.forEach(({ name }, index) => this.#shares[index].push(classes ? 100 * (classes[name]?.share ?? 0) : null));
  }

  get #stacked() {
    return this.#chosen.size === 0;
  }

  #shown() {
    return this.#classes.map((entry, index) => ({ ...entry, index })).filter(({ id }) => this.#stacked || this.#chosen.has(id));
  }

  #data() {
    const rows = this.#shown().map(({ index }) => this.#shares[index]);
    if (!this.#stacked) return [this.#times, ...rows];
    const sums = [];
    let below = null;
    for (const row of rows) {
      const above = below;
      below = row.map((value, at) => (value === null ? null : value + (above?.[at] ?? 0)));
      sums.push(below);
    }
    return [this.#times, ...sums];
  }

  #build() {
    this.#plot?.destroy();
    this.#plot = null;
    if (!this.#classes.length) return;
    const shown = this.#shown();
    this.note.textContent = this.#stacked ? "last minute" : `${shown.map(({ name }) => readable(name)).join(", ")}`;
    const { width, height } = this.element.getBoundingClientRect();
    this.#plot = new uPlot(this.#options(shown, Math.max(width, 120), Math.max(height, 100)), this.#data(), this.element);
  }

  #options(shown, width, height) {
    const style = getComputedStyle(document.documentElement);
    const [quiet, line] = [style.getPropertyValue("--quiet"), style.getPropertyValue("--line")];
    const font = "13px system-ui, sans-serif";
    const axis = { stroke: quiet, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const now = () => this.#times.at(-1) ?? 0;
    return {
      width,
      height,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 16, 0, 0],
      scales: {
        x: { time: false, range: () => [now() - this.#span(), now()] },
        y: { range: (_plot, _low, high) => [0, this.#stacked ? 100 : Math.max(1, (high ?? 0) * 1.15)] },
      },
      axes: [
        { ...axis, size: 26, splits: () => this.#marks().map((ago) => now() - ago), values: (_plot, splits) => splits.map((at) => (at === now() ? "now" : `${Math.round(at - now())} s`)) },
        { ...axis, size: 50, space: 32, values: (_plot, splits) => splits.map((value) => `${+value.toFixed(1)} %`) },
      ],
      series: [{}, ...shown.map((entry, order) => this.#series(entry, order))],
      bands: this.#stacked ? shown.slice(1).map((entry, order) => ({ series: [order + 2, order + 1], fill: css(entry.colour) })) : [],
    };
  }

  /** Seconds that are shown: short at first, so that there is something to see. */
  #span() {
    return Math.min(SECONDS, Math.max(10, this.#times.length ? this.#times.at(-1) - this.#times[0] : 0));
  }

  #marks() {
    const span = this.#span();
    const step = span <= 20 ? 5 : span <= 40 ? 10 : 15;
    return [4, 3, 2, 1, 0].map((count) => count * step).filter((ago) => ago <= span);
  }

  #series({ name, colour }, order) {
    const light = document.documentElement.dataset.theme === "light";
    return this.#stacked
      ? { label: name, stroke: light ? "#ffffff55" : "#00000055", width: 1, fill: order === 0 ? css(colour) : undefined, points: { show: false } }
      : { label: name, stroke: css(mixed(colour, light ? 0 : 255)), width: 2.5, points: { show: false } };
  }

  #draw() {
    if (!document.hidden) this.#plot?.setData(this.#data());
  }

  #resize() {
    const { width, height } = this.element.getBoundingClientRect();
    if (width > 0) this.#plot?.setSize({ width, height: Math.max(height, 100) });
  }
}
