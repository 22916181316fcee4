// Keys, for who has no mouse at hand; the dialog in index.html lists them.

export function bindKeys(act) {
  const keys = {
    1: () => act.view("overlay"),
    2: () => act.view("mask"),
    3: () => act.view("camera"),
    4: () => act.view("margin"),
    "[": () => act.opacity(-10),
    "]": () => act.opacity(10),
    " ": act.pause,
    c: act.camera,
    a: act.all,
    f: act.full,
    s: act.save,
    t: act.theme,
    r: act.outlines,
    e: act.edit,
    "?": act.help,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const onControl = event.target.closest("button, a, input");
    // A focused control keeps its own keys: space presses a button, arrows move a slider.
    if (onControl && (event.key === " " || event.target.type === "text" || event.target.type === "password")) return;
    if (event.target.closest("textarea")) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
