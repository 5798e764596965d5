// The project score's panel: criteria, kept in this browser, written to a file and read from one; the table's column.

const COLUMN = "project_score";
const KEPT = "project-score";
const FORMAT = "project score 1";
const CORNERS = ["zero_below", "full_from", "full_to", "zero_above"];
const MORE = ["weight", "exponent"];
const LABELS = { zero_below: "0 at", full_from: "1 from", full_to: "1 to", zero_above: "0 at" };
const UNSURE = 0.5;

export async function open(panel, page) {
  const { make, table } = page;
  const { calculated, fetchCalculated } = await import(panel.dataset.calculated);
  const { fault, paretoFront, score } = await import(panel.dataset.desirability);
  const body = panel.querySelector(".tool-body");
  const known = new Map((await answered("/page/criteria")).map((each) => [each.name, each]));
  let profile = { format: FORMAT, unsure: UNSURE, criteria: [] };
  let results = new Map(); // by row
  let front = new Set();
  let run = 0;

  async function answered(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw await page.explained(answer);
    return answer.json();
  }

  // The profile ---------------------------------------------------------------------------------------------------------------

  // What is wrong with a criterion here; empty where nothing is.
  function trouble(each) {
    const property = known.get(each.name);
    if (!property || (property.kind === "endpoint" && !table.names().includes(each.name))) return "is not predicted here: remove it, or there is no score";
    if (property.kind === "endpoint" && table.unit(each.name) !== property.unit) return `was predicted in ${table.unit(each.name) || "no unit"} and is shown in ${property.unit || "no unit"} now: predict again`;
    if (property.unit !== each.unit) return `is in ${each.unit || "no unit"} in this profile and in ${property.unit || "no unit"} here: enter its values again`;
    return fault(each, property.logarithmic);
  }

  function read(text) {
    const found = JSON.parse(text);
    if (found?.format !== FORMAT || !Array.isArray(found.criteria)) throw new Error(`expected a file with “format”: “${FORMAT}”`);
    const unsure = found.unsure ?? UNSURE;
    if (!(typeof unsure === "number" && unsure >= 0 && unsure <= 1)) throw new Error("unsure: expected a number from 0 to 1");
    const criteria = found.criteria.map((each) => {
      if (typeof each?.name !== "string") throw new Error("criteria: expected a name in each");
      const numbers = Object.fromEntries([...CORNERS, ...MORE].map((key) => [key, each[key] ?? (CORNERS.includes(key) ? null : 1)]));
      return { name: each.name, unit: String(each.unit ?? ""), ...numbers };
    });
    if (new Set(criteria.map((each) => each.name)).size < criteria.length) throw new Error("criteria: expected each property once");
    for (const each of criteria) if (![...CORNERS, ...MORE].every((key) => Number.isFinite(each[key]) || (each[key] === null && CORNERS.includes(key)))) throw new Error(`${each.name}: expected numbers`);
    return { format: FORMAT, unsure, criteria };
  }

  function keep() {
    try {
      if (profile.criteria.length) localStorage.setItem(KEPT, JSON.stringify(profile));
      else localStorage.removeItem(KEPT);
    } catch {
      // storage may be forbidden; the profile lasts as long as the page
    }
  }

  function add(name) {
    const property = known.get(name);
    if (!property || profile.criteria.some((each) => each.name === name)) return;
    const corners = Object.fromEntries(CORNERS.map((key) => [key, rounded(property[key])]));
    profile.criteria.push({ name, unit: property.unit, ...corners, exponent: 1, weight: 1 });
  }

  const rounded = (value) => (value === null || value === undefined ? null : Number(value.toPrecision(4)));

  // The panel -----------------------------------------------------------------------------------------------------------------

  const hint = make("p", { class: "hint" }, "Each value is worth 0 to 1 (desirability by Derringer and Suich, 1980); the score is their weighted geometric mean, so one 0 makes it 0. ", "A molecule without a number for one of them has no score; a value of low reliability (△) is worth at most what is set below. ◆ marks the Pareto front: no other molecule here is as good in everything and better in something.");
  const list = make("tbody", {});
  const head = make("thead", {}, make("tr", {}, ...["Property", "Weight", "0 at", "1 from", "1 to", "0 at", "Exponent"].map((text) => make("th", { scope: "col" }, text)), make("td", {})));
  const criteriaTable = make("table", { class: "plain criteria" }, make("caption", { class: "visually-hidden" }, "Criteria of the project score"), head, list);
  const chooser = make("select", { id: "add-criterion" });
  const unsure = make("input", { type: "number", min: 0, max: 1, step: 0.1, id: "unsure" });
  const file = make("input", { type: "file", accept: ".json,application/json", "aria-label": "Profile to import", hidden: "" });
  const said = make("p", { role: "status", class: "hint", id: "score-said" });
  const button = (text, act) => {
    const element = make("button", { type: "button", class: "tool" }, text);
    element.addEventListener("click", act);
    return element;
  };
  const tools = make("div", { class: "tools" },
    make("label", {}, "Add a property ", chooser),
    make("label", {}, "Low reliability counts at most ", unsure),
    button("Export", save), button("Import", () => file.click()), button("Clear", clear), file);
  body.replaceChildren(hint, make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Criteria" }, criteriaTable), tools, said);

  function draw() {
    unsure.value = profile.unsure;
    const free = [...known.values()].filter((each) => !profile.criteria.some(({ name }) => name === each.name) && (each.kind === "calculated" || table.names().includes(each.name)));
    const group = (label, kind) => make("optgroup", { label }, ...free.filter((each) => each.kind === kind).map((each) => make("option", { value: each.name }, each.title)));
    chooser.replaceChildren(make("option", { value: "" }, "choose"), ...(free.some((each) => each.wished) ? [make("option", { value: "*" }, "all with a range that the project wants")] : []), group("Predicted", "endpoint"), group("Calculated", "calculated"));
    list.replaceChildren(...profile.criteria.map(line));
    criteriaTable.hidden = !profile.criteria.length;
  }

  function line(each) {
    const property = known.get(each.name);
    const title = property?.title ?? each.name;
    const number = (key) => {
      const input = make("input", { type: "number", step: "any", size: 7, value: each[key] ?? "", "aria-label": `${title}: ${LABELS[key] ? `${LABELS[key]}${key === "zero_below" ? ", low side" : key === "zero_above" ? ", high side" : ""}` : key}`, "data-key": key });
      input.addEventListener("change", () => {
        each[key] = input.value === "" ? null : Number(input.value);
        each.unit = property?.unit ?? each.unit;
        changed();
      });
      return make("td", {}, input);
    };
    const name = make("th", { scope: "row" }, title, " ", make("span", { class: "unit" }, each.unit), make("span", { class: "basis hint" }, trouble(each) ? "" : property?.basis ?? ""), make("span", { class: "poor trouble" }, trouble(each)));
    const remove = button("Remove", () => {
      profile.criteria = profile.criteria.filter((other) => other !== each);
      draw();
      changed();
      chooser.focus();
    });
    remove.setAttribute("aria-label", `Remove ${title}`);
    return make("tr", { "data-name": each.name }, name, ...["weight", ...CORNERS, "exponent"].map(number), make("td", {}, remove));
  }

  chooser.addEventListener("change", () => {
    if (chooser.value === "*") {
      for (const each of known.values()) if (each.wished && table.names().includes(each.name)) add(each.name);
    } else add(chooser.value);
    draw();
    changed();
  });
  unsure.addEventListener("change", () => {
    profile.unsure = Math.min(1, Math.max(0, Number(unsure.value) || 0));
    changed();
  });
  file.addEventListener("change", async () => {
    try {
      profile = read(await file.files[0].text());
      said.textContent = "Imported.";
      draw();
      await changed();
    } catch (error) {
      said.textContent = `Not imported: ${error.message}`;
    }
    file.value = "";
  });

  function save() {
    const address = URL.createObjectURL(new Blob([`${JSON.stringify(profile, null, 1)}\n`], { type: "application/json" }));
    const link = make("a", { href: address, download: "project-score.json" });
    link.click();
    URL.revokeObjectURL(address);
  }

  function clear() {
    profile = { format: FORMAT, unsure: UNSURE, criteria: [] };
    draw();
    changed();
  }

  async function changed() {
    keep();
    for (const row of list.rows) {
      const each = profile.criteria.find(({ name }) => name === row.dataset.name);
      row.querySelector(".trouble").textContent = each ? trouble(each) : "";
    }
    await compute();
  }

  // The column ------------------------------------------------------------------------------------------------------------------

  async function compute() {
    const mine = ++run;
    const active = profile.criteria.filter((each) => each.weight !== 0);
    results = new Map();
    front = new Set();
    if (!active.length) return table.removeColumn(COLUMN);
    const bad = active.filter(trouble);
    const kept = Array.from({ length: table.count() }, (_, row) => row).filter((row) => !table.isRemoved(row));
    const rows = kept.filter((row) => !table.isBad(row));
    try {
      if (active.some((each) => known.get(each.name)?.kind === "calculated")) {
        said.textContent = "Calculating …";
        await fetchCalculated(rows.map(table.smiles), page, () => mine === run && panel.isConnected);
      }
    } catch (error) {
      said.textContent = error.message;
      return;
    }
    if (mine !== run || !panel.isConnected) return;
    const criteria = active.map((each) => ({ ...each, title: known.get(each.name)?.title ?? each.name, logarithmic: known.get(each.name)?.logarithmic }));
    if (!bad.length)
      for (const row of rows) {
        const cells = criteria.map(({ name }) => (known.get(name).kind === "calculated" ? { value: calculated(table.smiles(row), name), far: false } : { value: table.value(row, name), far: table.isFar(row, name) }));
        results.set(row, { ...score(cells, criteria, profile.unsure), unsure: criteria.filter((_, at) => cells[at]?.far).map(({ title }) => title) });
      }
    const search = paretoFront(rows.map((row) => results.get(row)?.parts));
    let step = search.next();
    for (; !step.done; step = search.next()) {
      await new Promise((done) => setTimeout(done));
      if (mine !== run) return;
    }
    front = new Set(step.value.map((place) => rows[place]));
    const scored = [...results.values()].filter((each) => each.value !== undefined).length;
    said.textContent = bad.length ? `No score: ${bad.map((each) => `${known.get(each.name)?.title ?? each.name} ${trouble(each)}`).join("; ")}.` : `${scored} of ${kept.length} scored, ${front.size} on the Pareto front.`;
    table.addColumn({ name: COLUMN, title: "Project score", unit: "0 to 1", value: (row) => results.get(row)?.value ?? NaN, cell });
  }

  function cell(row) {
    const found = results.get(row);
    const cell = make("td", { class: "num" });
    if (found?.value === undefined) {
      cell.classList.add("not-predicted");
      const why = found?.missing.length ? `no number for ${found.missing.join(", ")}` : "a criterion cannot be used";
      cell.append("none", make("span", { class: "visually-hidden" }, `: ${why}`));
      cell.title = why;
      return cell;
    }
    const active = profile.criteria.filter((each) => each.weight !== 0);
    cell.title = active.map((each, at) => `${known.get(each.name).title} ${found.parts[at].toFixed(2)}`).join(", ");
    cell.append(make("span", { class: "amount" }, found.value.toFixed(2)));
    if (front.has(row)) cell.append(make("span", { class: "pareto" }, " ◆", make("span", { class: "visually-hidden" }, "on the Pareto front")));
    if (found.unsure.length) {
      cell.title += `; of low reliability, worth at most ${profile.unsure}: ${found.unsure.join(", ")}`;
      cell.append(make("span", { class: "far" }, " △", make("span", { class: "visually-hidden" }, `low reliability: ${found.unsure.join(", ")}`)));
    }
    return cell;
  }

  // A download takes the scores along: place, score, and a star for the Pareto front.
  panel.closest(".overview").querySelector("#picking").addEventListener("submit", () => {
    if (!results.size) return;
    const text = Array.from({ length: table.count() }, (_, row) => `${row}_${results.get(row)?.value?.toFixed(4) ?? ""}${front.has(row) ? "*" : ""}`).join("-");
    panel.closest(".overview").querySelector("#sent").append(make("input", { type: "hidden", name: "score", value: text }));
  });

  panel.closest(".overview").addEventListener("rows", compute);
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept) profile = read(kept);
  } catch (error) {
    said.textContent = `The kept profile cannot be read: ${error.message}`;
  }
  draw();
  if (profile.criteria.length) await compute();
}
