"use strict";
// Sorts, filters and opens the rows of a board. The tables are whole without it; names enter the page as text alone.
(() => {
  const tracks = JSON.parse(document.getElementById("data").textContent);
  const controls = document.querySelector(".controls");
  const dialog = document.querySelector("dialog");
  const rows = [...document.querySelectorAll("tr[data-run]")];

  const make = (tag, text, parent) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  };
  const trackOf = (row) => tracks[row.closest("section").dataset.track];
  const runOf = (row) => trackOf(row).runs[row.dataset.run];
  const cellsOf = (row) => [...row.cells].slice(3, 3 + trackOf(row).contests.length);

  // Sorting: rows without a value stay last, whichever way.
  const sort = (heading) => {
    const column = heading.cellIndex;
    const body = heading.closest("table").tBodies[0];
    const down = heading.ariaSort === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.ariaSort = down ? "descending" : "ascending";
    const keyOf = (row) => row.cells[column].dataset.v;
    const compare = heading.dataset.sort === "text" ? (a, b) => a.localeCompare(b) : (a, b) => a - b;
    const ordered = [...body.rows].sort((a, b) => {
      const [x, y] = [keyOf(a), keyOf(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return down ? compare(y, x) : compare(x, y);
    });
    body.append(...ordered);
  };
  for (const heading of document.querySelectorAll("th[data-sort]")) {
    const place = heading.querySelector(".sort");
    const button = make("button", place.textContent);
    button.type = "button";
    button.addEventListener("click", () => sort(heading));
    place.replaceChildren(button);
  }

  // Filtering: by text, budget and leaks, over all tracks at once.
  const filter = () => {
    const words = controls.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of rows) {
      const text = `${trackOf(row).track} ${row.querySelector("th").textContent}`.toLowerCase();
      const hidden = !words.every((word) => text.includes(word))
        || (controls.budget.checked && row.dataset.over === "1")
        || (controls.leaks.checked && row.dataset.leak !== "0");
      row.hidden = hidden;
      found += !hidden;
    }
    for (const section of document.querySelectorAll("section.track")) {
      section.hidden = !section.querySelector("tr[data-run]:not([hidden])");
    }
    controls.found.value = found === rows.length ? "" : `${found} of ${rows.length} runs`;
  };
  controls.addEventListener("input", filter);
  controls.addEventListener("submit", (event) => event.preventDefault());

  const show = (title, ...parts) => {
    document.getElementById("opened").textContent = title;
    dialog.querySelector(".content").replaceChildren(...parts);
    dialog.showModal();
    dialog.scrollTop = 0;
  };
  const picture = (run) => {
    if (!run.montage) return make("p", "no montage is kept of this run");
    const image = make("img");
    image.src = run.montage;
    image.alt = `Centre slices of real volumes beside samples of ${run.name}`;
    return image;
  };
  const facts = (run) => {
    const list = make("dl");
    for (const [name, value] of run.facts) {
      make("dt", name, list);
      make("dd", value, list);
    }
    return list;
  };
  const leaks = (run) => run.leaks.map((leak) => make("p", `Leak: ${leak}`));
  const report = (run) => {
    const line = make("p");
    if (run.report) {
      const link = make("a", "The run's report", line);
      link.href = run.report;
    } else {
      line.textContent = "The run's report does not lie on the machine that made this page.";
    }
    return line;
  };

  // A run: picture, provenance, report, and the protocol behind each of its numbers.
  const open = (row) => {
    const run = runOf(row);
    const parts = [picture(run), report(run), ...leaks(run), facts(run), make("h3", "How it was measured")];
    trackOf(row).contests.forEach((contest, place) => {
      if (cellsOf(row)[place].dataset.v === undefined) return;
      const details = make("details");
      make("summary", `${contest.metric} (${contest.fingerprint})`, details);
      make("p", contest.protocol.join(" "), make("div", undefined, details));
      parts.push(details);
    });
    show(run.name, ...parts);
  };
  for (const row of rows) {
    const place = row.querySelector(".open");
    const button = make("button", place.textContent);
    button.type = "button";
    button.addEventListener("click", () => open(row));
    place.replaceChildren(button);
  }

  // Two runs of one track side by side; a bit of "beats" says whether a difference is beyond chance.
  const bits = new Map();
  const beats = (contest, a, b) => {
    if (!bits.has(contest)) bits.set(contest, Uint8Array.from(atob(contest.beats), (sign) => sign.charCodeAt(0)));
    const [x, y] = [contest.ranked.indexOf(a), contest.ranked.indexOf(b)];
    if (x < 0 || y < 0) return null;
    return Boolean((bits.get(contest)[x * contest.width + (y >> 3)] >> (7 - (y & 7))) & 1);
  };
  const beside = (pair) => {
    const [a, b] = pair.map(runOf);
    const table = make("table");
    const head = make("tr", undefined, make("thead", undefined, table));
    for (const text of ["", a.name, b.name, "Difference"]) make("th", text, head).scope = "col";
    head.cells[0].replaceWith(make("td"));
    const body = make("tbody", undefined, table);
    const line = (title, left, right, verdict) => {
      const row = make("tr", undefined, body);
      make("th", title, row).scope = "row";
      for (const part of [left, right]) make("td", undefined, row).append(...part);
      make("td", verdict, row);
      return row;
    };
    line("Montage", [picture(a)], [picture(b)], "");
    trackOf(pair[0]).contests.forEach((contest, place) => {
      const [left, right] = pair.map((row) => cellsOf(row)[place].cloneNode(true));
      const wins = beats(contest, a.id, b.id), loses = beats(contest, b.id, a.id);
      const verdict = wins === null ? "not compared" : wins ? `${a.name} is better` : loses ? `${b.name} is better` : "tie";
      const row = line(left.dataset.label, left.childNodes, right.childNodes, verdict);
      if (wins || loses) row.cells[wins ? 1 : 2].className = "better";
    });
    line("Leaks", leaks(a), leaks(b), "");
    line("Provenance", [facts(a)], [facts(b)], "");
    line("Report", [report(a)], [report(b)], "");
    show("Side by side", table, make("p", "Better means: beyond chance, by the tests of the whole table; else it is a tie."));
  };
  const chosen = [];
  const choose = (row, box) => {
    if (box.checked) {
      for (const other of [...chosen]) if (trackOf(other) !== trackOf(row)) drop(other);
      chosen.push(row);
      if (chosen.length > 2) drop(chosen[0]);
    } else {
      drop(row);
    }
    controls.beside.disabled = chosen.length !== 2;
  };
  const drop = (row) => {
    chosen.splice(chosen.indexOf(row), 1);
    row.querySelector(".pick input").checked = false;
  };
  for (const row of rows) {
    const box = make("input", undefined, row.querySelector(".pick"));
    box.type = "checkbox";
    box.ariaLabel = `Choose ${runOf(row).name} ${row.dataset.run}`;
    box.addEventListener("change", () => choose(row, box));
  }
  controls.beside.addEventListener("click", () => beside(chosen));
  controls.hidden = false;
})();
