/** The viewer: one or two volumes, three linked planes each. It holds what is shown; panes draw it, tools change it. */

import { element } from "./element.js";
import { listenToPointers } from "./gestures.js";
import { Pane } from "./pane.js";
import { PLANES } from "./planes.js";
import { Toolbar } from "./toolbar.js";
import { WINDOWS, bounded, greys, labelColours } from "./windows.js";

const MIDDLE = Object.freeze([0.5, 0.5, 0.5]);
const CLOSEST = 40;

export class Viewer {
  /**
   * @param {HTMLElement} root is filled
   * @param {object} options
   * @param {string[]} [options.titles] one for each volume
   * @param {Object<string, {centre: number, width: number}>} [options.windows] presets; the first is shown
   * @param {boolean} [options.labels] whether there are label maps to show
   * @param {boolean} [options.scrolls] whether the page around it scrolls: wheel and fingers are the page's until a
   *   pane has the focus
   * @param {(viewer: Viewer) => void} [options.ondraw] is called after each drawing
   */
  constructor(root, { titles = [""], windows = WINDOWS, labels = false, scrolls = false, ondraw = () => {} } = {}) {
    this.root = root;
    this.scrolls = scrolls;
    this.windows = windows;
    this.labelled = labels;
    this.ondraw = ondraw;
    this.volumes = [];
    this.tints = labelColours();
    this.state = {
      point: [...MIDDLE], // where the crosshair is: shares of the extent along x, y, z
      centre: [...MIDDLE], // which point lies in the middle of every pane
      zoom: 1,
      window: Object.values(windows)[0],
      main: "axial", // the plane that is shown large
      tool: window.matchMedia("(pointer: coarse)").matches ? "scroll" : "crosshair",
      crosshair: true,
      labels, // whether label maps are drawn
      rulers: [], // {side, plane, index, from, to}
    };
    this.#retable();
    this.panes = [];
    const blocks = titles.map((title, side) => this.#block(title, side));
    this.active = this.panes[0];
    this.toolbar = new Toolbar(this);
    root.classList.add("viewer");
    root.append(this.toolbar.root, element("div", { class: "viewer-volumes" }, ...blocks));
    new ResizeObserver(() => this.redraw()).observe(root);
  }

  #block(title, side) {
    const panes = Object.keys(PLANES).map((name) => new Pane(this, side, name, title));
    for (const pane of panes) listenToPointers(this, pane);
    this.panes.push(...panes);
    const block = element("section", { class: "viewer-volume", "aria-label": title || `Volume ${side + 1}` });
    if (title) block.append(element("h2", { class: "viewer-volume-title" }, title));
    block.append(element("div", { class: "viewer-planes" }, ...panes.map((pane) => pane.root)));
    return block;
  }

  /** Show other volumes, one for each title; the view begins anew, the window and the tool stay. */
  show(volumes) {
    this.volumes = volumes;
    this.change({ point: [...MIDDLE], centre: [...MIDDLE], zoom: 1, rulers: [] });
  }

  /** Change what is shown. */
  change(some) {
    Object.assign(this.state, some);
    if (some.window) this.#retable();
    this.redraw();
  }

  #retable() {
    this.greys = greys(this.state.window, this.greys);
    this.greyVersion = (this.greyVersion ?? 0) + 1;
  }

  /** Draw at the next frame, however often this is asked for. */
  redraw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = undefined;
      if (this.volumes.length === 0) return;
      for (const pane of this.panes) pane.draw();
      this.toolbar.update();
      this.ondraw(this);
    });
  }

  /** Whether wheel and fingers act on the pictures, and do not scroll the page. */
  get takesGestures() {
    return !this.scrolls || this.root.contains(document.activeElement);
  }

  /** Make a pane the one that keys act on; the focus goes to its slider, if it was in another one or is taken. */
  activate(pane, take = false) {
    this.active = pane;
    if (take || this.panes.some(({ slider }) => slider === document.activeElement)) {
      pane.slider.focus({ preventScroll: true });
    }
    this.redraw();
  }

  /** Show a plane large, and let keys act on it. */
  enlarge(name, side = this.active.side) {
    this.change({ main: name });
    this.activate(this.panes.find((pane) => pane.side === side && pane.name === name));
  }

  /** Move the crosshair; all planes follow. */
  pointTo(point) {
    this.change({ point: point.map((share) => Math.min(1 - 1e-9, Math.max(0, share))) });
  }

  /** Show a slice of a pane's plane. */
  goTo(pane, index) {
    const through = pane.plane.through;
    const point = [...this.state.point];
    point[through] = pane.volume.share(Math.min(pane.volume.shape[through] - 1, Math.max(0, index)), through);
    this.pointTo(point);
  }

  /** Move the pictures by pixels of a pane. */
  pan(pane, [x, y]) {
    const { frame, plane } = pane;
    const centre = [...this.state.centre];
    centre[plane.across] = Math.min(1, Math.max(0, centre[plane.across] + x / frame.width));
    centre[plane.down] = Math.min(1, Math.max(0, centre[plane.down] + y / frame.height));
    this.change({ centre });
  }

  /** Zoom all panes; what lies at a place of a pane stays there, else the crosshair stays. */
  zoomBy(factor, pane = null, place = null) {
    const zoom = Math.min(CLOSEST, Math.max(0.5, this.state.zoom * factor));
    const fixed = pane ? pane.pointAt(place) : this.state.point;
    const shrink = this.state.zoom / zoom;
    const axes = pane ? [pane.plane.across, pane.plane.down] : [0, 1, 2];
    const centre = [...this.state.centre];
    for (const axis of axes) centre[axis] = fixed[axis] + (centre[axis] - fixed[axis]) * shrink;
    this.change({ zoom, centre });
  }

  /** Change the window by steps of a tenth of its width. */
  adjustWindow({ brighter = 0, wider = 0 }) {
    const { centre, width } = this.state.window;
    const step = Math.max(1, width / 10);
    this.change({ window: bounded({ centre: centre - brighter * step, width: width + wider * step }) });
  }

  /** Fit the pictures again and take the rulers away. */
  reset() {
    this.change({ centre: [...MIDDLE], zoom: 1, rulers: [] });
  }

  startRuler(pane, point) {
    const ruler = { side: pane.side, plane: pane.name, index: pane.index, from: point, to: point };
    this.change({ rulers: [...this.state.rulers, ruler] });
  }

  stretchRuler(point) {
    const rulers = [...this.state.rulers];
    rulers.push({ ...rulers.pop(), to: point });
    this.change({ rulers });
  }

  /** A ruler without length was a click. */
  endRuler() {
    const volume = this.volumes[this.active.side];
    this.change({ rulers: this.state.rulers.filter(({ from, to }) => volume.distance(from, to) > 0) });
  }

  /** Measure by keys: the first time from the crosshair, the second time, on the same slice, to it. */
  measure() {
    const { point, rulers } = this.state;
    const { side, name: plane, index } = this.active;
    const last = rulers.at(-1);
    if (last?.open && last.side === side && last.plane === plane && last.index === index) {
      this.change({ rulers: [...rulers.slice(0, -1), { ...last, to: [...point], open: false }] });
    } else {
      this.change({ rulers: [...rulers, { side, plane, index, from: [...point], to: [...point], open: true }] });
    }
  }
}
