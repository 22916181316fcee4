// What rules noticed: the newest on top, each with its picture; and which alarms are on.

import { span } from "./figures.js";
import { readable } from "./legend.js";

const SHOWN = 100;
const THUMB = 128; // pixels: twice as wide as it is shown, for dense screens

export class Events {
  #seen = new Set();
  #began = new Map();

  /** `pictured(event)` is called when somebody wants to see an event's picture. */
  constructor(panel, list, alarms, pictured) {
    Object.assign(this, { panel, list, alarms, pictured });
  }

  async load(camera, hasRules) {
    const answer = await fetch(`/api/events?limit=${SHOWN}&camera=${encodeURIComponent(camera)}`);
    if (!answer.ok) return;
    const { events } = await answer.json();
    this.#seen.clear();
    this.#began.clear();
    this.list.replaceChildren();
    for (const event of events.reverse()) this.add(event);
    this.panel.hidden = !hasRules && events.length === 0;
    document.body.classList.toggle("eventful", !this.panel.hidden);
  }

  add(event) {
    if (this.#seen.has(event.id)) return;
    this.#seen.add(event.id);
    if (event.kind === "start") this.#began.set(event.rule, Date.parse(event.at));
    this.list.prepend(this.#row(event));
    while (this.list.children.length > SHOWN) this.list.lastChild.remove();
  }

  #row(event) {
    const row = Object.assign(document.createElement("li"), { className: `event ${event.kind}` });
    const time = Object.assign(document.createElement("time"), { dateTime: event.at, textContent: clock(event.at), title: event.at });
    const rule = Object.assign(document.createElement("strong"), { textContent: event.rule });
    const what = Object.assign(document.createElement("span"), { className: "what", textContent: sentence(event) });
    row.append(time, rule, what);
    if (event.snapshot) row.append(this.#thumbnail(event));
    return row;
  }

  #thumbnail(event) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "thumb" });
    button.setAttribute("aria-label", `Picture of ${event.rule} at ${clock(event.at)}`);
    button.append(Object.assign(document.createElement("img"), { src: `${address(event)}?width=${THUMB}`, alt: "", loading: "lazy" }));
    button.addEventListener("click", () => this.pictured(event));
    return button;
  }

  /** The alarms that are on, of the newest result. */
  show(names) {
    const text = names.map((name) => {
      const since = this.#began.get(name);
      return since ? `${name} for ${span(Math.max(0, (Date.now() - since) / 1000))}` : name;
    });
    const shown = text.join(", ");
    this.alarms.hidden = names.length === 0;
    if (this.alarms.textContent !== shown) this.alarms.textContent = shown;
  }
}

export const address = (event) => `/api/events/${encodeURIComponent(event.snapshot)}`;
export const clock = (at) => new Date(at).toLocaleTimeString([], { hourCycle: "h23" });

/** "Road in ahead 31 %, below 40 %" */
export function sentence(event) {
  const number = (value) => ({ share: `${+(100 * value).toFixed(1)} %`, metres: `${+value.toFixed(1)} m`, rows: `${value} rows`,
    uncertain: `${+(100 * value).toFixed(1)} %`, unfamiliar: `${+(100 * value).toFixed(1)} %`, frames_per_second: `${+value.toFixed(1)} frames/s`,
    age_ms: `${Math.round(value)} ms`, not_running: `${+value.toFixed(1)} s`,
    agreement: `${+(100 * value).toFixed(1)} %`, invalid: `${value} frames` })[event.measure];
  const what = { share: readable(event.class ?? ""), uncertain: `uncertain of ${readable(event.class ?? "the picture")}`, unfamiliar: "unfamiliar picture", frames_per_second: "results", age_ms: "newest result", not_running: "no good frame", agreement: "new model agrees", invalid: "new model makes no numbers" }[event.measure] ?? "free distance";
  const where = event.region === "" ? "" : ` in ${event.region}`;
  if (event.kind === "start") return `${what}${where} ${number(event.value)} (limit ${number(event.threshold)})`;
  const after = event.duration_s === null ? "" : ` after ${duration(event.duration_s)}`;
  return `over${after}: ${what}${where} ${number(event.value)}`;
}

const duration = (seconds) => (seconds < 10 ? `${seconds.toFixed(1)} s` : span(seconds));
