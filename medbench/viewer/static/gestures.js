/** Mouse, pen, fingers and wheel on a picture. One finger or the left button uses the chosen tool. */

import { TOOLS } from "./tools.js";

const BUTTONS = { 1: "pan", 2: "window" }; // middle and right
const NOTCH = 40; // pixels of wheel a slice; trackpads send many small ones

/** The place of an event on the pane, CSS pixels. */
function placeOf(event, pane) {
  const box = pane.root.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function minus(a, b) {
  return [a[0] - b[0], a[1] - b[1]];
}

/** Let a pane answer to pointers; what they do is told to the viewer. */
export function listenToPointers(viewer, pane) {
  const { canvas } = pane;
  const held = new Map(); // pointer id -> its place
  let drag = null; // what one pointer does

  function down(event) {
    if (event.pointerType === "touch" && !viewer.takesGestures) return; // a swipe; a tap ends in a click
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, placeOf(event, pane));
    viewer.activate(pane, true);
    event.preventDefault(); // else the focus would leave the slider again
    if (held.size > 1) {
      drag = finish(drag);
      return;
    }
    const place = placeOf(event, pane);
    drag = {
      tool: TOOLS[BUTTONS[event.button] ?? viewer.state.tool],
      origin: place,
      place,
      whole: [0, 0],
      step: [0, 0],
    };
    drag.tool.start?.(viewer, pane, drag);
  }

  function move(event) {
    const place = placeOf(event, pane);
    pane.pointer = place;
    if (held.size === 2 && held.has(event.pointerId)) pinch(event.pointerId, place);
    else if (drag) {
      Object.assign(drag, { step: minus(place, drag.place), whole: minus(place, drag.origin), place });
      drag.tool.move(viewer, pane, drag);
    }
    if (held.has(event.pointerId)) held.set(event.pointerId, place);
    viewer.redraw();
  }

  /** Two fingers: their middle pans, their distance zooms. */
  function pinch(moving, place) {
    const before = held.get(moving);
    const [, other] = [...held].find(([pointer]) => pointer !== moving);
    const middle = [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2];
    viewer.pan(
      pane,
      minus(place, before).map((pixels) => pixels / 2),
    );
    viewer.zoomBy(Math.hypot(...minus(place, other)) / Math.max(1, Math.hypot(...minus(before, other))), pane, middle);
  }

  function finish(ending) {
    ending?.tool.end?.(viewer);
    return null;
  }

  function up(event) {
    held.delete(event.pointerId);
    drag = finish(drag);
  }

  let turned = 0;
  function wheel(event) {
    if (!viewer.takesGestures) return;
    event.preventDefault();
    viewer.activate(pane);
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * NOTCH;
    if (event.ctrlKey) {
      viewer.zoomBy(Math.exp(-pixels / 400), pane, placeOf(event, pane));
      return;
    }
    turned = Math.abs(pixels) >= NOTCH ? Math.sign(pixels) * NOTCH : turned + pixels; // one notch, one slice
    const slices = Math.trunc(turned / NOTCH);
    turned -= slices * NOTCH;
    if (slices) viewer.goTo(pane, pane.index - slices);
  }

  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => {
    pane.pointer = null;
    viewer.redraw();
  });
  canvas.addEventListener("click", () => viewer.takesGestures || viewer.activate(pane, true));
  canvas.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("dblclick", () => viewer.enlarge(pane.name, pane.side));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
}
