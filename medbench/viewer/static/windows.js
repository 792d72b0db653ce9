/** Windows: which HU are black, which are white. */

export const WINDOWS = Object.freeze({
  lung: { centre: -600, width: 1500 },
  mediastinum: { centre: 40, width: 400 },
  bone: { centre: 400, width: 1800 },
  vessel: { centre: 200, width: 700 },
  full: { centre: 1000, width: 4000 },
});

const WIDEST = 8000;

/** A window within what int16 CT can show, in whole HU. */
export function bounded({ centre, width }) {
  return {
    centre: Math.round(Math.min(4000, Math.max(-2000, centre))),
    width: Math.round(Math.min(WIDEST, Math.max(1, width))),
  };
}

/** The grey (RGBA, opaque) of each int16 value from -32768 on: linear between the window's ends. */
export function greys({ centre, width }, table = new Uint32Array(65536)) {
  const low = centre - width / 2;
  const step = 255 / width;
  for (let place = 0; place < 65536; place += 1) {
    const level = (place - 32768 - low) * step;
    const grey = level <= 0 ? 0 : level >= 255 ? 255 : Math.round(level);
    table[place] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}

/** A colour (RGBA) for each of 256 label values: hues a golden angle apart, so that neighbours differ. */
export function labelColours() {
  const table = new Uint32Array(256);
  for (let label = 1; label < 256; label += 1) {
    const hue = (label * 137.508) % 360;
    const channel = (offset) => {
      const k = (offset + hue / 30) % 12;
      return Math.round(255 * (0.55 - 0.4 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
    };
    table[label] = 0xff000000 | (channel(4) << 16) | (channel(8) << 8) | channel(0);
  }
  return table;
}
