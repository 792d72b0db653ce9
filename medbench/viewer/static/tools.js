/** What dragging on a picture does. Each tool gets the pane, where the pointer is, and how far it moved (CSS pixels). */

import { bounded } from "./windows.js";

const PIXELS_A_SLICE = 6;
const ZOOM_A_PIXEL = 1.008;

export const TOOLS = Object.freeze({
  crosshair: {
    title: "Crosshair",
    icon: "M8 1v5M8 10v5M1 8h5M10 8h5",
    start: (viewer, pane, { place }) => viewer.pointTo(pane.pointAt(place)),
    move: (viewer, pane, { place }) => viewer.pointTo(pane.pointAt(place)),
  },
  scroll: {
    title: "Scroll",
    icon: "M3 5l5-3 5 3-5 3zM3 8l5 3 5-3M3 11l5 3 5-3",
    start: (viewer, pane, drag) => {
      drag.first = pane.index;
    },
    move: (viewer, pane, { first, whole }) => viewer.goTo(pane, first - Math.round(whole[1] / PIXELS_A_SLICE)),
  },
  window: {
    title: "Window",
    icon: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12M10 5h2M10 8h3.5M10 11h2",
    start: (viewer, pane, drag) => {
      drag.first = viewer.state.window;
    },
    move: (viewer, pane, { first, whole }) => {
      const step = Math.max(0.5, first.width / 300); // HU a pixel: fine in narrow windows
      viewer.change({
        window: bounded({ centre: first.centre + whole[1] * step, width: first.width + whole[0] * step }),
      });
    },
  },
  pan: {
    title: "Pan",
    icon: "M8 1v14M1 8h14M6 3l2-2 2 2M6 13l2 2 2-2M3 6l-2 2 2 2M13 6l2 2-2 2",
    move: (viewer, pane, { step }) => viewer.pan(pane, step),
  },
  zoom: {
    title: "Zoom",
    icon: "M7 2a5 5 0 1 0 0 10a5 5 0 0 0 0-10M11 11l4 4M5 7h4M7 5v4",
    start: (viewer, pane, drag) => {
      drag.about = drag.place;
    },
    move: (viewer, pane, { about, step }) => viewer.zoomBy(ZOOM_A_PIXEL ** -step[1], pane, about),
  },
  ruler: {
    title: "Ruler",
    icon: "M1 11l10-10 4 4-10 10zM4 8l1.5 1.5M6.5 5.5L8 7M9 3l1.5 1.5",
    start: (viewer, pane, { place }) => viewer.startRuler(pane, pane.pointAt(place)),
    move: (viewer, pane, { place }) => viewer.stretchRuler(pane.pointAt(place)),
    end: (viewer) => viewer.endRuler(),
  },
});
