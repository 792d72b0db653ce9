/** What is drawn over a slice: crosshair, side letters, scale bar, rulers. All lengths are CSS pixels. */

import { intoPicture } from "./planes.js";

const INK = "#e8eaed";
const CROSSHAIR = "rgba(107, 184, 234, 0.75)";
const RULER = "#f6c886";
const GAP = 12; // the crosshair leaves what it points at free,
const EDGE = 24; // and the side letters
const SLIDER = 22; // lies over the right edge, see viewer.css
const NARROW = 280; // the plane's title reaches the middle
const BAR_SHARE = 0.3; // of the canvas, at most

/** Text that stays legible on any grey. */
function outlined(context, text, x, y) {
  context.strokeStyle = "rgba(0, 0, 0, 0.85)";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}

function line(context, from, to) {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

/** Two thin lines through a place of the picture, open around it. */
export function drawCrosshair(context, [width, height], [x, y]) {
  context.strokeStyle = CROSSHAIR;
  context.lineWidth = 1;
  const [column, row] = [Math.round(x) + 0.5, Math.round(y) + 0.5];
  if (row > 0 && row < height) {
    line(context, [EDGE, row], [Math.max(EDGE, column - GAP), row]);
    line(context, [Math.min(width - SLIDER - EDGE, column + GAP), row], [width - SLIDER - EDGE, row]);
  }
  if (column > 0 && column < width) {
    line(context, [column, EDGE], [column, Math.max(EDGE, row - GAP)]);
    line(context, [column, Math.min(height - EDGE, row + GAP)], [column, height - EDGE]);
  }
}

/** Which side of the patient lies at the left, right, top and bottom edge. */
export function drawEdges(context, [width, height], [left, right, top, bottom]) {
  context.font = "600 13px system-ui, sans-serif";
  context.fillStyle = INK;
  context.textBaseline = "middle";
  context.textAlign = "left";
  outlined(context, left, 8, height / 2);
  context.textAlign = "right";
  outlined(context, right, width - SLIDER - 8, height / 2);
  context.textAlign = "center";
  outlined(context, top, width / 2, width < NARROW ? 32 : 14);
  outlined(context, bottom, width / 2, height - 12);
}

/** The longest of 1, 2, 5, 10, ... mm that takes at most `longest` pixels. */
export function barLength(scale, longest) {
  const power = 10 ** Math.floor(Math.log10(longest / scale));
  return [5, 2, 1].map((step) => step * power).find((length) => length * scale <= longest);
}

/** A bar of round length at the lower left, with its length. */
export function drawScaleBar(context, [width, height], scale) {
  const length = barLength(scale, Math.min(width * BAR_SHARE, 160));
  const [x, y, end] = [10, height - 12, 10 + length * scale];
  for (const [colour, thickness] of [
    ["rgba(0, 0, 0, 0.85)", 4],
    [INK, 1.5],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    line(context, [x, y], [end, y]);
    line(context, [x, y - 4], [x, y + 4]);
    line(context, [end, y - 4], [end, y + 4]);
  }
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = INK;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  outlined(context, length >= 10 ? `${length / 10} cm` : `${length} mm`, x, y - 8);
}

/** A measured distance: its two ends, the line between them, and the length. */
export function drawRuler(context, frame, volume, plane, { from, to }) {
  const [start, end] = [from, to].map((point) => frame.toCanvas(intoPicture(point, plane)));
  for (const [colour, thickness] of [
    ["rgba(0, 0, 0, 0.85)", 4],
    [RULER, 1.5],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    line(context, start, end);
  }
  context.fillStyle = RULER;
  for (const [x, y] of [start, end]) {
    context.beginPath();
    context.arc(x, y, 3, 0, 2 * Math.PI);
    context.fill();
  }
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  const rightmost = start[0] > end[0] ? start : end;
  outlined(context, `${volume.distance(from, to).toFixed(1)} mm`, rightmost[0] + 9, rightmost[1]);
}
