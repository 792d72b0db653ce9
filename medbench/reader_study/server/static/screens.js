/** What comes before the first case and after the last, and the dialogs between. */

import { element } from "/viewer/element.js";
import { keyList } from "/viewer/keyboard.js";
import { answered, noun } from "./header.js";

/** The page that the link leads to. */
export function welcome(study, begin) {
  const counted = study.trials.filter(({ training }) => !training);
  const training = study.trials.length - counted.length;
  const done = counted.filter((trial) => answered(study, trial)).length;
  const started = study.trials.some(({ answers }) => Object.keys(answers).length > 0);
  const what = study.design === "2afc" ? "pairs of CT volumes, side by side" : "CT volumes, one after another";
  const button = element("button", { type: "button", class: "primary", onclick: begin });
  button.textContent = started
    ? `Go on (${done} of ${counted.length} done)`
    : training
      ? "Begin with the training"
      : "Begin";
  return element(
    "div",
    { class: "sheet" },
    element("p", { class: "eyebrow" }, `Reader study · ${study.reader}`),
    element("h1", {}, study.title),
    element(
      "p",
      {},
      `You will see ${counted.length} ${what}, in an order of your own. `,
      training
        ? `${training === 1 ? `A training ${noun(study)} comes` : `${training} training ${noun(study)}s come`} first; what you answer there is not scored. `
        : "",
      "Every answer is saved at once: close the page whenever you like, and come back by the same link.",
    ),
    element("h2", {}, study.criteria.length === 1 ? "The question" : "The questions"),
    ...study.criteria.map(({ question, options }) =>
      element(
        "section",
        { class: "asked" },
        element("h3", {}, question),
        element("ol", {}, ...options.map(({ text }) => element("li", {}, text))),
      ),
    ),
    element(
      "p",
      { class: "quiet" },
      "A dim room and a calibrated display help. The key H lists all keys; a mouse or fingers do as well.",
    ),
    button,
  );
}

/** The page after the last case. */
export function finished(study, back) {
  return element(
    "div",
    { class: "sheet" },
    element("p", { class: "eyebrow" }, `Reader study · ${study.reader}`),
    element("h1", {}, "All done. Thank you."),
    element("p", {}, `Every ${noun(study)} has all its answers, and all are saved. You can close this page.`),
    element("button", { type: "button", class: "primary", onclick: back }, "Look at an answer again"),
  );
}

/** A page that says why there is nothing to read. */
export function failed(message) {
  return element(
    "div",
    { class: "sheet" },
    element("h1", {}, "The study cannot be opened"),
    element("p", { role: "alert" }, message),
  );
}

function dialog(title, ...content) {
  const made = element(
    "dialog",
    { "aria-label": title, class: "dialog" },
    element(
      "div",
      { class: "dialog-head" },
      element("h2", {}, title),
      element(
        "button",
        { type: "button", class: "plain", onclick: () => made.close() },
        "Close ",
        element("kbd", {}, "Esc"),
      ),
    ),
    ...content,
  );
  return made;
}

/** The list of keys. */
export function keysDialog(bindings) {
  return dialog("Keys", keyList(bindings));
}

/** Every trial by its place, with what is missing; pressing one shows it. */
export function casesDialog(study, go) {
  const buttons = study.trials.map((trial) =>
    element("button", {
      type: "button",
      onclick: () => {
        made.close();
        go(trial);
      },
    }),
  );
  const made = dialog(`All ${noun(study)}s`, element("div", { class: "cases" }, ...buttons));
  return Object.assign(made, {
    /** @param {object} shown the trial in view */
    refresh(shown) {
      let [training, counted] = [0, 0];
      study.trials.forEach((trial, place) => {
        const name = trial.training ? `T${(training += 1)}` : String((counted += 1));
        const begun = Object.keys(trial.answers).length > 0;
        const state = answered(study, trial) ? "done" : begun ? "begun" : "open";
        buttons[place].textContent = name;
        buttons[place].dataset.state = state;
        buttons[place].setAttribute("aria-label", `${noun(study)} ${name}, ${state}`);
        buttons[place].setAttribute("aria-current", String(trial === shown));
      });
    },
  });
}
