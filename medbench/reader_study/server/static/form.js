/** The questions of a trial. One is open at a time; an answer by key or pointer opens the next. */

import { element } from "/viewer/element.js";

const TYPING = 600; // ms without a key before a comment is sent

export class Form {
  /**
   * @param {{criteria: object[], comments: boolean}} study
   * @param {object} tell
   * @param {(criterion: string, value: string) => void} tell.answer
   * @param {(text: string) => void} tell.comment
   * @param {() => void} tell.leave the keys belong to the pictures again
   */
  constructor({ criteria, comments }, tell) {
    this.tell = tell;
    this.questions = criteria.map((criterion) => new Question(criterion, this));
    this.root = element("form", { class: "form", onsubmit: (event) => event.preventDefault() });
    this.root.append(...this.questions.map(({ root }) => root));
    this.comment = element("textarea", {
      id: "comment",
      rows: 2,
      maxlength: 2000,
      oninput: () => this.#typed(),
      onblur: () => this.flush(),
    });
    if (comments) {
      this.root.append(
        element("label", { class: "comment-label", for: "comment" }, "Comment (optional)"),
        this.comment,
      );
    }
  }

  /** Show a trial's answers. */
  show(trial) {
    this.trial = trial;
    this.refresh();
    this.open(this.missing[0] ?? null);
  }

  /** Show the answers as they are now; the open question stays. */
  refresh() {
    for (const question of this.questions) question.show(this.trial.answers[question.id]);
    if (document.activeElement !== this.comment) this.comment.value = this.trial.comment;
  }

  /** The questions without an answer. */
  get missing() {
    return this.questions.filter(({ id }) => this.trial.answers[id] === undefined);
  }

  /** Open one question, or none. @param {boolean} pointed with a pointer, so that keys belong to the pictures */
  open(question, pointed = false) {
    this.current = question;
    if (pointed) this.tell.leave();
    for (const other of this.questions) other.expand(other === question || this.questions.length === 1);
  }

  /** Answer the open question by the place (from 1) of an option. */
  press(place) {
    const question = this.current ?? (this.questions.length === 1 ? this.questions[0] : null);
    const option = question?.options[place - 1];
    if (option) this.answer(question, option.value, true);
  }

  /** Open the question before the open one, or the last. */
  back() {
    const place = this.current ? this.questions.indexOf(this.current) : this.questions.length;
    this.open(this.questions[Math.max(0, place - 1)]);
  }

  /** Keep an answer. @param {boolean} onward open the next question without an answer */
  answer(question, value, onward) {
    this.tell.answer(question.id, value);
    this.refresh();
    if (!onward) return;
    const missing = this.missing;
    const place = this.questions.indexOf(question);
    this.open(missing.find((other) => this.questions.indexOf(other) > place) ?? missing[0] ?? null);
    this.current?.root.scrollIntoView({ block: "nearest" });
    if (this.root.contains(document.activeElement)) this.tell.leave(); // an arrow must not change what was just answered
  }

  #typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), TYPING);
  }

  /** Send the comment now, if it has changed. */
  flush() {
    clearTimeout(this.timer);
    if (this.trial && this.comment.value !== this.trial.comment) this.tell.comment(this.comment.value);
  }
}

/** One criterion: its words, its options, and the answer beside the words while it is closed. */
class Question {
  constructor({ id, question, options }, form) {
    this.id = id;
    this.options = options;
    this.chosen = element("span", { class: "chosen" });
    this.head = element(
      "button",
      {
        type: "button",
        class: "question-head",
        "aria-controls": `options-${id}`,
        onclick: (event) => form.open(this, event.detail > 0),
      },
      element("span", {}, question),
      this.chosen,
    );
    this.radios = options.map(({ value }) =>
      element("input", {
        type: "radio",
        name: id,
        value,
        onclick: (event) => form.answer(this, value, event.detail > 0),
      }),
    );
    this.body = element(
      "div",
      { class: "options", id: `options-${id}`, role: "radiogroup", "aria-label": question },
      ...options.map(({ text }, place) =>
        element(
          "label",
          { class: "option" },
          this.radios[place],
          element("kbd", { "aria-hidden": true }, String(place + 1)),
          element("span", {}, text),
        ),
      ),
    );
    this.root = element("section", { class: "question", "data-criterion": id }, this.head, this.body);
  }

  show(answer) {
    const place = this.options.findIndex(({ value }) => value === answer);
    this.radios.forEach((radio, other) => {
      radio.checked = other === place;
    });
    this.root.classList.toggle("answered", place >= 0);
    this.chosen.textContent = place < 0 ? "" : `${place + 1} · ${this.options[place].text}`;
  }

  expand(open) {
    this.head.setAttribute("aria-expanded", String(open));
    this.root.classList.toggle("open", open);
    this.body.hidden = !open;
  }
}
