/** The line above everything: which case, how far, whether all is saved, and the two dialogs. */

import { element } from "/viewer/element.js";

export class Header {
  /**
   * @param {object} study
   * @param {object} press
   * @param {() => void} press.keys
   * @param {() => void} press.cases
   */
  constructor(study, { keys, cases }) {
    this.study = study;
    this.count = study.trials.filter(({ training }) => !training).length;
    this.place = element("h1", { class: "place" });
    this.bar = element("progress", { class: "progress", max: this.count, "aria-label": `${noun(study)}s answered` });
    this.done = element("span", { class: "quiet" });
    this.saved = element("span", { class: "saved", role: "status" });
    this.root = element(
      "header",
      { class: "header" },
      this.place,
      this.bar,
      this.done,
      this.saved,
      element("button", { type: "button", class: "plain", onclick: cases }, `All ${noun(study)}s`),
      element("button", { type: "button", class: "plain", onclick: keys }, "Keys ", element("kbd", {}, "H")),
    );
  }

  /** Show which trial is in view, and how many are answered. */
  show(trial) {
    const counted = this.study.trials.filter(({ training }) => training === trial.training);
    const kind = trial.training ? "Training" : noun(this.study, true);
    this.place.replaceChildren(
      `${kind} ${counted.indexOf(trial) + 1} of ${counted.length}`,
      element("span", { class: "quiet" }, trial.training ? "not scored" : trial.id),
    );
    const done = this.study.trials.filter((other) => !other.training && answered(this.study, other)).length;
    this.bar.value = done;
    this.done.textContent = `${done} of ${this.count} done`;
  }

  /** Say whether everything has arrived. */
  tell({ waiting, problem }) {
    const text = problem
      ? `${waiting ? `Not saved yet (${waiting}). ` : ""}${problem}`
      : waiting
        ? "Saving …"
        : "Saved";
    if (this.saved.textContent !== text) this.saved.textContent = text;
    this.saved.classList.toggle("alarm", problem !== "");
  }
}

/** What a trial is called. */
export function noun(study, capital = false) {
  const word = study.design === "2afc" ? "pair" : "case";
  return capital ? word[0].toUpperCase() + word.slice(1) : word;
}

/** Whether every question of a trial has an answer. */
export function answered(study, trial) {
  return study.criteria.every(({ id }) => trial.answers[id] !== undefined);
}
