/** Keys: bindings are a table, so that what is listed is what works. */

import { element } from "./element.js";

/**
 * @typedef {object} Binding
 * @property {string[]} keys as `KeyboardEvent.key` names them, with "Shift+" before arrows
 * @property {string} group
 * @property {string} does
 * @property {(key: string) => void} run
 */

const NAMES = {
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  PageUp: "Page up",
  PageDown: "Page down",
};

/** Elements whose own keys come first: these must reach the control, not a binding. */
function wants(target, key) {
  if (target.closest("textarea, select, input[type=text], input[type=number]")) return true;
  if (target.closest("dialog[open]")) return key !== "Escape";
  if (target.closest("input[type=radio], input[type=range]"))
    return key.includes("Arrow") || key === "Home" || key === "End";
  if (target.closest("[role=toolbar]") && (key === "ArrowLeft" || key === "ArrowRight")) return true;
  return key === "Enter" && target.closest("button, a, summary, label") !== null;
}

/** Run a binding when its key is pressed on `target` or within, as long as `when` allows it. */
export function listenToKeys(target, bindings, when = () => true) {
  const table = new Map(bindings.flatMap((binding) => binding.keys.map((key) => [key, binding])));
  target.addEventListener("keydown", (event) => {
    if (!when() || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const shifted = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const key = shifted.length === 1 ? shifted.toLowerCase() : shifted;
    const binding = table.get(key);
    if (!binding || wants(event.target, key)) return;
    event.preventDefault();
    binding.run(key);
  });
}

function keyCap(key) {
  const parts = key.split("+").filter((part) => part !== "");
  if (parts.length === 0) parts.push("+");
  return parts.map((part) => element("kbd", {}, NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part)));
}

/** The list of bindings by group, for people. */
export function keyList(bindings) {
  const groups = new Map();
  for (const binding of bindings) groups.set(binding.group, [...(groups.get(binding.group) ?? []), binding]);
  const lists = [...groups].map(([title, members]) =>
    element(
      "section",
      { class: "viewer-keys" },
      element("h3", {}, title),
      element(
        "dl",
        {},
        ...members.flatMap(({ keys, does }) => [
          element("dt", {}, ...keys.flatMap((key) => keyCap(key))),
          element("dd", {}, does),
        ]),
      ),
    ),
  );
  return element("div", { class: "viewer-key-lists" }, ...lists);
}
