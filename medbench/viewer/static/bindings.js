/** The viewer's keys. */

import { PLANES } from "./planes.js";
import { TOOLS } from "./tools.js";

const PAN = 40; // pixels
const ZOOM = 1.25;

/** A key for each window preset: the first letter of its name that is free. */
function presetKeys(names, taken) {
  const free = new Set("abcdefghijklmnopqrstuvwxyz".split("").filter((letter) => !taken.includes(letter)));
  return names.map((name) => {
    const letter = [...name.toLowerCase()].find((candidate) => free.delete(candidate));
    return letter ? [letter] : [];
  });
}

/**
 * @param {import("./viewer.js").Viewer} viewer
 * @param {string} taken letters that the page around it uses
 * @returns {import("./keyboard.js").Binding[]}
 */
export function viewerBindings(viewer, taken = "") {
  const scroll = (slices) => () => viewer.goTo(viewer.active, viewer.active.index + slices);
  const pan = (x, y) => () => viewer.pan(viewer.active, [x * PAN, y * PAN]);
  const toggle = (what) => () => viewer.change({ [what]: !viewer.state[what] });
  const nextTool = () => {
    const names = Object.keys(TOOLS);
    viewer.change({ tool: names[(names.indexOf(viewer.state.tool) + 1) % names.length] });
  };
  const windows = Object.entries(viewer.windows);
  const letters = presetKeys(
    windows.map(([name]) => name),
    `acsdortx${taken}`,
  );
  return [
    ["Slices", ["ArrowUp"], "next", scroll(1)],
    ["Slices", ["ArrowDown"], "previous", scroll(-1)],
    ["Slices", ["PageUp"], "ten further", scroll(10)],
    ["Slices", ["PageDown"], "ten back", scroll(-10)],
    ["Slices", ["Home"], "first", scroll(-Infinity)],
    ["Slices", ["End"], "last", scroll(Infinity)],
    ...Object.keys(PLANES).map((name) => ["Plane shown large", [name[0]], name, () => viewer.enlarge(name)]),
    ...windows.map(([name, window], place) => ["Window", letters[place], name, () => viewer.change({ window })]),
    ["Window", ["["], "narrower", () => viewer.adjustWindow({ wider: -1 })],
    ["Window", ["]"], "wider", () => viewer.adjustWindow({ wider: 1 })],
    ["Window", [","], "darker", () => viewer.adjustWindow({ brighter: -1 })],
    ["Window", ["."], "brighter", () => viewer.adjustWindow({ brighter: 1 })],
    ["View", ["+", "="], "zoom in", () => viewer.zoomBy(ZOOM)],
    ["View", ["-"], "zoom out", () => viewer.zoomBy(1 / ZOOM)],
    ["View", ["Shift+ArrowLeft"], "pan left", pan(-1, 0)],
    ["View", ["Shift+ArrowRight"], "pan right", pan(1, 0)],
    ["View", ["Shift+ArrowUp"], "pan up", pan(0, -1)],
    ["View", ["Shift+ArrowDown"], "pan down", pan(0, 1)],
    ["View", ["r"], "fit, remove rulers", () => viewer.reset()],
    ["View", ["x"], "crosshair lines", toggle("crosshair")],
    ["View", viewer.labelled ? ["o"] : [], "labels", toggle("labels")],
    ["Tools", ["t"], "next tool", nextTool],
    ["Tools", ["d"], "distance: at one end, then at the other", () => viewer.measure()],
  ]
    .map(([group, keys, does, run]) => ({ group, keys, does, run }))
    .filter(({ keys }) => keys.length > 0);
}
