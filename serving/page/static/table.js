// The working table: sorts, filters, chooses columns, and keeps no more rows in the page than can be seen, and some.
// Its rows come with the results of a paste, or from the stored result of a job.

const FEW = 100; // so many rows are all in the page
const MARGIN = 15; // rows above and below those that are seen
const FIRST = 12; // columns that are shown until somebody chooses
const PAGE = 2000; // rows of a job that are fetched at a time
const CHOICE = "columns";
const natural = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
const CONDITION = /^(.*?)\s*(<=|>=|<|>|=|≤|≥)\s*([-+\u2212]?[\d.]+)\s*%?$/;

export async function open(panel, page) {
  const $ = (selector) => panel.querySelector(selector);
  const grid = $("#grid");
  const body = grid.tBodies[0];
  const view = $(".scroll");
  const headings = [...grid.tHead.rows[0].cells];
  const columns = headings.filter((heading) => heading.dataset.endpoint);
  const offset = headings.length - columns.length;
  const hidden = new Set(columns.length > FIRST ? columns.slice(FIRST).map((each) => each.dataset.endpoint) : []);
  let rows = [...body.rows].map(ofElement);
  let shown = rows;
  let sorting = { at: 1, down: false };
  let height = 0;
  const added = []; // columns of other scripts, before those of the endpoints

  // Rows ------------------------------------------------------------------------------------------------------------------

  function ofElement(element, index) {
    const cells = [...element.cells];
    const values = headings.map((_, at) => cells[at]?.dataset.value);
    const far = cells.map((cell) => cell.classList.contains("far"));
    const picked = element.querySelector("[name=pick]").checked; // somebody may have been quicker than this script
    const { text, smiles } = element.dataset;
    return { index, text, smiles, title: element.dataset.name || smiles, values, far, bad: values.length > cells.length, element: () => element, picked };
  }

  function ofAnswer(entry, sent) {
    const title = String(sent ?? entry.smiles);
    const values = [undefined, String(entry.index + 1), title];
    const far = [false, false, false];
    for (const { dataset } of columns) {
      const told = entry.endpoints?.[dataset.endpoint];
      values.push(told && String(told.display_value ?? told.value));
      far.push(told?.domain === "outside");
    }
    const row = { index: entry.index, smiles: entry.smiles, title, text: `${title} ${entry.smiles}`.toLowerCase(), values, far, bad: Boolean(entry.error), picked: false };
    let element;
    row.element = () => (element ??= made(entry, row));
    return row;
  }

  function made(entry, row) {
    const { make } = page;
    const box = make("input", { type: "checkbox", name: "pick", value: row.index, "aria-label": `Pick ${row.values[2]}` });
    const tr = make("tr", {}, make("td", { class: "pick" }, box), make("td", { class: "position-cell" }, row.values[1]), make("th", { scope: "row" }, row.values[2]));
    if (entry.error) tr.append(make("td", { colspan: columns.length, class: "not-predicted" }, `Not predicted: ${entry.error.detail}`));
    else
      columns.forEach(({ dataset }, at) => {
        if (dataset.added) return;
        const told = entry.endpoints[dataset.endpoint];
        const value = told ? (told.label !== undefined && told.label !== null ? `${(100 * told.value).toFixed(0)} %` : Number(row.values[offset + at]).toPrecision(3)) : "no number";
        tr.append(make("td", { class: told ? `num${row.far[offset + at] ? " far" : ""}` : "not-predicted" }, value, row.far[offset + at] ? " △" : ""));
      });
    return tr;
  }

  // What is in the page -----------------------------------------------------------------------------------------------------

  const pad = (size, count) => {
    const cell = page.make("td", { colspan: headings.length });
    cell.style.height = `${size * count}px`;
    return page.make("tr", { class: "pad", "aria-hidden": "true" }, cell);
  };

  function dress(row) {
    const element = row.element();
    element.hidden = false;
    const box = element.querySelector("[name=pick]");
    if (box) box.checked = row.picked;
    if (!row.bad) dressAdded(row, element);
    if (!row.bad) columns.forEach(({ dataset }, at) => (element.cells[offset + at].hidden = hidden.has(dataset.endpoint)));
    element.setAttribute("aria-rowindex", row.place + 2);
    return element;
  }

  function render() {
    shown.forEach((row, place) => (row.place = place));
    const all = shown.length <= FEW;
    view.classList.toggle("virtual", !all);
    grid.setAttribute("aria-rowcount", shown.length + 1);
    if (all) return body.replaceChildren(...shown.map(dress));
    if (!height) {
      body.replaceChildren(...shown.slice(0, MARGIN).map(dress)); // the style sheet makes them equally high
      height = body.rows[0].offsetHeight;
    }
    const first = Math.max(0, Math.floor(view.scrollTop / height) - MARGIN);
    const last = Math.min(shown.length, Math.ceil((view.scrollTop + view.clientHeight) / height) + MARGIN);
    const focused = document.activeElement?.closest("#grid tbody tr");
    const part = shown.slice(first, Math.min(last, first + FEW)).map(dress);
    if (focused && !part.includes(focused)) view.focus({ preventScroll: true });
    body.replaceChildren(pad(height, first), ...part, pad(height, shown.length - first - part.length));
  }

  let waiting = false;
  view.addEventListener("scroll", () => {
    if (waiting || shown.length <= FEW) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      render();
    });
  });

  // Sorting and filtering ------------------------------------------------------------------------------------------------------

  function arrange() {
    const { at, down } = sorting;
    const numbers = headings[at].dataset.sort === "number";
    const order = numbers ? (a, b) => a - b : natural;
    const value = (row) => row.values[at];
    const known = shown.filter((row) => value(row) !== undefined);
    known.sort((a, b) => (down ? -1 : 1) * order(value(a), value(b)) || a.index - b.index);
    shown = [...known, ...shown.filter((row) => value(row) === undefined)]; // not predicted: always last
  }

  // A part of the filter: a condition on a column whose title holds the words before it, else a text.
  function test(part) {
    const [, words, sign, number] = part.match(CONDITION) ?? [];
    const at = words && columns.findIndex(({ dataset }) => dataset.title.toLowerCase().includes(words) || dataset.endpoint.includes(words));
    if (!words || at < 0) return (row) => row.text.includes(part);
    const limit = Number(number.replace("\u2212", "-")) / (part.endsWith("%") ? 100 : 1);
    const holds = { "<": (v) => v < limit, ">": (v) => v > limit, "=": (v) => v === limit, "<=": (v) => v <= limit, ">=": (v) => v >= limit };
    const compare = holds[{ "≤": "<=", "≥": ">=" }[sign] ?? sign];
    return (row) => row.values[offset + at] !== undefined && compare(Number(row.values[offset + at]));
  }

  function update() {
    const tests = $("#filter").value.toLowerCase().split(",").map((part) => part.trim()).filter(Boolean).map(test);
    const chosen = columns.map(({ dataset }, at) => (hidden.has(dataset.endpoint) ? -1 : offset + at)).filter((at) => at >= 0);
    if ($("#familiar").checked) tests.push((row) => !row.bad && chosen.every((at) => !row.far[at]));
    shown = tests.length ? rows.filter((row) => tests.every((holds) => holds(row))) : [...rows];
    arrange();
    render();
    $("#count").textContent = shown.length === rows.length ? "" : `${shown.length} of ${rows.length} shown`;
    label();
  }

  function label() {
    const picked = rows.filter((row) => row.picked).length;
    const count = picked || (shown.length < rows.length ? shown.length : 0);
    if ($("#compare")) $("#compare").textContent = picked ? `Compare ${picked}` : "Compare";
    $("#csv").textContent = count ? `Download CSV of ${count}` : "Download CSV";
  }

  // What is sent: the rows that are picked, else those that the filter leaves, wherever they are.
  $("#picking").addEventListener("submit", (event) => {
    const picked = rows.filter((row) => row.picked);
    const left = picked.length ? picked : shown.length < rows.length ? shown : [];
    const inputs = left.map((row) => page.make("input", { type: "hidden", name: "pick", value: row.index }));
    $("#sent").replaceChildren(...inputs);
    if (!left.length && shown.length < rows.length) event.preventDefault(); // nothing is left: nothing is sent
    for (const box of body.querySelectorAll("[name=pick]")) box.disabled ||= box.dataset.off = true;
    setTimeout(() => body.querySelectorAll("[data-off]").forEach((box) => ((box.disabled = false), delete box.dataset.off)));
  });

  panel.addEventListener("input", (event) => {
    if (event.target.matches("#filter, #familiar")) {
      view.scrollTop = 0;
      update();
    }
    if (event.target.matches("tbody [name=pick]")) {
      const row = shown.find((each) => each.index === Number(event.target.value));
      if (row) row.picked = event.target.checked;
      label();
    }
    if (event.target.matches("#columns input")) choose();
    if (event.target.matches("#find-column"))
      for (const each of $("#columns").children) each.hidden = !each.textContent.toLowerCase().includes(event.target.value.trim().toLowerCase());
  });

  panel.addEventListener("click", (event) => {
    const heading = event.target.closest("th[data-sort] button")?.parentElement;
    if (heading) {
      const at = headings.indexOf(heading);
      sorting = { at, down: heading.getAttribute("aria-sort") === "ascending" };
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
      view.scrollTop = 0;
      arrange();
      render();
    }
    if (event.target.matches("#all-columns, #no-columns")) {
      for (const box of $("#columns").querySelectorAll("label:not([hidden]) input")) box.checked = event.target.id === "all-columns";
      choose();
    }
  });

  // Columns ----------------------------------------------------------------------------------------------------------------------

  function choose() {
    hidden.clear();
    for (const box of $("#columns").querySelectorAll("input")) if (!box.checked) hidden.add(box.value);
    try {
      localStorage.setItem(CHOICE, JSON.stringify([...hidden]));
    } catch {
      // storage may be forbidden; the choice lasts as long as the page
    }
    dressHead();
    update();
  }

  function dressHead() {
    columns.forEach((heading) => (heading.hidden = hidden.has(heading.dataset.endpoint)));
    $("#columns-shown").textContent = `(${columns.length - added.length - hidden.size} of ${columns.length - added.length})`;
  }

  if (columns.length > 1) {
    try {
      const kept = JSON.parse(localStorage.getItem(CHOICE));
      const names = columns.map(({ dataset }) => dataset.endpoint);
      if (kept && names.some((name) => !kept.includes(name))) {
        hidden.clear();
        kept.filter((name) => names.includes(name)).forEach((name) => hidden.add(name));
      }
    } catch {
      // the same
    }
    $("#columns").replaceChildren(
      ...columns.map(({ dataset }) => {
        const box = page.make("input", { type: "checkbox", value: dataset.endpoint });
        box.checked = !hidden.has(dataset.endpoint);
        return page.make("label", { class: "check" }, box, ` ${dataset.title}`);
      }),
    );
    $(".chooser").hidden = false;
  }

  // Columns of other scripts ---------------------------------------------------------------------------------------------------

  function dressAdded(row, element) {
    for (const cell of element.querySelectorAll("[data-added]")) cell.remove();
    added.forEach(({ name, paint }, at) => {
      const cell = page.make("td", { class: "num", "data-added": name });
      element.insertBefore(cell, element.cells[offset + at] ?? null);
      paint(row.index, cell);
    });
  }

  // A column that another script computes: `value(row)` is what it sorts and filters by, `paint(row, cell)` fills a cell.
  function addColumn({ name, title, unit, value, paint }) {
    if (!added.some((each) => each.name === name)) {
      const at = added.push({ name, paint }) - 1 + offset;
      const words = page.make("span", { class: "unit" }, unit);
      const heading = page.make("th", { scope: "col", class: "num", "data-sort": "number", "data-added": name, "data-endpoint": name, "data-title": title }, page.make("button", { type: "button" }, title), words);
      grid.tHead.rows[0].insertBefore(heading, headings[at] ?? null);
      headings.splice(at, 0, heading);
      columns.splice(at - offset, 0, heading);
      for (const row of rows) row.values.splice(at, 0, undefined), row.far.splice(at, 0, false);
      if (sorting.at >= at) sorting.at += 1;
    }
    const at = headings.findIndex((each) => each.dataset.added === name);
    for (const row of rows) row.values[at] = Number.isNaN(value(row.index)) ? undefined : value(row.index);
    update();
  }

  function removeColumn(name) {
    const at = headings.findIndex((each) => each.dataset.added === name);
    if (at < 0) return;
    headings.splice(at, 1)[0].remove();
    columns.splice(at - offset, 1);
    added.splice(added.findIndex((each) => each.name === name), 1);
    for (const row of rows) row.values.splice(at, 1), row.far.splice(at, 1);
    if (sorting.at === at) sorting = { at: 1, down: false };
    else if (sorting.at > at) sorting.at -= 1;
    update();
  }

  // What the workbench sees of the table: rows are their numbers, values are found by the names of endpoints.
  panel.table = {
    count: () => rows.length,
    isBad: (row) => rows[row].bad,
    title: (row) => rows[row].title,
    smiles: (row) => rows[row].smiles,
    picked: () => rows.filter((row) => row.picked).map((row) => row.index),
    pick(chosen) {
      for (const row of rows) row.picked = chosen.has(row.index);
      update();
    },
    shown: () => shown.map((row) => row.index),
    names: () => columns.filter(({ dataset }) => !dataset.added).map(({ dataset }) => dataset.endpoint),
    value: (row, name) => Number(rows[row].values[headings.findIndex((each) => each.dataset.endpoint === name)] ?? NaN),
    isFar: (row, name) => Boolean(rows[row].far[headings.findIndex((each) => each.dataset.endpoint === name)]),
    addColumn,
    removeColumn,
  };

  // A job's rows come page by page; the table can be used from the first on.
  async function load() {
    const total = Number(view.dataset.total);
    for (let start = 0; start < total; start += PAGE) {
      const answer = await fetch(`/v1/jobs/${view.dataset.job}/result?format=ndjson&start=${start}&rows=${PAGE}`);
      if (!answer.ok) throw await page.explained(answer);
      const lines = (await answer.text()).trim().split("\n");
      rows = rows.concat(lines.map((line) => JSON.parse(line)).map((entry, at) => ofAnswer({ ...entry, index: start + at }, entry.columns?.[view.dataset.name] || entry.smiles)));
      update();
    }
    panel.dispatchEvent(new Event("rows")); // all of them are there
  }

  dressHead();
  page.enliven(panel);
  if (view.dataset.job) await load();
  else if (rows.length > FEW || hidden.size) update();
  label();
}
