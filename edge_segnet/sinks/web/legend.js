// The list of classes: colours, live shares, and the choice of what to look at.

export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
export const readable = (name) => name.replaceAll("_", " ");

export class Legend {
  #rows = new Map();

  constructor(list, allButton, changed) {
    this.list = list;
    this.allButton = allButton;
    this.changed = changed;
    this.chosen = new Set();
    allButton.addEventListener("click", () => this.clear());
  }

  setClasses(classes) {
    this.chosen.clear();
    this.#rows.clear();
    this.list.replaceChildren(...classes.map((entry) => this.#row(entry)));
    this.#mark();
  }

  #row({ id, name, colour }) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "entry absent";
    button.style.setProperty("--colour", css(colour));
    button.title = "Show only what is chosen";
    for (const part of ["swatch", "name", "share"]) {
      button.append(Object.assign(document.createElement("span"), { className: part }));
    }
    button.children[1].textContent = readable(name);
    button.addEventListener("click", () => this.toggle(id));
    item.append(button);
    this.#rows.set(name, { id, button, share: button.children[2] });
    return item;
  }

  toggle(id) {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.#mark();
  }

  clear() {
    this.chosen.clear();
    this.#mark();
  }

  #mark() {
    for (const { id, button } of this.#rows.values()) button.setAttribute("aria-pressed", this.chosen.has(id));
    this.list.classList.toggle("picked", this.chosen.size > 0);
    this.allButton.hidden = this.chosen.size === 0;
    this.changed(this.chosen);
  }

  show(classes) {
    for (const [name, { button, share }] of this.#rows) {
      const value = classes[name]?.share ?? 0;
      button.style.setProperty("--share", value.toFixed(3));
      button.classList.toggle("absent", value === 0);
      share.innerHTML = "";
      share.append(value === 0 ? "0" : (100 * value).toFixed(1), Object.assign(document.createElement("small"), { textContent: "%" }));
    }
  }
}
