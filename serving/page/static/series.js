// Series: groups of the table's rows under a name, compared property by property.

const KEPT = "series";
const MOST = 8;

export async function open(panel, page) {
  const { make, table } = page;
  const body = panel.querySelector(".tool-body");
  const answer = await fetch("/page/criteria");
  if (!answer.ok) throw await page.explained(answer);
  const properties = (await answer.json()).filter(({ kind, name }) => kind === "endpoint" && table.names().includes(name)).map((each) => ({ ...each, unit: table.unit(each.name) }));
  const signature = () => [0, table.count() - 1].map(table.smiles).concat(table.count()).join(" "); // of other molecules nothing is kept
  let series = restored();

  const name = make("input", { id: "series-name", autocomplete: "off", maxlength: 60 });
  const said = make("p", { class: "hint", role: "status" });
  const result = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Series side by side" });
  const button = (text, act) => {
    const element = make("button", { type: "button", class: "tool" }, text);
    element.addEventListener("click", act);
    return element;
  };
  body.replaceChildren(
    make("p", { class: "hint" }, "Pick rows in the table and give them a name, for each series; or let the names of the molecules decide: the part before the last number, so A-1 and A-2 are of series A. A molecule may be in several."),
    make("div", { class: "tools" }, make("label", {}, "Name ", name), button("Add the picked rows", addPicked), button("By the names", byNames), button("Clear", () => change([]))),
    said,
    result,
  );
  draw();

  function addPicked() {
    const places = table.picked();
    if (!places.length) return (said.textContent = "Pick rows in the table first.");
    const title = name.value.trim() || `Series ${series.length + 1}`;
    const others = series.filter((each) => each.title !== title);
    if (others.length >= MOST) return (said.textContent = `At most ${MOST} series are compared.`);
    name.value = "";
    change([...others, { title, places }]);
  }

  function byNames() {
    const groups = new Map();
    for (let row = 0; row < table.count(); row++) {
      const [, stem] = table.title(row).match(/^(.*?\p{L}.*?)[\s_.\-]*\d+[a-z]?$/iu) ?? [];
      if (stem) groups.set(stem, [...(groups.get(stem) ?? []), row]);
    }
    const found = [...groups].map(([title, places]) => ({ title, places })).sort((a, b) => b.places.length - a.places.length);
    if (!found.length) return (said.textContent = "No name ends in a number: pick rows and name the series yourself.");
    change(found.slice(0, MOST));
    if (found.length > MOST) said.textContent = `The ${MOST} largest of ${found.length} series.`;
  }

  function change(next) {
    series = next;
    said.textContent = "";
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ of: signature(), series }));
    } catch {
      // storage may be forbidden; the series last as long as the page
    }
    draw();
  }

  function restored() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT));
      return kept?.of === signature() ? kept.series : [];
    } catch {
      return [];
    }
  }

  // A quantile between its two neighbouring values.
  function quantile(sorted, share) {
    const at = share * (sorted.length - 1);
    const low = Math.floor(at);
    return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  }

  function cellOf(each, property) {
    const rows = each.places.filter((row) => !table.isBad(row));
    const known = rows.filter((row) => !Number.isNaN(table.value(row, property.name)));
    const values = known.map((row) => table.value(row, property.name)).sort((a, b) => a - b);
    const far = known.filter((row) => table.isFar(row, property.name)).length;
    const shown = (value) => (property.unit === "probability" ? `${(100 * value).toFixed(0)} %` : String(Number(value.toPrecision(3))).replace("-", "\u2212"));
    if (!values.length) return make("td", { class: "not-predicted" }, "no number");
    const notes = [`${values.length} of ${each.places.length}`, ...(far ? [`${far} of low reliability`] : [])];
    const span = values.length > 1 ? `${shown(values[0])} to ${shown(values.at(-1))}` : "";
    return make("td", { class: "num" }, make("span", { class: "amount" }, shown(quantile(values, 0.5))), make("span", { class: "interval" }, span), make("span", { class: "hint" }, notes.join(", ")));
  }

  function draw() {
    if (!series.length) return result.replaceChildren();
    const heads = series.map((each) => {
      const remove = button("Remove", () => change(series.filter((other) => other !== each)));
      remove.setAttribute("aria-label", `Remove series ${each.title}`);
      return make("th", { scope: "col" }, `${each.title} `, make("span", { class: "unit" }, `${each.places.length} molecule${each.places.length === 1 ? "" : "s"}`), remove);
    });
    const rows = properties.map((property) => make("tr", {}, make("th", { scope: "row" }, `${property.title} `, make("span", { class: "unit" }, property.unit)), ...series.map((each) => cellOf(each, property))));
    const caption = make("p", { class: "hint" }, "Median, lowest to highest prediction, and how many of the series have a number. Spreads of predictions, not their intervals.");
    result.replaceChildren(caption, make("table", { class: "plain series" }, make("thead", {}, make("tr", {}, make("td", {}), ...heads)), make("tbody", {}, ...rows)));
  }
}
