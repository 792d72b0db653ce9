/** Pairs of embedded volumes, one after the other in one viewer: `[data-gallery]` names the block that lists them. */

import { viewerBindings } from "./bindings.js";
import { element } from "./element.js";
import { embeddedVolume } from "./embedded.js";
import { keyList, listenToKeys } from "./keyboard.js";
import { Viewer } from "./viewer.js";

const ROOM_FOR_TWO = 640; // CSS pixels

/**
 * @typedef {object} Pair
 * @property {string} title
 * @property {string[]} volumes ids of blocks: one, or the one beside it, too
 */

class Gallery {
  /**
   * @param {HTMLElement} root is filled
   * @param {Pair[]} pairs
   */
  constructor(root, pairs) {
    this.root = root;
    this.pairs = pairs;
    this.known = new Map(); // volumes by the ids of their blocks
    this.choice = element(
      "select",
      { id: "gallery-case", onchange: () => this.show() },
      ...pairs.map(({ title }, place) => element("option", { value: place }, title)),
    );
    this.both = element("input", { type: "checkbox", id: "gallery-both", onchange: () => this.show() });
    this.both.checked = root.clientWidth >= ROOM_FOR_TWO;
    this.bothLabel = element("label", { for: "gallery-both" }, this.both, " what stands beside it, too");
    this.pictures = element("div");
    this.keys = element("details", { class: "viewer-help gallery-keys" }, element("summary", {}, "Keys"));
    const bar = element(
      "div",
      { class: "gallery-bar" },
      element("label", { for: "gallery-case" }, "Case"),
      this.choice,
      element("button", { type: "button", onclick: () => this.step(-1) }, "Previous"),
      element("button", { type: "button", onclick: () => this.step(1) }, "Next"),
      this.bothLabel,
    );
    root.replaceChildren(bar, this.pictures, this.keys);
  }

  /** Go to the next pair; after the last comes the first. */
  step(pairs) {
    this.choice.selectedIndex = (this.choice.selectedIndex + pairs + this.pairs.length) % this.pairs.length;
    this.show();
  }

  /** Show the chosen pair, or its first volume alone; the window stays. */
  async show() {
    await this.#show().catch((error) => this.pictures.replaceChildren(`This cannot be shown: ${error.message}`));
  }

  async #show() {
    const { volumes: ids } = this.pairs[this.choice.selectedIndex];
    this.bothLabel.hidden = ids.length < 2;
    const wanted = this.both.checked ? ids : ids.slice(0, 1);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const volumes = await Promise.all(wanted.map((id) => this.#volume(id)));
    if (turn !== this.turn) return; // another one was chosen meanwhile
    const before = this.viewer?.state;
    const room = element("div", { class: `gallery-room of-${volumes.length}` });
    this.pictures.replaceChildren(room);
    this.viewer = new Viewer(room, {
      titles: volumes.map(({ name }) => name),
      labels: volumes.some(({ labels }) => labels !== null),
      scrolls: true,
    });
    // The picture first: its labels, which hide some of it, once they are asked for.
    const labels = (before?.labels ?? false) && this.viewer.labelled;
    this.viewer.change({ labels, ...(before && { window: before.window }) });
    const bindings = viewerBindings(this.viewer);
    listenToKeys(room, bindings);
    this.keys.replaceChildren(this.keys.firstElementChild, keyList(bindings));
    this.viewer.show(volumes);
  }

  #volume(id) {
    if (!this.known.has(id)) this.known.set(id, embeddedVolume(document.getElementById(id)));
    return this.known.get(id);
  }
}

for (const root of document.querySelectorAll("[data-gallery]")) {
  const gallery = new Gallery(root, JSON.parse(document.getElementById(root.dataset.gallery).textContent));
  gallery.show();
}
