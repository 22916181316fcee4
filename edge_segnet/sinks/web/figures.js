// The figures beside the picture, and what is wrong in words.

const $ = (id) => document.getElementById(id);
export const LEVELS = { running: "good", starting: "wait", static: "warn", black: "bad", ended: "warn", missing: "bad", lost: "bad", stalled: "bad", frozen: "bad" };
const WORDS = {
  missing: "The camera is not there",
  lost: "The camera is lost",
  stalled: "The camera gives no frames",
  frozen: "The camera repeats one frame",
  static: "The picture does not change",
  black: "The camera sees nothing",
  ended: "The recording has ended",
};

/** 12345 -> "12.3k": four characters that can be read from afar. */
export function short(count) {
  if (count < 10000) return String(count);
  return count < 1e6 ? `${(count / 1e3).toFixed(count < 1e5 ? 1 : 0)}k` : `${(count / 1e6).toFixed(1)}M`;
}

export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function put(id, value, unit = "", level = null) {
  const element = $(id);
  element.replaceChildren(value);
  if (unit) element.append(Object.assign(document.createElement("small"), { textContent: unit }));
  if (level) element.dataset.level = level;
  else delete element.dataset.level;
}

/** Without a connection, nothing here is of now: every tile says so, and of when it is. */
export function showOffline(seconds) {
  const offline = seconds !== null;
  $("figures").classList.toggle("offline", offline);
  if (!offline) return;
  for (const note of $("figures").querySelectorAll(".note")) {
    note.replaceChildren(`offline, ${span(seconds)} old`);
    note.dataset.level = "bad";
  }
}

let ages = [];

export function showResult(result) {
  ages = [...ages.slice(-4), result.age_ms];
  const age = ages.reduce((sum, value) => sum + value, 0) / ages.length;
  const seconds = age >= 9999.5;
  put("age", seconds ? (age / 1000).toFixed(0) : age.toFixed(0), seconds ? "s" : "ms", result.stale ? "bad" : null);
}

export function showStatus(status, name) {
  const camera = status.cameras[name];
  if (camera) showCamera(camera);
  const size = status.network_size ? `${status.network_size[0]}×${status.network_size[1]}` : "";
  put("backend", status.backend ?? "–");
  put("backendnote", size && `at ${size}`);
  $("what").textContent = status.backend ? `${status.model} on ${status.backend} · v${status.version}` : `v${status.version}`;
  showBoard(status.board);
}

function showCamera(camera) {
  put("rate", camera.frames_per_second.toFixed(1), "/s");
  put("ratenote", camera.camera_frames_per_second ? `camera ${camera.camera_frames_per_second.toFixed(0)} /s` : "");
  put("agenote", camera.age_ms ? `p99 ${camera.age_ms.p99.toFixed(0)} ms` : "");
  if (!camera.age_ms) put("age", "–");
  showDropped(camera);
  put("camera", camera.state, "", LEVELS[camera.state] ?? "wait");
  const again = camera.reconnects ? `, ${camera.reconnects} reconnects` : "";
  put("cameranote", `for ${span(camera.since_s)}${again}`);
  $("cameranote").title = camera.source;
}

function showDropped({ frames, dropped }) {
  const reasons = Object.entries(dropped).filter(([, count]) => count > 0);
  const sum = reasons.reduce((total, [, count]) => total + count, 0);
  put("dropped", short(sum));
  const of = `${((100 * sum) / (frames + sum)).toFixed(0)} % of ${short(frames + sum)}`;
  put("droppednote", frames + sum ? of : "");
  $("droppednote").title = reasons.map(([reason, count]) => `${count} ${reason}`).join(", ");
}

function showBoard(board) {
  const [hottest] = board?.temperatures ?? [];
  const hot = hottest?.limit_celsius && hottest.celsius >= hottest.limit_celsius - 5;
  put("heat", hottest ? hottest.celsius.toFixed(1) : "–", hottest ? "°C" : "", hot ? "warn" : null);
  const reasons = (board?.throttling ?? []).filter(({ active }) => active).map(({ reason }) => reason);
  const calm = board?.throttled === false ? "not throttled" : (hottest?.name ?? "no sensor here");
  put("heatnote", board?.throttled ? `throttled: ${reasons.join(", ")}` : calm, "", board?.throttled ? "bad" : null);
  $("heatnote").title = (board?.temperatures ?? []).map(({ name, celsius }) => `${name} ${celsius} °C`).join("\n");
}

/** What a person must know now: {text, level}, or null when all is well. */
export function trouble(status, name, connected) {
  if (!connected) return { text: "No connection to the service. Trying again.", level: "bad" };
  if (!status) return null;
  if (status.state === "waiting") return { text: `Waiting for the model. ${status.message ?? ""}`, level: "warn" };
  const camera = status.cameras[name];
  const word = WORDS[camera?.state];
  if (word) {
    const retry = LEVELS[camera.state] === "bad" ? " It is opened again as soon as it answers." : "";
    const reason = camera.message ? `: ${camera.message}` : "";
    return { text: `${word}${reason} (${span(camera.since_s)}).${retry}`, level: LEVELS[camera.state] };
  }
  if (!status.healthy) return { text: "A camera's loop makes no progress.", level: "bad" };
  if (status.reload?.ok === false) return { text: `The changed configuration was refused: ${status.reload.message}`, level: "warn" };
  const change = status.deployment;
  if (change && change.stage !== "serving") return { text: `Model ${change.name}, ${change.stage}: ${change.message}`, level: "warn" };
  return null;
}
