/** Volumes of the server of `medbench view`, slice by slice. */

import { fill } from "./stream.js";
import { Volume } from "./volume.js";

/**
 * @typedef {object} Listed
 * @property {string} name
 * @property {string|null} beside the name of the volume that belongs beside it
 * @property {string} relation why that one
 * @property {boolean} labels whether it has a label map
 */

const MOST_BYTES = 1.5 * 2 ** 30; // of voxels that are kept; what is in view is kept however large it is

export class Remote {
  /** @param {string} token */
  constructor(token) {
    this.headers = { Authorization: `Bearer ${token}` };
    this.kept = new Map(); // volumes by their places, the one that was asked for last at the end
  }

  async #get(address) {
    const answer = await fetch(`/api/volumes${address}`, { headers: this.headers });
    if (!answer.ok) throw new Error((await answer.json()).error);
    return answer;
  }

  /** @returns {Promise<Listed[]>} */
  async list() {
    this.listed = await (await this.#get("")).json();
    return this.listed;
  }

  /** A volume whose slices may still be on their way. */
  async volume(place) {
    const known = this.kept.get(place);
    this.kept.delete(place);
    const volume = known ?? (await this.#open(place));
    this.kept.set(place, volume);
    this.#forget();
    return volume;
  }

  async #open(place) {
    const { name } = this.listed[place];
    const { problem = "", ...grid } = await (await this.#get(`/${place}`)).json();
    const volume = new Volume({ ...grid, name });
    return Object.assign(volume, { place, problem, labelled: this.listed[place].labels && problem === "" });
  }

  #forget() {
    const bytes = () => [...this.kept.values()].reduce((sum, { voxels }) => sum + voxels.byteLength, 0);
    while (this.kept.size > 2 && bytes() > MOST_BYTES) this.kept.delete(this.kept.keys().next().value);
  }

  /**
   * Fetch what is missing of a volume, once: its slices, those that are looked at first, then its labels.
   *
   * @param {Volume} volume
   * @param {{focus: () => number, arrived: () => void}} options as of `fill`
   */
  async fill(volume, { focus, arrived }) {
    volume.filling ??= this.#fill(volume).catch((error) => {
      volume.filling = undefined; // the next look tries again
      throw error;
    });
    volume.focus = focus;
    volume.told = arrived;
    await volume.filling;
  }

  async #fill(volume) {
    const load = async (first, count) =>
      (await this.#get(`/${volume.place}/slices/${first}/${count}`)).arrayBuffer();
    await fill(volume, { load, focus: () => volume.focus?.() ?? 0, arrived: () => volume.told?.() });
    if (!volume.labelled) return;
    volume.labels = new Uint8Array(await (await this.#get(`/${volume.place}/labels`)).arrayBuffer());
    volume.revision += 1;
    volume.told?.();
  }
}
