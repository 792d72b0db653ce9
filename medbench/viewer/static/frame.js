/** Where a plane's picture lies on its canvas: the one place that turns shares of the extent into pixels and back. */

const MARGIN = 0.98; // of the canvas, at zoom 1

export class Frame {
  /**
   * @param {number[]} size width and height of the canvas, CSS pixels
   * @param {number[]} extent of the picture across and down, mm
   * @param {number[]} centre which place of the picture lies in the middle, shares across and down
   * @param {number} zoom 1 fits the picture into the canvas
   */
  constructor(size, extent, centre, zoom) {
    this.scale = Math.min(size[0] / extent[0], size[1] / extent[1]) * MARGIN * zoom; // pixels a mm
    this.width = extent[0] * this.scale;
    this.height = extent[1] * this.scale;
    this.left = size[0] / 2 - centre[0] * this.width;
    this.top = size[1] / 2 - centre[1] * this.height;
  }

  /** Shares across and down, to pixels. */
  toCanvas([across, down]) {
    return [this.left + across * this.width, this.top + down * this.height];
  }

  /** Pixels, to shares across and down. */
  toPicture([x, y]) {
    return [(x - this.left) / this.width, (y - this.top) / this.height];
  }
}
