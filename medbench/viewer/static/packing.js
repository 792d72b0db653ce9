/** Volumes as text: what `medbench.viewer.packing` made of them, back into voxels. */

/**
 * Inflate gzip data.
 *
 * @param {string} text base64
 * @returns {Promise<Uint8Array>}
 */
export async function inflated(text) {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Voxels from folded differences: all low bytes, then all high bytes.
 *
 * @param {Uint8Array} bytes
 * @returns {Int16Array}
 */
export function unfolded(bytes) {
  const count = bytes.length / 2;
  const voxels = new Int16Array(count);
  let voxel = 0;
  for (let place = 0; place < count; place += 1) {
    const folded = bytes[place] | (bytes[place + count] << 8);
    voxel += (folded >>> 1) ^ -(folded & 1);
    voxels[place] = voxel; // modulo 65536
  }
  return voxels;
}
