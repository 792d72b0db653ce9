/** The desk: the pictures of a trial with the form beside them, and the way from trial to trial. */

import { viewerBindings } from "/viewer/bindings.js";
import { element } from "/viewer/element.js";
import { listenToKeys } from "/viewer/keyboard.js";
import { Viewer } from "/viewer/viewer.js";
import { Form } from "./form.js";
import { Header, answered, noun } from "./header.js";
import { Library } from "./library.js";
import { Outbox } from "./outbox.js";
import { casesDialog, keysDialog } from "./screens.js";

const BEAT = 5000; // ms between signs of life

export class Desk {
  /**
   * @param {object} study as the server told it; its trials are kept up to date here
   * @param {import("./client.js").Client} client
   * @param {() => void} finish every trial has its answers
   */
  constructor(study, client, finish) {
    this.study = study;
    this.client = client;
    this.finish = finish;
    this.trials = new Map(study.trials.map((trial) => [trial.id, trial]));
    this.form = new Form(study, {
      answer: (criterion, value) => this.#change({ answers: { [criterion]: value } }),
      comment: (comment) => this.#change({ comment }),
      leave: () => this.viewer.activate(this.viewer.active, true),
    });
    this.header = new Header(study, { keys: () => this.keys.showModal(), cases: () => this.#showCases() });
    this.outbox = new Outbox(client, `${study.study} ${study.reader}`, {
      kept: (trial, kept) => this.#kept(this.trials.get(trial), kept),
      state: (state) => this.header.tell(state),
    });
    this.library = new Library(client, study, {
      arrived: () => this.viewer.redraw(),
      problem: (message) => this.#say(message),
    });
    this.#build();
  }

  #build() {
    const pictures = element("section", { class: "pictures", "aria-label": "Pictures" });
    const titles = this.study.design === "2afc" ? ["Left", "Right"] : [""];
    this.viewer = new Viewer(pictures, { titles, windows: this.study.windows });
    this.notice = element("p", { class: "notice", role: "alert", hidden: true });
    this.next = element("button", { type: "button", class: "primary", onclick: () => this.onward() });
    const previous = element(
      "button",
      { type: "button", class: "plain", onclick: () => this.step(-1) },
      "Previous ",
      element("kbd", {}, "P"),
    );
    const panel = element(
      "section",
      { class: "panel", "aria-label": "Your answers" },
      this.form.root,
      element("div", { class: "panel-foot" }, this.notice, previous, this.next),
    );
    const bindings = [...this.#bindings(), ...viewerBindings(this.viewer, "hnp")];
    this.keys = keysDialog(bindings);
    this.cases = casesDialog(this.study, (trial) => this.show(trial));
    this.root = element("div", { class: `desk ${this.study.design === "2afc" ? "pairs" : "single"}` });
    this.root.append(this.header.root, pictures, panel, this.keys, this.cases);
    listenToKeys(document, bindings, () => this.root.isConnected);
    document.addEventListener("visibilitychange", () => this.#beat());
    window.addEventListener("beforeunload", (event) => {
      this.form.flush();
      if (this.outbox.waiting.size > 0) event.preventDefault();
    });
    setInterval(() => this.#beat(), BEAT);
  }

  #bindings() {
    const group = "Answers";
    const most = Math.min(9, Math.max(...this.study.criteria.map(({ options }) => options.length)));
    const digits = Array.from({ length: most }, (_, place) => String(place + 1));
    return [
      { group, keys: digits, does: "answer the open question", run: (key) => this.form.press(Number(key)) },
      ...(this.study.criteria.length > 1
        ? [{ group, keys: ["Backspace"], does: "question before", run: () => this.form.back() }]
        : []),
      { group, keys: ["Enter", "n"], does: `next ${noun(this.study)}`, run: () => this.onward() },
      { group, keys: ["p"], does: `previous ${noun(this.study)}`, run: () => this.step(-1) },
      {
        group,
        keys: ["h", "?"],
        does: "this list",
        run: () => (this.keys.open ? this.keys.close() : this.keys.showModal()),
      },
    ];
  }

  /** Show a trial. */
  show(trial) {
    this.form.flush();
    this.trial = trial;
    const place = this.study.trials.indexOf(trial);
    const following = this.study.trials[place + 1]?.cases ?? [];
    this.viewer.show([]); // in the middle again, where the first slices are fetched
    const focus = () => this.viewer.state.point[2] * this.study.shape[2];
    this.viewer.show(this.library.open(trial.cases, following, focus));
    this.header.show(trial);
    this.form.show(trial);
    this.next.replaceChildren(
      place + 1 < this.study.trials.length ? `Next ${noun(this.study)} ` : "Finish ",
      element("kbd", {}, "Enter"),
    );
    this.#ready();
    this.viewer.activate(this.viewer.active, true);
    this.#say("");
    if (!trial.training && this.study.trials[place - 1]?.training)
      this.#say("The training is over: from here on, answers count.");
    if (this.stale) this.#say("An answer that could not be sent last time had been replaced by a later one since.");
    this.stale = false;
    this.outbox.beat(trial.id, true);
  }

  /** The first trial that lacks an answer, or null. */
  get unfinished() {
    return this.study.trials.find((trial) => !answered(this.study, trial)) ?? null;
  }

  /** Go on; where answers are missing, say so first, and leave the trial for later when asked again. */
  onward() {
    const missing = this.form.missing;
    if (missing.length > 0 && !this.warned) {
      this.form.open(missing[0]);
      const what = missing.length === 1 ? "One answer is" : `${missing.length} answers are`;
      this.#say(`${what} missing. Go on again to leave this ${noun(this.study)} for later.`);
      this.warned = true;
      return;
    }
    const place = this.study.trials.indexOf(this.trial);
    if (place + 1 < this.study.trials.length) this.step(1);
    else if (this.unfinished && this.unfinished !== this.trial) {
      this.show(this.unfinished);
      this.#say(`Answers are missing here; "All ${noun(this.study)}s" shows where else.`);
    } else if (!this.unfinished) this.#end();
  }

  /** Leave the desk once everything has arrived. */
  async #end() {
    const last = this.trial;
    this.form.flush();
    await this.outbox.emptied();
    if (this.trial === last && !this.unfinished) {
      this.trial = null;
      this.finish();
    }
  }

  /** Go some trials on or back. */
  step(by) {
    const trial = this.study.trials[this.study.trials.indexOf(this.trial) + by];
    if (trial) this.show(trial);
  }

  /** Take up what an earlier window could not send; what was changed since then is void. */
  restore() {
    const left = this.outbox.left().map(([id, change]) => [this.trials.get(id), change]);
    const fresh = left.filter(([trial, change]) => trial && change.seen === trial.version);
    for (const [trial, change] of fresh) this.#apply(trial, change);
    this.stale = left.length > fresh.length;
  }

  #change(change) {
    this.#apply(this.trial, change);
    this.header.show(this.trial);
    this.#ready();
  }

  #apply(trial, { answers = {}, comment = trial.comment }) {
    const changed = comment === trial.comment ? { answers } : { answers, comment };
    trial.answers = { ...trial.answers, ...answers };
    trial.comment = comment;
    this.outbox.put(trial.id, { ...changed, seen: trial.version });
  }

  /** Take over what the server holds; show it where another window changed it. */
  #kept(trial, kept) {
    trial.version = kept.version;
    if (this.outbox.holds(trial.id) || !differs(kept, trial)) return;
    trial.answers = kept.answers;
    trial.comment = kept.comment;
    if (trial !== this.trial) return;
    this.header.show(trial);
    this.form.refresh();
    this.#ready();
    this.#say("Changed in another window of yours: what you see is what was saved last.");
  }

  /** Mark the way on once all is answered. */
  #ready() {
    this.warned = false;
    this.next.classList.toggle("ready", this.form.missing.length === 0);
    if (this.form.missing.length === 0) this.#say("");
  }

  #say(text) {
    this.notice.textContent = text;
    this.notice.hidden = text === "";
  }

  #beat() {
    if (this.trial && document.visibilityState === "visible") this.outbox.beat(this.trial.id);
  }

  #showCases() {
    this.cases.refresh(this.trial);
    this.cases.showModal();
  }
}

function differs(kept, trial) {
  const ids = new Set([...Object.keys(kept.answers), ...Object.keys(trial.answers)]);
  const tidy = (text) => text.trim().split(/\s+/).join(" "); // as the server keeps it
  return tidy(kept.comment) !== tidy(trial.comment) || [...ids].some((id) => kept.answers[id] !== trial.answers[id]);
}
