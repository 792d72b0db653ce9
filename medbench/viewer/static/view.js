/** The page of `medbench view`: any volume of a folder, alone or beside another one. */

import { viewerBindings } from "./bindings.js";
import { element } from "./element.js";
import { keyList, listenToKeys } from "./keyboard.js";
import { Remote } from "./remote.js";
import { Viewer } from "./viewer.js";

const ALONE = "";

class Page {
  /**
   * @param {HTMLElement} root is filled
   * @param {Remote} remote
   * @param {import("./remote.js").Listed[]} list
   */
  constructor(root, remote, list) {
    this.remote = remote;
    this.list = list;
    this.said = document.getElementById("said");
    const options = () => list.map(({ name }, place) => element("option", { value: place }, name));
    this.first = element("select", { onchange: () => this.choose() }, ...options());
    const alone = element("option", { value: ALONE }, "nothing");
    this.beside = element("select", { onchange: () => this.show() }, alone, ...options());
    this.room = element("div", { class: "view-room" });
    this.keys = element("details", { class: "viewer-help" }, element("summary", {}, "Keys"));
    const bar = element(
      "div",
      { class: "view-bar" },
      element("label", {}, "Volume ", this.first),
      element("button", { type: "button", onclick: () => this.step(-1) }, "Previous"),
      element("button", { type: "button", onclick: () => this.step(1) }, "Next"),
      element("label", {}, "Beside it ", this.beside),
    );
    root.append(bar, this.said, this.room, this.keys);
  }

  /** Go to the next volume; after the last comes the first. */
  step(volumes) {
    const count = this.list.length;
    this.first.selectedIndex = (this.first.selectedIndex + volumes + count) % count;
    this.choose();
  }

  /** Show the chosen volume beside the one that belongs there, if there is one. */
  choose() {
    const { beside, relation } = this.list[this.first.selectedIndex];
    const place = this.list.findIndex(({ name }) => name === beside);
    this.beside.value = place < 0 ? ALONE : String(place);
    this.show(relation);
  }

  /** Show what is chosen; the window stays. */
  async show(relation = "") {
    const places = [this.first.value, this.beside.value].filter((place) => place !== ALONE).map(Number);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.#say("Reading ...");
    try {
      const volumes = await Promise.all(places.map((place) => this.remote.volume(place)));
      if (turn !== this.turn) return; // another one was chosen meanwhile
      const viewer = this.#viewer(volumes.map(({ name }) => name), volumes.some(({ labelled }) => labelled));
      viewer.show(volumes);
      const problems = volumes.map(({ problem }) => problem).filter(Boolean);
      this.#say([relation, ...problems].filter(Boolean).join(" "));
      const focus = () => (viewer.volumes[0] ? viewer.active.volume.index(viewer.state.point[2], 2) : 0);
      await Promise.all(volumes.map((volume) => this.remote.fill(volume, { focus, arrived: () => viewer.redraw() })));
    } catch (error) {
      if (turn === this.turn) this.#say(`This cannot be shown: ${error.message}`);
    }
  }

  #viewer(titles, labels) {
    const before = this.viewer?.state;
    const room = element("div", { class: "view-room" });
    this.room.replaceWith(room);
    this.room = room;
    this.viewer = new Viewer(room, { titles, labels });
    this.viewer.change({ labels: (before?.labels ?? false) && labels, ...(before && { window: before.window }) });
    const bindings = viewerBindings(this.viewer);
    listenToKeys(room, bindings);
    this.keys.replaceChildren(this.keys.firstElementChild, keyList(bindings));
    return this.viewer;
  }

  #say(text) {
    this.said.textContent = text;
  }
}

const remote = new Remote(location.hash.slice(1));
remote
  .list()
  .then((list) => new Page(document.querySelector("main"), remote, list).choose())
  .catch((error) => {
    document.getElementById("said").textContent = error.message;
  });
