/**
 * The three planes of an RAS+ volume in radiological display: the patient's right, or the front, on the viewer's left.
 *
 * Across and down a picture both axes run against the voxels: across = 1 - share along `across`, likewise down.
 */

export const PLANES = Object.freeze({
  axial: { title: "Axial", across: 0, down: 1, through: 2, edges: ["R", "L", "A", "P"] },
  coronal: { title: "Coronal", across: 0, down: 2, through: 1, edges: ["R", "L", "S", "I"] },
  sagittal: { title: "Sagittal", across: 1, down: 2, through: 0, edges: ["A", "P", "S", "I"] },
});

/** Columns and rows of a plane's picture. */
export function pictureSize(volume, plane) {
  return [volume.shape[plane.across], volume.shape[plane.down]];
}

/** Where a point (shares along x, y, z) lies in a plane's picture: shares across and down. */
export function intoPicture(point, plane) {
  return [1 - point[plane.across], 1 - point[plane.down]];
}

/** The point at a place of a plane's picture; along the axis through the plane it stays where `point` is. */
export function outOfPicture([across, down], point, plane) {
  const moved = [...point];
  moved[plane.across] = 1 - across;
  moved[plane.down] = 1 - down;
  return moved;
}

/**
 * Cut one slice and look its voxels up.
 *
 * @param {import("./volume.js").Volume} volume
 * @param {object} plane one of PLANES
 * @param {number} index the slice
 * @param {Uint32Array} table the colour (RGBA) of each int16 value, from -32768 on
 * @param {Uint32Array} pixels columns * rows, is overwritten
 * @param {Uint32Array|null} tints the colour of each label value; null draws no labels
 */
export function cut(volume, plane, index, table, pixels, tints = null) {
  const [columns, rows] = pictureSize(volume, plane);
  const strides = volume.strides;
  const step = strides[plane.across];
  const { voxels, labels } = volume;
  let pixel = 0;
  for (let row = rows - 1; row >= 0; row -= 1) {
    let place = index * strides[plane.through] + row * strides[plane.down] + (columns - 1) * step;
    for (let column = 0; column < columns; column += 1, place -= step, pixel += 1) {
      pixels[pixel] = table[voxels[place] + 32768];
    }
  }
  if (tints && labels) tint(volume, plane, index, pixels, tints);
}

/** Mix the colours of a label map into a slice, three parts of eight; value 0 stays clear. */
function tint(volume, plane, index, pixels, tints) {
  const [columns, rows] = pictureSize(volume, plane);
  const strides = volume.strides;
  const step = strides[plane.across];
  let pixel = 0;
  for (let row = rows - 1; row >= 0; row -= 1) {
    let place = index * strides[plane.through] + row * strides[plane.down] + (columns - 1) * step;
    for (let column = 0; column < columns; column += 1, place -= step, pixel += 1) {
      const label = volume.labels[place];
      if (label === 0) continue;
      const grey = pixels[pixel];
      const colour = tints[label];
      pixels[pixel] = (half(grey) + eighth(grey) + half(colour) - eighth(colour)) | 0xff000000;
    }
  }
}

/** A half of each of the four bytes. */
function half(colour) {
  return (colour >>> 1) & 0x7f7f7f7f;
}

/** An eighth of each of the four bytes. */
function eighth(colour) {
  return (colour >>> 3) & 0x1f1f1f1f;
}
