/** One plane of one volume: its canvas, its slice slider, and what is told about it. */

import { element } from "./element.js";
import { Frame } from "./frame.js";
import { drawCrosshair, drawEdges, drawRuler, drawScaleBar } from "./marks.js";
import { PLANES, cut, intoPicture, outOfPicture, pictureSize } from "./planes.js";

const COARSE = 5; // pixels a voxel from which on voxels are shown as they are

export class Pane {
  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {number} side which of its volumes
   * @param {string} name which of PLANES
   * @param {string} owner the volume's title, for those who hear the page
   */
  constructor(viewer, side, name, owner) {
    this.viewer = viewer;
    this.side = side;
    this.name = name;
    this.plane = PLANES[name];
    this.canvas = element("canvas", { "aria-hidden": true });
    this.title = element("button", {
      type: "button",
      class: "viewer-pane-title",
      title: "Show large",
      tabindex: -1, // each plane has a key
      onclick: () => viewer.enlarge(name, side),
    });
    this.reading = element("p", { class: "viewer-pane-reading" });
    this.slider = element("input", {
      type: "range",
      class: "viewer-slider",
      min: 1,
      step: 1,
      "aria-label": `${owner ? `${owner}: ` : ""}${this.plane.title.toLowerCase()} slice`,
      oninput: () => viewer.goTo(this, Number(this.slider.value) - 1),
      onfocus: () => viewer.activate(this),
    });
    this.root = element(
      "div",
      { class: "viewer-pane", "data-plane": name },
      this.canvas,
      this.title,
      this.reading,
      this.slider,
    );
    this.picture = document.createElement("canvas"); // the slice, one pixel a voxel
    this.drawn = ""; // what the picture shows
    this.pointer = null; // where the pointer is, CSS pixels
  }

  get volume() {
    return this.viewer.volumes[this.side];
  }

  /** Width and height of the canvas in CSS pixels. */
  get size() {
    return [this.root.clientWidth, this.root.clientHeight];
  }

  /** The slice that the viewer's point lies in. */
  get index() {
    return this.volume.index(this.viewer.state.point[this.plane.through], this.plane.through);
  }

  /** Where the picture lies on the canvas now. */
  get frame() {
    const { centre, zoom } = this.viewer.state;
    const extent = this.volume.extent;
    return new Frame(
      this.size,
      [extent[this.plane.across], extent[this.plane.down]],
      intoPicture(centre, this.plane),
      zoom,
    );
  }

  /** The point of the volume under a place of the canvas (CSS pixels). */
  pointAt(place) {
    const through = this.plane.through;
    const point = outOfPicture(this.frame.toPicture(place), this.viewer.state.point, this.plane);
    point[through] = this.volume.share(this.index, through);
    return point;
  }

  /** Draw the slice and what lies over it. */
  draw() {
    const [width, height] = this.size;
    if (!this.volume || width === 0 || height === 0) return;
    const density = Math.min(2, window.devicePixelRatio || 1);
    const [columns, rows] = [Math.round(width * density), Math.round(height * density)];
    if (this.canvas.width !== columns || this.canvas.height !== rows) {
      this.canvas.width = columns;
      this.canvas.height = rows;
    }
    this.#cut();
    const context = this.canvas.getContext("2d", { alpha: false });
    const frame = this.frame;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.fillStyle = "#000000";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = frame.width / this.picture.width < COARSE || this.viewer.state.zoom <= 1;
    context.drawImage(this.picture, frame.left, frame.top, frame.width, frame.height);
    this.#mark(context, frame);
    this.#tell();
  }

  /** Bring the picture up to date, if anything that it shows has changed. */
  #cut() {
    const { volume, viewer, index } = this;
    const tints = viewer.state.labels ? viewer.tints : null;
    // An axial slice arrives once and for all; the other planes change with every slice that arrives.
    const voxels = this.name === "axial" ? volume.arrived[index] : volume.revision;
    const wanted = [voxels, index, viewer.greyVersion, tints !== null && volume.labels !== null].join();
    if (this.drawnOf === volume && this.drawn === wanted) return;
    const [columns, rows] = pictureSize(volume, this.plane);
    if (!this.image || this.image.width !== columns || this.image.height !== rows) {
      this.image = new ImageData(columns, rows);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.picture.width = columns;
      this.picture.height = rows;
    }
    cut(volume, this.plane, index, viewer.greys, this.pixels, tints);
    this.picture.getContext("2d").putImageData(this.image, 0, 0);
    this.drawnOf = volume;
    this.drawn = wanted;
  }

  #mark(context, frame) {
    const { state } = this.viewer;
    if (state.crosshair) drawCrosshair(context, this.size, frame.toCanvas(intoPicture(state.point, this.plane)));
    for (const ruler of state.rulers) {
      if (ruler.side === this.side && ruler.plane === this.name && ruler.index === this.index) {
        drawRuler(context, frame, this.volume, this.plane, ruler);
      }
    }
    drawEdges(context, this.size, this.plane.edges);
    drawScaleBar(context, this.size, frame.scale);
  }

  /** Say in words which slice this is, and what lies under the pointer. */
  #tell() {
    const count = this.volume.shape[this.plane.through];
    const title = `${this.plane.title} ${this.index + 1} / ${count}`;
    if (this.title.textContent !== title) {
      this.title.textContent = title;
      this.slider.max = String(count);
      this.slider.value = String(this.index + 1);
      this.slider.setAttribute("aria-valuetext", `${this.index + 1} of ${count}`);
    }
    const found = this.pointer ? this.volume.at(this.pointAt(this.pointer)) : null;
    const reading = found ? `${String(found.hu).replace("-", "−")} HU${found.region ? `  ${found.region}` : ""}` : "";
    if (this.reading.textContent !== reading) this.reading.textContent = reading;
    this.root.classList.toggle("active", this.viewer.active === this);
    this.root.classList.toggle("main", this.viewer.state.main === this.name);
  }
}
