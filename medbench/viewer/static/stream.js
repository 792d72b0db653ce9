/** Slices from a server, the nearest to what is looked at first, so that a picture is there before the volume is. */

const SLAB_BYTES = 4 * 2 ** 20; // large enough for few requests, small enough for an early picture
const LANES = 2; // requests under way at once

/** The slabs that a volume is fetched in. */
export function slabs(shape) {
  const count = Math.max(1, Math.round(SLAB_BYTES / (shape[0] * shape[1] * 2)));
  const starts = Array.from({ length: Math.ceil(shape[2] / count) }, (_, slab) => slab * count);
  return starts.map((first) => ({ first, count: Math.min(count, shape[2] - first) }));
}

/** Take out of a list the slab whose middle is nearest to a slice. */
export function takeNearest(waiting, slice) {
  if (waiting.length === 0) return null;
  const distance = ({ first, count }) => Math.abs(first + (count - 1) / 2 - slice);
  const nearest = waiting.reduce((best, slab) => (distance(slab) < distance(best) ? slab : best));
  waiting.splice(waiting.indexOf(nearest), 1);
  return nearest;
}

/**
 * Fill a volume.
 *
 * @param {import("./volume.js").Volume} volume
 * @param {object} options
 * @param {(first: number, count: number) => Promise<ArrayBuffer>} options.load little-endian int16, x fastest
 * @param {() => number} options.focus the axial slice that is looked at
 * @param {() => void} options.arrived is called after each slab
 */
export async function fill(volume, { load, focus, arrived }) {
  const waiting = slabs(volume.shape);
  const lane = async () => {
    for (let slab = takeNearest(waiting, focus()); slab; slab = takeNearest(waiting, focus())) {
      volume.put(slab.first, new Int16Array(await load(slab.first, slab.count)));
      arrived();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
