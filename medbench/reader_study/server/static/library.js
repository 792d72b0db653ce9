/** The volumes of the trial in view, and of the next one, which is fetched while this one is read. */

import { fill } from "/viewer/stream.js";
import { Volume } from "/viewer/volume.js";

const MOST_BYTES = 640 * 2 ** 20; // of voxels in this window; what is in view is fetched however large it is

export class Library {
  /**
   * @param {import("./client.js").Client} client
   * @param {{shape: number[], spacing: number[]}} grid of every case
   * @param {object} tell
   * @param {() => void} tell.arrived more slices are there
   * @param {(message: string) => void} tell.problem a case that cannot be shown
   */
  constructor(client, grid, tell) {
    this.client = client;
    this.grid = grid;
    this.tell = tell;
    this.shelf = new Map(); // case -> {volume, done, stop}
  }

  /**
   * Fetch the cases of a trial, then those of the next one; whatever else is held is let go.
   *
   * @param {string[]} cases in view
   * @param {string[]} next
   * @param {() => number} focus the axial slice that is looked at
   * @returns {Volume[]} of the cases in view, filling
   */
  open(cases, next, focus) {
    this.focus = focus;
    this.shown = new Set(cases);
    for (const [name, { stop }] of this.shelf) {
      if (this.shown.has(name) || next.includes(name)) continue;
      stop.abort();
      this.shelf.delete(name);
    }
    const shelved = cases.map((name) => this.#fetch(name));
    this.#fetchLater(next, shelved);
    return shelved.map(({ volume }) => volume);
  }

  async #fetchLater(next, shelved) {
    const shown = this.shown;
    await Promise.allSettled(shelved.map(({ done }) => done));
    for (const name of next) {
      if (this.shown !== shown || this.#bytes(1) > MOST_BYTES) return;
      await this.#fetch(name).done.catch(() => {});
    }
  }

  #bytes(more) {
    return (this.shelf.size + more) * this.grid.shape.reduce((a, b) => a * b) * 2;
  }

  #fetch(name) {
    if (this.shelf.has(name)) return this.shelf.get(name);
    const volume = new Volume(this.grid);
    const stop = new AbortController();
    const done = fill(volume, {
      load: (first, count) => this.client.slices(name, first, count, stop.signal),
      focus: () => (this.shown.has(name) ? this.focus() : (volume.shape[2] - 1) / 2),
      arrived: () => this.shown.has(name) && this.tell.arrived(),
    });
    done.catch((error) => {
      if (stop.signal.aborted) return;
      this.shelf.delete(name);
      if (this.shown.has(name)) this.tell.problem(error.message);
    });
    this.shelf.set(name, { volume, done, stop });
    return this.shelf.get(name);
  }
}
