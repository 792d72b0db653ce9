/** Start the viewers of a page whose volumes lie inside it: each `[data-volumes]` names the blocks that it shows. */

import { viewerBindings } from "./bindings.js";
import { embeddedVolume } from "./embedded.js";
import { element } from "./element.js";
import { keyList, listenToKeys } from "./keyboard.js";
import { Viewer } from "./viewer.js";

async function start(root) {
  const volumes = await Promise.all(
    root.dataset.volumes.split(" ").map((name) => embeddedVolume(document.getElementById(name))),
  );
  root.replaceChildren();
  const titles = volumes.map(({ name }) => name);
  const viewer = new Viewer(root, { titles, labels: volumes.some(({ labels }) => labels !== null) });
  const bindings = viewerBindings(viewer);
  listenToKeys(root, bindings);
  root.append(element("details", { class: "viewer-help" }, element("summary", {}, "Keys"), keyList(bindings)));
  viewer.show(volumes);
}

for (const root of document.querySelectorAll("[data-volumes]")) {
  start(root).catch((error) => root.replaceChildren(`The volumes of this page cannot be shown: ${error.message}`));
}
