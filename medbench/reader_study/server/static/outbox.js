/**
 * Answers on their way to the server. What has not arrived stays here, is tried again, and outlives a closed browser;
 * what another window of the same reader changed comes back with the answers to our own changes.
 */

import { Refused, patience, pause } from "./client.js";

const FINAL = new Set([400, 404, 413, 422]); // the server will never take this; anything else is tried again

/** A later change over an earlier one of the same trial; both rest on the version that the earlier one knew. */
function merged(earlier, later) {
  return {
    ...earlier,
    ...later,
    answers: { ...earlier?.answers, ...later?.answers },
    seen: earlier?.seen ?? later?.seen,
  };
}

export class Outbox {
  /**
   * @param {import("./client.js").Client} client
   * @param {string} name of the study and reader, under which the browser keeps what waits
   * @param {object} tell
   * @param {(trial: string, kept: object) => void} tell.kept what the server holds now
   * @param {(state: {waiting: number, problem: string}) => void} tell.state
   */
  constructor(client, name, tell) {
    this.client = client;
    this.tell = tell;
    this.prefix = `medbench ${name} `;
    this.key = this.prefix + Math.random().toString(36).slice(2); // two windows keep apart what waits
    this.waiting = new Map(); // trial -> change
    this.sending = null; // [trial, change]
    this.due = null; // {trial, opens}: a sign of life to send
    this.problem = "";
  }

  /** Whether changes of a trial are still under way. */
  holds(trial) {
    return this.waiting.has(trial) || this.sending?.[0] === trial;
  }

  /** Wait until everything has arrived. */
  async emptied() {
    while (this.waiting.size > 0 || this.sending) await pause(50);
  }

  /** Send a change of a trial: `answers`, `comment`; `seen` is the version that it changes. */
  put(trial, change) {
    this.waiting.set(trial, merged(this.waiting.get(trial), change));
    this.#store();
    this.#report(); // at once: a sign of life may be under way, and "Saved" must not stand until it has come back
    this.#pump();
  }

  /** Tell the server that a trial has come into view (`opens`) or still is, and hear what it holds of it. */
  beat(trial, opens = false) {
    this.due = { trial, opens: opens || (this.due?.trial === trial && this.due.opens) };
    this.#pump();
  }

  /**
   * Take what earlier windows could not send; it is forgotten here, so it must be put again or given up.
   *
   * @returns {[string, object][]} trials and their changes
   */
  left() {
    const found = [];
    for (const key of storedKeys(this.prefix)) {
      found.push(...Object.entries(JSON.parse(localStorage.getItem(key)) ?? {}));
      localStorage.removeItem(key);
    }
    return found;
  }

  async #pump() {
    if (this.running) return;
    this.running = true;
    for (let tries = 0; this.waiting.size > 0 || this.due;) {
      this.#report();
      const failed = this.waiting.size > 0 ? await this.#send() : await this.#sendBeat();
      tries = failed ? tries + 1 : 0;
      if (failed) await pause(patience(tries));
    }
    this.running = false;
    this.#report();
  }

  /** Send one change; return whether it must be tried again. */
  async #send() {
    const [trial, change] = this.waiting.entries().next().value;
    this.waiting.delete(trial);
    this.sending = [trial, change];
    try {
      const { seen, ...body } = change;
      this.#arrived(trial, await this.client.save(trial, body));
      return false;
    } catch (error) {
      this.sending = null;
      this.problem = error.message;
      if (error instanceof Refused && FINAL.has(error.status)) return false;
      this.waiting.set(trial, merged(change, this.waiting.get(trial)));
      return true;
    } finally {
      this.#store();
    }
  }

  async #sendBeat() {
    const { trial, opens } = this.due;
    this.due = null;
    try {
      const kept = await (opens ? this.client.open(trial) : this.client.save(trial, {}));
      if (!this.waiting.has(trial)) this.#arrived(trial, kept);
    } catch (error) {
      this.problem = error.message;
    }
    return false;
  }

  #arrived(trial, kept) {
    this.sending = null;
    this.problem = "";
    const later = this.waiting.get(trial);
    if (later) later.seen = kept.version;
    this.tell.kept(trial, kept);
  }

  #report() {
    this.tell.state({ waiting: this.waiting.size + (this.sending ? 1 : 0), problem: this.problem });
  }

  /** Keep what waits in the browser, too. */
  #store() {
    const changes = Object.fromEntries(this.waiting);
    if (this.sending) changes[this.sending[0]] = merged(this.sending[1], this.waiting.get(this.sending[0]));
    try {
      if (Object.keys(changes).length > 0) localStorage.setItem(this.key, JSON.stringify(changes));
      else localStorage.removeItem(this.key);
    } catch {
      // A browser without storage, or a full one: what waits is kept in this window.
    }
  }
}

function storedKeys(prefix) {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix));
  } catch {
    return [];
  }
}
