/** The reader's page, from the link to the last case. */

import { Client, Refused, patience, pause } from "./client.js";
import { Desk } from "./desk.js";
import { failed, finished, welcome } from "./screens.js";

const page = document.getElementById("page");

/** Ask for the study until the server is there. */
async function opened(client) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await client.study();
    } catch (error) {
      if (error instanceof Refused) throw error;
      page.replaceChildren(failed(`${error.message} Trying again …`));
      await pause(patience(tries));
    }
  }
}

async function start() {
  const client = new Client(location.hash.slice(1));
  const study = await opened(client);
  document.title = `${study.title} · ${study.reader}`;
  const show = (screen) => {
    page.replaceChildren(screen);
    screen.querySelector(".primary")?.focus();
  };
  const read = (trial) => {
    page.replaceChildren(desk.root);
    desk.show(trial);
  };
  const desk = new Desk(study, client, () => show(finished(study, () => read(study.trials[0]))));
  desk.restore();
  const first = desk.unfinished ?? study.trials[0];
  desk.library.open([], first.cases, () => 0); // while the reader reads what is asked
  show(welcome(study, () => read(first)));
}

window.addEventListener("hashchange", () => location.reload());
start().catch((error) => page.replaceChildren(failed(error.message)));
