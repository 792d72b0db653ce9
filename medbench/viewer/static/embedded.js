/** Volumes that lie inside the page itself: gzip data in base64, in blocks that no browser runs. */

import { Volume } from "./volume.js";

async function unpacked(text) {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/**
 * Read the volume of a block that `medbench.viewer.embedding` wrote: its grid as JSON, then voxels, then labels.
 *
 * @param {HTMLElement} block
 * @returns {Promise<Volume>}
 */
export async function embeddedVolume(block) {
  const [grid, voxels, labels] = block.textContent.trim().split("\n");
  const volume = new Volume({ ...JSON.parse(grid), labels: labels ? new Uint8Array(await unpacked(labels)) : null });
  volume.put(0, new Int16Array(await unpacked(voxels)));
  return volume;
}
