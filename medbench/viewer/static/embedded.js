/** Volumes that lie inside the page itself, in blocks that no browser runs. */

import { inflated, unfolded } from "./packing.js";
import { Volume } from "./volume.js";

/**
 * Read the volume of a block that `medbench.viewer.page` wrote: its grid as JSON, then voxels, then labels.
 *
 * @param {HTMLElement} block
 * @returns {Promise<Volume>}
 */
export async function embeddedVolume(block) {
  const [grid, voxels, labels] = block.textContent.trim().split("\n");
  const volume = new Volume({ ...JSON.parse(grid), labels: labels ? await inflated(labels) : null });
  volume.put(0, unfolded(await inflated(voxels)));
  return volume;
}
