// The dashboard: wires the streams to the picture, the figures, the list and the chart.

import { Chart } from "./chart.js";
import { Editor } from "./editor.js";
import { Events, address, clock, sentence } from "./events.js";
import { LEVELS, showOffline, showResult, showStatus, span, trouble } from "./figures.js";
import { bindKeys } from "./keys.js";
import { Legend, css, readable } from "./legend.js";
import { Picture } from "./picture.js";
import { Regions } from "./regions.js";
import { connect } from "./link.js";
import { decode } from "./stream.js";

const $ = (id) => document.getElementById(id);
const QUIET_S = 2.5; // no frame for so long, or for four periods of a slow camera: the picture is old
const SLOWEST_S = 10;

const picture = new Picture($("view"));
const chart = new Chart($("chart"), $("historynote"));
const legend = new Legend($("legend"), $("all"), (chosen) => {
  picture.chosen = chosen;
  picture.redraw();
  chart.choose(chosen);
});
const regions = new Regions($("shapes"), $("tags"));
const happened = new Events($("events"), $("eventlist"), $("alarms"), showSnapshot);
const editor = new Editor($("edits"), {
  panel: $("editor"), choices: $("choices"), name: $("regionname"), add: $("addregion"), remove: $("removeregion"),
  text: $("yaml"), copy: $("copyyaml"), note: $("editornote"), done: $("doneediting"),
});

let status = null;
let classes = null;
let camera = null;
let connected = true;
let heardAt = performance.now();
let paused = false;
let streamTrouble = null;
let pointer = null;
let said = "";
let shownAt = 0;
let say = () => {};
let periodS = 0;

function showFrame(frame) {
  if (paused || frame.camera !== camera) return frame.image.close();
  picture.show(frame);
  if (picture.view === "margin") picture.loadMargins(camera);
  periodS = shownAt ? Math.min(SLOWEST_S, (performance.now() - shownAt) / 1000) : 0;
  shownAt = performance.now();
  $("synthetic").hidden = !frame.synthetic;
  $("damaged").hidden = !frame.damaged;
  showPointed();
}

async function loadClasses() {
  const answer = await fetch("/api/classes");
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) return;
  const found = await answer.json();
  if (JSON.stringify(found) === JSON.stringify(classes)) return;
  classes = found;
  picture.setClasses(classes.classes, classes.void);
  chart.setClasses(classes.classes);
  legend.setClasses(classes.classes);
}

/** What the feed says; see feed.js. */
function hear(message) {
  const takers = {
    part: takePart,
    result: ({ data }) => takeResult(data),
    event: ({ data }) => happened.add(data),
    status: ({ data }) => takeStatus(data),
    trouble: ({ text }) => (streamTrouble = text),
    login: () => location.assign("/login"),
    connected: ({ on }) => {
      connected = on;
      tick();
    },
  };
  takers[message.kind](message);
}

async function takePart(part) {
  try {
    showFrame(await decode(part));
  } catch (error) {
    console.warn("a frame could not be decoded", error);
  }
  say({ kind: "ready" });
}

/** Tell the feed what this window wants now. */
function want() {
  say({ kind: "watch", camera, pictures: camera !== null && !paused, visible: !document.hidden });
}

function takeResult(result) {
  if (result.camera !== camera) return;
  showResult(result);
  legend.show(result.classes);
  chart.add(result.classes);
  regions.show(result);
  happened.show(result.alarms);
}

/** What the settings say of regions and rules, and what they have noticed so far. */
async function loadRegions() {
  if (camera === null) return;
  const answer = await fetch("/api/regions").catch(() => null);
  if (!answer?.ok) return;
  const found = await answer.json();
  regions.set(found, camera);
  $("outlines").hidden = !regions.any;
  await happened.load(camera, found.rules.length > 0);
}

function showSnapshot(event) {
  $("snapshottitle").textContent = `${event.rule}, ${clock(event.at)}`;
  $("snapshottext").textContent = sentence(event);
  $("snapshotimage").src = address(event);
  $("snapshot").showModal();
}

function setOutlines(on) {
  $("outlines").setAttribute("aria-pressed", on);
  $("stage").classList.toggle("plain", !on);
}

function setEditing(on) {
  if (on === editor.open) return;
  $("edit").setAttribute("aria-pressed", on);
  $("edits").toggleAttribute("hidden", !on);
  $("stage").classList.toggle("edited", on);
  document.body.classList.toggle("editing", on);
  if (on) editor.show(regions.found);
  else editor.hide();
}

function takeStatus(latest) {
  const model = status && `${status.model} ${status.uptime_s > latest.uptime_s}`;
  const again = status && (status.reload?.at !== latest.reload?.at || status.uptime_s > latest.uptime_s);
  status = latest;
  connected = true;
  heardAt = performance.now();
  showOffline(null);
  if (classes === null || model !== `${status.model} false`) loadClasses();
  listCameras(Object.keys(status.cameras));
  if (again) loadRegions();
  $("eventsnote").hidden = !status.events.error;
  $("eventsnote").textContent = `Not on disk, lost at a restart: ${status.events.error}`;
  picture.stretched = status.fit !== "crop";
  $("logout").hidden = status.sinks?.http?.auth !== "token";
  showStatus(status, camera);
  tick();
}

function listCameras(names) {
  if (names.join() !== $("cameras").dataset.names) {
    $("cameras").dataset.names = names.join();
    $("cameras").hidden = names.length < 2;
    $("cameras").replaceChildren(...names.map(cameraChoice));
  }
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (!names.includes(camera)) watch(names.includes(wanted) ? wanted : (names[0] ?? null));
}

function cameraChoice(name) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "camera", value: name });
  input.addEventListener("change", () => watch(name));
  label.append(input, Object.assign(document.createElement("span"), { textContent: name }));
  return label;
}

/** Another camera: its picture, its results. */
function watch(name) {
  camera = name;
  shownAt = periodS = 0;
  if (name === null) return want();
  for (const input of $("cameras").querySelectorAll("input")) input.checked = input.value === name;
  if ($("cameras").querySelectorAll("input").length > 1) history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  $("stage").dataset.state = "empty";
  $("synthetic").hidden = $("damaged").hidden = true;
  chart.forget();
  loadRegions();
  setPaused(false);
}

function setPaused(on) {
  paused = on;
  $("pause").setAttribute("aria-pressed", on);
  $("pause").setAttribute("aria-label", on ? "Go on" : "Pause");
  want();
  tick();
}

/** Twice a second: is what stands there still true? */
function tick() {
  const frame = picture.frame?.camera === camera ? picture.frame : null;
  const old = frame ? (performance.now() - frame.capturedAt) / 1000 : Infinity;
  const state = status?.cameras[camera]?.state;
  const now = frame === null ? "empty" : paused ? "paused" : old > Math.max(QUIET_S, 4 * periodS) ? "old" : "live";
  $("stage").dataset.state = document.body.dataset.now = now;
  if (now === "old") chart.add(null);
  $("emptytext").textContent = streamTrouble ?? "Waiting for the first frame";
  $("veil").hidden = now !== "old";
  $("veil").textContent = now === "old" ? `Last picture ${span(old)} ago` : "";
  $("view").setAttribute("aria-label", frame ? `${{ live: "Live", old: "Old", paused: "Paused" }[now]} picture of camera ${camera}, ${picture.view}` : "No picture yet");
  showTrouble(trouble(status, camera, connected));
  showOffline(connected ? null : (performance.now() - heardAt) / 1000);
  showLink(now, state);
}

function showTrouble(found) {
  $("trouble").hidden = !found;
  if (found) $("trouble").dataset.level = found.level === "bad" ? "bad" : "warn";
  // Not at every second that it lasts: a screen reader would read it again and again.
  if ($("trouble").textContent !== (found?.text ?? "")) $("trouble").textContent = found?.text ?? "";
}

function showLink(now, state) {
  const well = { live: ["live", "good"], paused: ["paused", "warn"], old: ["no picture", "bad"], empty: ["waiting", "wait"] }[now];
  let [text, level] = connected ? well : ["offline", "bad"];
  if (connected && state && LEVELS[state] === "bad") [text, level] = [state, "bad"];
  $("link").dataset.level = level;
  if (text !== said) $("link").textContent = said = text;
}

function setView(view) {
  picture.view = view;
  if (view === "margin") picture.loadMargins(camera);
  picture.redraw();
  document.querySelector(`#views input[value="${view}"]`).checked = true;
  document.querySelector(".slider").classList.toggle("off", view !== "overlay");
}

function setOpacity(percent) {
  const value = Math.min(100, Math.max(0, percent));
  $("opacity").value = value;
  $("opacityvalue").textContent = `${value} %`;
  picture.opacity = value / 100;
  if (picture.view !== "overlay") setView("overlay");
  picture.redraw();
}

function save() {
  const { frame } = picture;
  if (!frame) return;
  $("view").toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${camera}-${frame.seq}-${picture.view}${frame.damaged ? "-damaged" : ""}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("stage").requestFullscreen?.();
}

function showPointed() {
  const id = pointer && picture.idAt(pointer.x, pointer.y);
  const entry = id === null ? null : (classes?.classes[id] ?? { name: "void", colour: classes?.void.colour ?? [0, 0, 0] });
  $("pointed").hidden = !entry || $("stage").dataset.state === "empty";
  if (!entry) return;
  const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
  swatch.style.setProperty("--colour", css(entry.colour));
  $("pointed").replaceChildren(swatch, readable(entry.name));
  const box = $("stage").getBoundingClientRect();
  const left = Math.min(pointer.x - box.left + 14, box.width - $("pointed").offsetWidth - 6);
  const top = Math.max(6, pointer.y - box.top - 44);
  $("pointed").style.transform = `translate(${left}px, ${top}px)`;
}

function bind() {
  for (const input of $("views").querySelectorAll("input")) input.addEventListener("change", () => setView(input.value));
  $("opacity").addEventListener("input", () => setOpacity($("opacity").valueAsNumber));
  const point = (event) => {
    pointer = { x: event.clientX, y: event.clientY };
    showPointed();
  };
  $("view").addEventListener("pointermove", point);
  $("view").addEventListener("pointerdown", point);
  $("view").addEventListener("pointerleave", () => {
    pointer = null;
    showPointed();
  });
  document.addEventListener("visibilitychange", () => {
    want();
    if (!document.hidden) loadRegions(); // what happened meanwhile
  });
  addEventListener("pageshow", want);
  const actions = {
    pause: () => setPaused(!paused),
    save,
    full: fullScreen,
    outlines: () => setOutlines($("stage").classList.contains("plain")),
    edit: () => setEditing(!editor.open),
    theme: () => document.dispatchEvent(new Event("theme-toggle")),
    help: () => $("keys").showModal(),
  };
  $("doneediting").addEventListener("click", () => setEditing(false));
  for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
  bindKeys({
    ...actions,
    view: setView,
    opacity: (step) => setOpacity(Math.round(100 * picture.opacity) + step),
    all: () => legend.clear(),
    camera: () => {
      const names = Object.keys(status?.cameras ?? {});
      if (names.length > 1) watch(names[(names.indexOf(camera) + 1) % names.length]);
    },
  });
}

bind();
say = connect(hear);
want();
setInterval(tick, 500);
