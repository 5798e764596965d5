// The working table: sorts, filters, chooses columns, and keeps in the page hardly more rows and cells than are visible.
// Its rows come with the results of a paste, or part by part from the stored result of a job. A row is its number.

const FEW = 100; // so many rows are all in the page
const MARGIN = 4; // rows above and below those that are seen
const FIRST = 12; // columns that are shown until somebody chooses
const WIDE = 24; // with more columns only the cells that are seen are in the page
const LEAD = 3; // cells before those of endpoints: pick, number, molecule
const PRINTED = 1000; // rows that go onto paper, of all that are shown
const LIKENESS = -1; // the order of a search for what is alike
const SLICE = 12; // milliseconds of work between two looks at what the reader does
const [GOOD, FAIR, POOR, FAR, MEASURED, TRIAL, PROVISIONAL, TOO_LARGE] = [1, 2, 4, 8, 16, 32, 64, 128]; // as in stored_rows.py
const natural = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
const CONDITION = /^(.*?)\s*(<=|>=|<|>|=|≤|≥)\s*([-+\u2212]?[\d.]+(?:e[-+\u2212]?\d+)?)\s*%?$/;

// Three digits, as many as the smallest interval supports.
function written(value) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size && size < 1e-3)) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

const giveWay = () => (globalThis.scheduler?.yield ? scheduler.yield() : new Promise((done) => setTimeout(done)));

// Sorts by merging, in slices: a list that takes long to sort never holds up the page. Gives nothing when it is outdated.
async function sorted(list, order, isOutdated) {
  let [from, into] = [list, new Array(list.length)];
  let begun = performance.now();
  for (let width = 1; width < list.length; width *= 2) {
    for (let low = 0; low < list.length; low += 2 * width) {
      const middle = Math.min(low + width, list.length);
      const high = Math.min(low + 2 * width, list.length);
      for (let at = low, left = low, right = middle; at < high; at++)
        into[at] = right >= high || (left < middle && order(from[left], from[right]) <= 0) ? from[left++] : from[right++];
      if (performance.now() - begun < SLICE) continue;
      await giveWay();
      if (isOutdated()) return null;
      begun = performance.now();
    }
    [from, into] = [into, from];
  }
  return from;
}

async function filtered(count, holds, isOutdated) {
  const kept = [];
  let begun = performance.now();
  for (let row = 0; row < count; row++) {
    if (holds(row)) kept.push(row);
    if (row % 256 || performance.now() - begun < SLICE) continue;
    await giveWay();
    if (isOutdated()) return null;
    begun = performance.now();
  }
  return kept;
}

// Rows that came as mark-up with the results of a paste.
function rowsOfPaste(body, columns) {
  const parts = [...body.rows].map((element) => {
    const cells = [...element.cells];
    return { element, lead: cells.slice(0, LEAD), cells: cells.slice(LEAD), bad: cells.length < LEAD + columns.length };
  });
  return {
    count: () => parts.length,
    isBad: (row) => parts[row].bad,
    text: (row) => parts[row].element.dataset.text,
    title: (row) => parts[row].lead[2].dataset.value,
    name: (row) => parts[row].element.dataset.name,
    smiles: (row) => parts[row].element.dataset.smiles,
    value: (row, at) => (parts[row].bad || parts[row].cells[at].dataset.value === undefined ? NaN : Number(parts[row].cells[at].dataset.value)),
    isFar: (row, at) => !parts[row].bad && parts[row].cells[at].classList.contains("far"),
    frame: (row) => parts[row].element,
    lead: (row) => parts[row].lead,
    cell: (row, at) => parts[row].cells[parts[row].bad ? 0 : at],
    picked: () => parts.flatMap(({ lead }, row) => (lead[0].querySelector("input").checked ? [row] : [])),
    draw: () => {},
  };
}

// Rows of a job's stored result, that come part by part.
function rowsOfJob(total, columns, page) {
  const { make } = page;
  const [names, smiles, faults, notes, measured] = [[], [], new Map(), new Map(), new Map()];
  const values = columns.map(() => new Float64Array(total).fill(NaN));
  const marks = columns.map(() => new Uint8Array(total));
  const drawings = new Map();
  const binary = columns.map(({ dataset }) => dataset.task === "binary");
  const shapes = document.getElementById("shapes").content;
  const mark = (kind) => shapes.querySelector(`[data-kind=${kind}] svg`).cloneNode(true);
  const hidden = (text) => make("span", { class: "visually-hidden" }, text);
  const bands = [[GOOD, "good"], [FAIR, "fair"], [POOR, "poor"]];
  const title = (row) => names[row] || smiles[row];
  const amount = (value, at) => (binary[at] ? `${(100 * value).toFixed(0)} %` : written(value)).replace("-", "\u2212");

  return {
    count: () => smiles.length,
    isBad: (row) => faults.has(row),
    text: (row) => `${names[row]} ${smiles[row]}`.toLowerCase(),
    title,
    name: (row) => names[row],
    smiles: (row) => smiles[row],
    value: (row, at) => values[at][row],
    isFar: (row, at) => (marks[at][row] & FAR) > 0,
    picked: () => [],
    frame: (row) => make("tr", { "data-position": row + 1, "data-smiles": smiles[row], "data-name": names[row] }),
    lead(row) {
      const box = make("input", { type: "checkbox", name: "pick", value: row, "aria-label": `Pick ${title(row)}` });
      const link = make("a", { href: `#card-${row + 1}` }, names[row] || make("code", {}, smiles[row]));
      const thumb = make("span", { class: "thumb", "data-row": row });
      if (drawings.has(row)) thumb.innerHTML = drawings.get(row);
      const cell = make("th", { scope: "row" }, make("span", { class: "molecule" }, thumb, link));
      if (notes.has(row)) cell.title = notes.get(row);
      return [make("td", { class: "pick" }, box), make("td", { class: "position-cell" }, String(row + 1)), cell];
    },
    cell(row, at) {
      if (faults.has(row)) return make("td", { class: "not-predicted" }, `Not predicted: ${faults.get(row)}`);
      const [value, bits] = [values[at][row], marks[at][row]];
      if (Number.isNaN(value)) return make("td", { class: "not-predicted" }, bits & TOO_LARGE ? "too large" : "no number");
      const band = bands.find(([bit]) => bits & bit)?.[1] ?? "";
      const td = make("td", { class: `num stored ${band}${bits & FAR ? " far" : ""}` }, amount(value, at)); // the style sheet adds the shapes: one element a cell
      if (bits & MEASURED) td.append(make("span", { class: "known", title: `measured ${measured.get(`${row} ${at}`)}: this molecule is in the training data` }, "m", hidden(`easured ${measured.get(`${row} ${at}`)}`)));
      if (bits & TRIAL) td.append(make("span", { class: "on-trial" }, "trial"));
      if (bits & PROVISIONAL) td.append(make("span", { class: "provisional-mark", title: "provisional" }, mark("provisional"), hidden("provisional")));
      return td;
    },
    add(part) {
      const from = part.start;
      part.smiles.forEach((each, at) => ((smiles[from + at] = each), (names[from + at] = part.names[at])));
      for (const [at, said] of Object.entries(part.faults)) faults.set(from + Number(at), said);
      for (const [at, said] of Object.entries(part.notes)) notes.set(from + Number(at), said);
      columns.forEach(({ dataset }, column) => {
        const told = part.columns[dataset.endpoint];
        told.values.forEach((value, at) => (values[column][from + at] = value ?? NaN));
        marks[column].set(told.marks, from);
        for (const [at, said] of Object.entries(told.measured)) measured.set(`${from + Number(at)} ${column}`, said);
      });
    },
    // Draws the structures that are seen and were not drawn before; they travel in the body, never in an address.
    async draw(body) {
      const thumbs = [...body.querySelectorAll(".thumb:empty")].filter(({ dataset }) => !drawings.has(Number(dataset.row)) && !faults.has(Number(dataset.row))).slice(0, 40);
      if (!thumbs.length) return;
      const rows = thumbs.map(({ dataset }) => Number(dataset.row));
      const drawn = JSON.parse(await page.ask("/page/drawings", { smiles: rows.map((row) => smiles[row]).join("\n") }, "part"));
      if (drawings.size > 2000) drawings.clear();
      rows.forEach((row, at) => drawings.set(row, drawn[at]));
      thumbs.forEach((thumb, at) => thumb.isConnected && (thumb.innerHTML = drawn[at]));
    },
  };
}

export async function open(panel, page) {
  const $ = (selector) => panel.querySelector(selector);
  const grid = $("#grid");
  const body = grid.tBodies[0];
  const view = $(".scroll");
  const headings = [...grid.tHead.rows[0].cells];
  const columns = headings.filter((heading) => heading.dataset.endpoint);
  const { job } = panel.dataset;
  const total = Number(panel.dataset.total);
  const width = columns.length;
  const added = new Map(); // columns of other scripts, by their places behind all others; they are shown before them
  const given = job ? rowsOfJob(total, [...columns], page) : rowsOfPaste(body, [...columns]);
  const data = {
    ...given,
    value: (row, at) => (at < width ? given.value(row, at) : added.get(at).value(row)),
    isFar: (row, at) => at < width && given.isFar(row, at),
    cell: (row, at) => (at < width ? given.cell(row, at) : added.get(at).cell(row)),
  };
  const hidden = new Set(columns.length > FIRST ? columns.slice(FIRST).map((each) => each.dataset.endpoint) : []);
  const picked = new Set(data.picked()); // somebody may have been quicker than this script
  const removed = new Set();
  let found = null; // rows that a structure search left, with how alike each is
  let shown = Array.from({ length: data.count() }, (_, row) => row);
  let sorting = { at: 1, down: false };
  let visible = []; // places of the columns that are chosen
  let height = 0;
  let turn = 0;

  // What is in the page -----------------------------------------------------------------------------------------------------

  let [live, drawnAs] = [new Map(), null]; // rows that are in the page, and for which columns they were made
  const pad = (tag, attributes) => page.make(tag, { class: "pad", "aria-hidden": "true", ...attributes });
  const padRow = () => page.make("tr", { class: "pad", "aria-hidden": "true" }, pad("td", { colspan: LEAD + columns.length }));

  // The columns that are seen, and some: all of them, unless they are very many.
  function window_() {
    if (visible.length <= WIDE || printing) return [0, visible.length];
    const width = columns[visible[0]].offsetWidth || 100;
    const left = headings.slice(0, LEAD).reduce((sum, each) => sum + each.offsetWidth, 0);
    const first = Math.max(0, Math.floor((view.scrollLeft - left) / width) - 1);
    return [first, Math.min(visible.length, first + Math.ceil((view.clientWidth - left) / width) + 3)];
  }

  const cellOf = (row, place) => {
    const cell = data.cell(row, visible[place]);
    if (visible.length > WIDE) cell.setAttribute("aria-colindex", LEAD + place + 1);
    return cell;
  };

  // Makes a row of the page; `fit` then gives it the cells of the columns that are seen.
  function made(row) {
    const tr = data.frame(row);
    const lead = data.lead(row);
    lead[0].querySelector("input").checked = picked.has(row);
    lead[2].querySelector(".likeness")?.remove();
    if (sorting.at === LIKENESS && found?.has(row)) lead[2].firstElementChild.append(page.make("span", { class: "likeness hint" }, found.get(row).toFixed(2)));
    const [before, after] = [pad("td", { hidden: "" }), pad("td", { hidden: "" })];
    if (lead[0].parentElement !== tr) tr.replaceChildren(...lead);
    while (tr.cells.length > LEAD) tr.lastElementChild.remove(); // the first cells never move: one of them may hold the focus
    if (data.isBad(row)) {
      const cell = data.cell(row, 0);
      cell.colSpan = Math.max(1, visible.length);
      tr.append(cell);
    } else tr.append(before, after);
    return { tr, row, before, after, cells: [], first: 0, last: 0 };
  }

  function fit(entry, [first, last]) {
    if (data.isBad(entry.row)) return entry.tr;
    if (entry.last <= first || entry.first >= last) {
      for (const cell of entry.cells) cell.remove();
      Object.assign(entry, { cells: [], first, last: first });
    }
    for (; entry.first < first; entry.first++) entry.cells.shift().remove();
    for (; entry.last > last; entry.last--) entry.cells.pop().remove();
    for (; entry.first > first; entry.first--) {
      entry.cells.unshift(cellOf(entry.row, entry.first - 1));
      entry.before.after(entry.cells[0]);
    }
    for (; entry.last < last; entry.last++) {
      entry.cells.push(cellOf(entry.row, entry.last));
      entry.after.before(entry.cells.at(-1));
    }
    for (const [cell, span] of [[entry.before, first], [entry.after, visible.length - last]]) {
      cell.hidden = !span;
      cell.colSpan = span || 1;
    }
    return entry.tr;
  }

  const [above, below] = [padRow(), padRow()];

  // Puts rows into the page; those that are there already stay where they are: only what changes costs.
  function arrange(rows, before, after) {
    for (const [row, count] of [[above, before], [below, after]]) row.firstElementChild.style.height = `${height * count}px`;
    const wanted = new Set([...(before ? [above] : []), ...rows, ...(after ? [below] : [])]);
    for (const tr of [...body.rows]) if (!wanted.has(tr)) tr.remove();
    let at = null;
    for (const tr of wanted) {
      const place = at ? at.nextElementSibling : body.firstElementChild;
      if (place !== tr) body.insertBefore(tr, place);
      at = tr;
    }
  }

  let drawing;
  let printing = false;
  function render() {
    const all = shown.length <= FEW || printing;
    const part = window_();
    if (drawnAs !== visible) [live, drawnAs] = [new Map(), visible];
    view.classList.toggle("virtual", !all);
    grid.classList.toggle("wide", visible.length > WIDE);
    grid.setAttribute("aria-rowcount", shown.length + 1);
    if (visible.length > WIDE) grid.setAttribute("aria-colcount", LEAD + visible.length);
    else grid.removeAttribute("aria-colcount");
    let [first, last] = [0, Math.min(shown.length, PRINTED)];
    if (!all) {
      if (!height) {
        body.replaceChildren(...shown.slice(0, MARGIN).map((row) => fit(made(row), part))); // the style sheet makes them equally high
        height = body.rows[0].offsetHeight;
      }
      first = Math.max(0, Math.min(Math.floor(view.scrollTop / height) - MARGIN, shown.length - 1));
      last = Math.min(shown.length, first + FEW, Math.ceil((view.scrollTop + view.clientHeight) / height) + MARGIN);
    }
    const now = new Map();
    for (let place = first; place < last; place++) {
      const row = shown[place];
      const entry = live.get(row) ?? made(row);
      fit(entry, part).setAttribute("aria-rowindex", place + 2);
      now.set(row, entry);
    }
    const focused = document.activeElement?.closest("#grid tbody tr");
    live = now;
    const rows = [...now.values()].map(({ tr }) => tr);
    if (focused && !rows.includes(focused)) view.focus({ preventScroll: true });
    arrange(rows, first, shown.length - last);
    clearTimeout(drawing);
    drawing = setTimeout(() => data.draw(body), 120);
  }

  let waiting = false;
  view.addEventListener("scroll", () => {
    if (waiting || (shown.length <= FEW && visible.length <= WIDE)) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      render();
    });
  });

  // On paper there is no scrolling: every row that is shown goes there.
  for (const [event, on] of [["beforeprint", true], ["afterprint", false]])
    window.addEventListener(event, () => {
      if (!panel.isConnected || printing === on) return;
      printing = on;
      render();
    });

  // Sorting and filtering ------------------------------------------------------------------------------------------------------

  const keyOf = (at) => (at === LIKENESS ? (row) => -(found?.get(row) ?? 0) : at === 1 ? (row) => row : at === 2 ? data.title : (row) => data.value(row, at - LEAD));

  async function arranged(rows, isOutdated) {
    const { at, down } = sorting;
    const key = keyOf(at);
    const order = at === 2 ? natural : (a, b) => a - b;
    const isKnown = (row) => at <= 2 || !Number.isNaN(key(row));
    const known = await sorted(rows.filter(isKnown), (a, b) => (down ? -1 : 1) * order(key(a), key(b)) || a - b, isOutdated);
    return known && [...known, ...rows.filter((row) => !isKnown(row))]; // not predicted: always last
  }

  function columnOf(part) {
    const words = part.match(CONDITION)?.[1];
    return words ? columns.findIndex(({ dataset }) => dataset.title.toLowerCase().includes(words) || dataset.endpoint.includes(words)) : -1;
  }

  // A part of the filter: a condition on a column whose title holds the words before it, else a text.
  function test(part) {
    const [, , sign, number] = part.match(CONDITION) ?? [];
    const at = columnOf(part);
    if (at < 0) return (row) => data.text(row).includes(part);
    const written = Number(number.replaceAll("\u2212", "-"));
    const limit = columns[at].dataset.task === "binary" && (written > 1 || part.endsWith("%")) ? written / 100 : written; // shown in per cent
    const holds = { "<": (v) => v < limit, ">": (v) => v > limit, "=": (v) => v === limit, "<=": (v) => v <= limit, ">=": (v) => v >= limit };
    const compare = holds[{ "≤": "<=", "≥": ">=" }[sign] ?? sign];
    return (row) => compare(data.value(row, at));
  }

  const parts = () => $("#filter").value.toLowerCase().split(",").map((part) => part.trim()).filter(Boolean);

  // By endpoint, the units that the filter's limits are in.
  const unitsOfFilter = () => Object.fromEntries(parts().map(columnOf).filter((at) => at >= 0 && at < width).map((at) => [names[at], state.unit(names[at])]));

  async function update() {
    const mine = ++turn;
    const isOutdated = () => mine !== turn;
    const tests = parts().map(test);
    if ($("#familiar").checked) tests.push((row) => !data.isBad(row) && visible.every((at) => !data.isFar(row, at)));
    if (removed.size) tests.push((row) => !removed.has(row));
    if (found) tests.push((row) => found.has(row));
    const kept = await filtered(data.count(), (row) => tests.every((holds) => holds(row)), isOutdated);
    const rows = kept && (await arranged(kept, isOutdated));
    if (!rows) return;
    shown = rows;
    render();
    const count = data.count();
    const unknown = rows.length || !count ? "" : parts().find((part) => part.match(CONDITION)?.[1] && columnOf(part) < 0);
    const loading = job && count < total ? `, ${count.toLocaleString()} of ${total.toLocaleString()} rows read` : "";
    $("#count").textContent = (shown.length === count ? "" : `${shown.length} of ${count} shown`) + (unknown ? `: no column is called \u201c${unknown.match(CONDITION)[1]}\u201d` : "") + loading;
    label();
  }

  const chosen = () => (picked.size ? [...picked].filter((row) => !removed.has(row)).sort((a, b) => a - b) : shown.length < data.count() ? [...shown].sort((a, b) => a - b) : []);

  function label() {
    const count = chosen().length;
    $("#compare").textContent = picked.size ? `Compare ${picked.size}` : "Compare";
    $("#csv").textContent = count ? `Download CSV of ${count}` : "Download CSV";
    $("#remove-picked").hidden = !picked.size;
    $("#remove-picked").textContent = `Remove ${picked.size}`;
  }

  // What is sent: the rows that are picked, else those that the filter leaves, wherever they are.
  $("#picking").addEventListener("submit", (event) => {
    const left = chosen();
    const inputs = left.map((row) => page.make("input", { type: "hidden", name: "pick", value: row }));
    if (job) {
      const compared = event.submitter?.id === "compare"; // predicts again, with the models of now
      const lines = left.slice(0, 20).map((row) => `${data.smiles(row)} ${data.name(row).replace(/\s+/g, " ")}`);
      $("[name=smiles]").value = compared ? lines.join("\n") : "";
      if (compared) inputs.length = 0;
    }
    if (hidden.size) inputs.push(...visible.filter((at) => at < width).map((at) => page.make("input", { type: "hidden", name: "column", value: columns[at].dataset.endpoint })));
    $("#sent").replaceChildren(...inputs);
    if (!left.length && shown.length < data.count()) event.preventDefault(); // nothing is left: nothing is sent
    for (const box of body.querySelectorAll("[name=pick]")) box.disabled ||= box.dataset.off = true;
    setTimeout(() => body.querySelectorAll("[data-off]").forEach((box) => ((box.disabled = false), delete box.dataset.off)));
  });

  function sort(at, down) {
    sorting = { at, down };
    headings.forEach((each, place) => (place === at ? each.setAttribute("aria-sort", down ? "descending" : "ascending") : each.removeAttribute("aria-sort")));
    view.scrollTop = 0;
    return update();
  }

  panel.addEventListener("input", (event) => {
    if (event.target.matches("#filter, #familiar")) {
      view.scrollTop = 0;
      update();
    }
    if (event.target.matches("tbody [name=pick]")) {
      picked[event.target.checked ? "add" : "delete"](Number(event.target.value));
      label();
    }
    if (event.target.matches("#columns input")) choose();
    if (event.target.matches("#find-column")) findColumn(event.target.value.trim().toLowerCase());
  });

  panel.addEventListener("click", (event) => {
    const heading = event.target.closest("th[data-sort] button")?.parentElement;
    if (heading) sort(headings.indexOf(heading), heading.getAttribute("aria-sort") === "ascending");
    if (event.target.matches("#all-columns, #no-columns")) {
      for (const box of $("#columns").querySelectorAll("label:not([hidden]) input")) box.checked = event.target.id === "all-columns";
      choose();
    }
    if (event.target.matches(".whole-category")) {
      const boxes = [...event.target.parentElement.querySelectorAll("label:not([hidden]) input")];
      const on = boxes.some((box) => !box.checked);
      for (const box of boxes) box.checked = on;
      choose();
    }
    if (event.target.matches("#pick-first")) {
      picked.clear();
      shown.slice(0, Math.max(0, Number($("#first-count").value))).forEach((row) => picked.add(row));
      live.clear();
      render();
      label();
    }
    if (event.target.matches("#remove-picked")) {
      const rows = [...picked];
      rows.forEach((row) => removed.add(row));
      picked.clear();
      update();
      panel.dispatchEvent(new Event("rows"));
      page.offerUndo(`${rows.length} removed from the table.`, () => {
        rows.forEach((row) => (removed.delete(row), picked.add(row)));
        live.clear();
        update();
        panel.dispatchEvent(new Event("rows"));
      });
      view.focus({ preventScroll: true });
    }
  });

  // Columns ----------------------------------------------------------------------------------------------------------------------

  function choose() {
    show([...$("#columns").querySelectorAll("input:checked")].map((box) => box.value));
    page.remember("columns", [...hidden]);
  }

  // Shows the columns of these endpoints and no other.
  function show(names) {
    hidden.clear();
    columns.forEach(({ dataset }) => names.includes(dataset.endpoint) || hidden.add(dataset.endpoint));
    dress();
    return update();
  }

  function dress() {
    const own = columns.slice(0, width);
    own.forEach((heading) => (heading.hidden = hidden.has(heading.dataset.endpoint)));
    visible = own.flatMap(({ dataset }, at) => (hidden.has(dataset.endpoint) ? [] : [at]));
    for (const box of $("#columns").querySelectorAll("input")) box.checked = !hidden.has(box.value);
    $("#columns-shown").textContent = `(${visible.length} of ${width})`;
    visible.unshift(...[...added.keys()].filter((at) => !columns[at].hidden));
    for (const each of $("#columns").children) {
      const boxes = [...each.querySelectorAll("input")];
      each.querySelector("summary .hint").textContent = `${boxes.filter((box) => box.checked).length} of ${boxes.length}`;
    }
  }

  function findColumn(words) {
    for (const each of $("#columns").querySelectorAll("label")) each.hidden = !each.textContent.toLowerCase().includes(words);
    for (const each of $("#columns").children) {
      each.hidden = !each.querySelector("label:not([hidden])");
      if (words) each.open = !each.hidden;
    }
  }

  const kept = page.recall("columns");
  const names = columns.map(({ dataset }) => dataset.endpoint);
  if (columns.length > 1 && kept && names.some((name) => !kept.includes(name))) {
    hidden.clear();
    kept.filter((name) => names.includes(name)).forEach((name) => hidden.add(name));
  }
  $(".chooser").hidden = columns.length < 2;

  // A job's rows come part by part; the table can be used from the first on.
  async function load() {
    while (data.count() < total) {
      const answer = await fetch(`/page/jobs/${job}/rows?start=${data.count()}`);
      if (!answer.ok) throw await page.explained(answer);
      const before = data.count();
      data.add(await answer.json());
      if (data.count() === before) break;
      await update();
    }
  }

  // A column that another script computes: `value(row)` is what it sorts and filters by, `cell(row)` its cell.
  function addColumn({ name, title, unit, value, cell }) {
    let at = columns.findIndex((each) => each.dataset.endpoint === name);
    if (at < 0) {
      const { make } = page;
      const attributes = { scope: "col", class: "num endpoint", "data-sort": "number", "data-endpoint": name, "data-title": title };
      const heading = make("th", attributes, make("button", { type: "button" }, title), make("span", { class: "unit" }, unit));
      grid.tHead.rows[0].insertBefore(heading, headings[LEAD]);
      headings.push(heading);
      at = columns.push(heading) - 1;
    }
    added.set(at, { value, cell });
    columns[at].hidden = false;
    live.clear();
    dress();
    return update();
  }

  function removeColumn(name) {
    const at = columns.findIndex((each) => each.dataset.endpoint === name);
    if (at < 0 || columns[at].hidden) return;
    columns[at].hidden = true;
    live.clear();
    dress();
    return sorting.at === LEAD + at ? sort(1, false) : update();
  }

  const places = new Map(names.map((name, at) => [name, at]));
  const state = {
    // Rows are their numbers, values are found by the names of endpoints.
    count: data.count,
    isBad: data.isBad,
    isRemoved: (row) => removed.has(row),
    smiles: data.smiles,
    title: (row) => data.name(row) || data.smiles(row),
    names: () => names,
    // What its values are in, whatever the endpoint is shown in by now.
    unit: (name) => (({ task, unit }) => (task === "binary" ? "probability" : unit))(columns[places.get(name)].dataset),
    value: (row, name) => data.value(row, places.get(name)),
    isFar: (row, name) => data.isFar(row, places.get(name)),
    picked: () => [...picked].filter((row) => !removed.has(row)).sort((a, b) => a - b),
    shown: () => shown,
    pick(rows) {
      picked.clear();
      for (const row of rows) if (!removed.has(row)) picked.add(row);
      live.clear();
      return update();
    },
    addColumn,
    removeColumn,
    // What a saved view holds.
    get: () => ({ columns: visible.filter((at) => at < width).map((at) => columns[at].dataset.endpoint), filter: $("#filter").value, units: unitsOfFilter(), familiar: $("#familiar").checked, sort: { by: sorting.at < LEAD ? Math.max(1, sorting.at) : columns[sorting.at - LEAD].dataset.endpoint, down: sorting.down } }),
    set(wanted) {
      const by = wanted.sort?.by;
      const column = columns.findIndex(({ dataset }) => dataset.endpoint === by);
      const at = typeof by === "number" ? by : column < 0 ? 1 : LEAD + column;
      $("#filter").value = wanted.filter ?? "";
      $("#familiar").checked = Boolean(wanted.familiar);
      const known = (wanted.columns ?? []).filter((name) => names.includes(name));
      if (known.length) show(known);
      return sort(at, Boolean(wanted.sort?.down));
    },
    rows: () => Array.from({ length: data.count() }, (_, row) => ({ smiles: data.smiles(row), name: data.name(row) })),
    chosen,
    // Shows these rows alone, each with its likeness; all rows again for null.
    narrow(rows, byLikeness) {
      found = rows;
      live.clear();
      return byLikeness ? sort(LIKENESS, false) : sorting.at === LIKENESS ? sort(1, false) : update();
    },
  };
  panel.table = state;
  dress();
  page.enliven(panel);
  render();
  for (const script of panel.dataset.scripts.split(" ")) (await import(script)).open(panel, page, state);
  if (job) await load();
  await update();
  panel.dispatchEvent(new Event("rows")); // all of them are there; sent again when some are removed or return
}
