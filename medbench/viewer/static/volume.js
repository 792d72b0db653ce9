/** A CT volume as it arrives: int16 HU, RAS+, x fastest, one axial slice after the other. */

/** What stands where no slice has arrived yet: black in every window. */
export const ABSENT = -32768;

export class Volume {
  /**
   * @param {object} grid
   * @param {number[]} grid.shape voxels along x, y, z
   * @param {number[]} grid.spacing mm between voxel centres along x, y, z
   * @param {string} [grid.name] shown beside it
   * @param {Uint8Array|null} [grid.labels] a label map on the same grid, x fastest
   * @param {Object<string, string>} [grid.regions] the name of each label value
   */
  constructor({ shape, spacing, name = "", labels = null, regions = {} }) {
    this.shape = shape;
    this.spacing = spacing;
    this.name = name;
    this.labels = labels;
    this.regions = regions;
    this.voxels = new Int16Array(shape[0] * shape[1] * shape[2]).fill(ABSENT);
    this.arrived = new Uint8Array(shape[2]); // 1 for each axial slice that is here
    this.missing = shape[2];
    this.revision = 0; // grows whenever voxels change
  }

  /** Width of the whole volume along x, y, z in mm. */
  get extent() {
    return this.shape.map((count, axis) => count * this.spacing[axis]);
  }

  /** How far apart neighbours along each axis lie in `voxels`. */
  get strides() {
    return [1, this.shape[0], this.shape[0] * this.shape[1]];
  }

  /** Take in axial slices from `first` on. */
  put(first, voxels) {
    const slice = this.shape[0] * this.shape[1];
    if (voxels.length % slice !== 0 || first * slice + voxels.length > this.voxels.length) {
      throw new RangeError(`${voxels.length} voxels do not fit at slice ${first} of ${this.shape.join(" x ")}`);
    }
    this.voxels.set(voxels, first * slice);
    for (let z = first; z < first + voxels.length / slice; z += 1) {
      this.missing -= this.arrived[z] ? 0 : 1;
      this.arrived[z] = 1;
    }
    this.revision += 1;
  }

  /** The voxel along an axis at a place that is given as a share (0 to 1) of the extent. */
  index(share, axis) {
    return Math.min(this.shape[axis] - 1, Math.max(0, Math.floor(share * this.shape[axis])));
  }

  /** The share of the extent at which a voxel's centre lies. */
  share(index, axis) {
    return (index + 0.5) / this.shape[axis];
  }

  /** HU and region at a point (shares along x, y, z); null outside and where nothing has arrived. */
  at(point) {
    if (point.some((share) => share < 0 || share >= 1)) return null;
    const [x, y, z] = point.map((share, axis) => this.index(share, axis));
    if (!this.arrived[z]) return null;
    const place = x + this.shape[0] * (y + this.shape[1] * z);
    const label = this.labels ? this.labels[place] : 0;
    return { hu: this.voxels[place], region: label ? (this.regions[label] ?? `label ${label}`) : "" };
  }

  /** Distance in mm between two points given as shares. */
  distance(a, b) {
    return Math.hypot(...this.extent.map((width, axis) => width * (a[axis] - b[axis])));
  }
}
