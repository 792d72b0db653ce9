/** The buttons above the pictures: tools, windows, what is shown. Every one has a key, see bindings.js. */

import { element, icon } from "./element.js";
import { TOOLS } from "./tools.js";

const ICONS = {
  reset: "M3 6V3h3M13 6V3h-3M3 10v3h3M13 10v3h-3",
  marks: "M8 1v3M8 6.5v3M8 12v3M1 8h3M6.5 8h3M12 8h3",
  labels: "M6 3a4 4 0 1 0 0 8a4 4 0 0 0 0-8M10.5 5.2a4 4 0 1 1-4.6 5.8",
};

function sameWindow(a, b) {
  return a.centre === b.centre && a.width === b.width;
}

function write(output, text) {
  if (output.textContent !== text) output.textContent = text;
}

export class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    this.tools = Object.entries(TOOLS).map(([name, { title, icon: path }]) => [
      name,
      this.#button({ class: "viewer-icon", title, "aria-label": title }, icon(path), () =>
        viewer.change({ tool: name }),
      ),
    ]);
    this.presets = Object.entries(viewer.windows).map(([name, window]) => [
      window,
      this.#button({ class: "viewer-preset" }, name, () => viewer.change({ window })),
    ]);
    this.window = element("output", { class: "viewer-window", "aria-label": "Window" });
    this.length = element("output", { class: "viewer-window", "aria-label": "Last ruler" });
    this.crosshair = this.#toggle("crosshair", "Crosshair lines", ICONS.marks);
    this.labels = this.#toggle("labels", "Labels", ICONS.labels);
    this.labels.hidden = !viewer.labelled;
    const reset = this.#button(
      { class: "viewer-icon", title: "Fit the pictures", "aria-label": "Fit the pictures" },
      icon(ICONS.reset),
      () => viewer.reset(),
    );
    this.root = element(
      "div",
      { class: "viewer-toolbar", role: "toolbar", "aria-label": "Viewer" },
      this.#group("What dragging does", ...this.tools.map(([, button]) => button), this.length),
      this.#group("Window", ...this.presets.map(([, button]) => button), this.window),
      this.#group("Shown", this.crosshair, this.labels, reset),
    );
    this.root.addEventListener("keydown", (event) => this.#walk(event));
    this.#reach(this.tools[0][1]);
  }

  get #buttons() {
    return [...this.root.querySelectorAll("button")].filter((button) => !button.hidden);
  }

  /** Make one button the toolbar's stop for the Tab key; arrows lead to the others. */
  #reach(button) {
    for (const other of this.root.querySelectorAll("button")) other.tabIndex = other === button ? 0 : -1;
  }

  #walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.shiftKey) return;
    const buttons = this.#buttons;
    const next = buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length);
    this.#reach(next);
    next.focus();
    event.preventDefault();
  }

  #group(label, ...buttons) {
    return element("div", { class: "viewer-group", role: "group", "aria-label": label }, ...buttons);
  }

  /** A button; pressed with a pointer, it gives the keys back to the pictures. */
  #button(attributes, content, press) {
    const onclick = (event) => {
      press();
      if (event.detail > 0) this.viewer.activate(this.viewer.active, true);
    };
    return element("button", { type: "button", onclick, ...attributes }, content);
  }

  #toggle(what, title, path) {
    const { viewer } = this;
    const press = () => viewer.change({ [what]: !viewer.state[what] });
    return this.#button({ class: "viewer-icon", title, "aria-label": title }, icon(path), press);
  }

  /** Show what is chosen. */
  update() {
    const { state, volumes } = this.viewer;
    for (const [name, button] of this.tools) button.setAttribute("aria-pressed", String(name === state.tool));
    for (const [window, button] of this.presets) {
      button.setAttribute("aria-pressed", String(sameWindow(window, state.window)));
    }
    this.crosshair.setAttribute("aria-pressed", String(state.crosshair));
    this.labels.setAttribute("aria-pressed", String(state.labels));
    write(this.window, `C ${String(state.window.centre).replace("-", "−")}  W ${state.window.width}`);
    const ruler = state.rulers.at(-1);
    write(this.length, ruler ? `${volumes[ruler.side].distance(ruler.from, ruler.to).toFixed(1)} mm` : "");
  }
}
