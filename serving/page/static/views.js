// Saved views of the table: which columns, which order, which filter, under a name. They stay in this browser, and go from
// one to another as a file. A view names endpoints and holds no structure, unless one is in its filter.

const KEPT = "views";

export function open(panel, page, table) {
  const $ = (selector) => panel.querySelector(selector);
  const said = (text) => ($("#view-said").textContent = text);
  const views = () => page.recall(KEPT) ?? {};

  function list(name = "") {
    const option = (value, text) => page.make("option", { value }, text);
    $("#view").replaceChildren(option("", "none"), ...Object.keys(views()).sort().map((each) => option(each, each)));
    $("#view").value = name;
  }

  function keep(all, name) {
    page.remember(KEPT, all);
    list(name);
  }

  $("#view").addEventListener("change", (event) => {
    const view = views()[event.target.value];
    if (!view) return;
    $("#view-name").value = event.target.value;
    const other = Object.entries(view.units ?? {}).filter(([name, unit]) => table.names().includes(name) && table.unit(name) !== unit);
    table.set(other.length ? { ...view, filter: "" } : view);
    const missing = view.columns.length - table.get().columns.length;
    const left = other.map(([name, unit]) => `Its filter is left out: its limit of ${name} is in ${unit || "no unit"}, and the values here are in ${table.unit(name) || "no unit"}.`);
    said([...(missing > 0 ? [`${missing} of its columns are not in this table.`] : []), ...left].join(" "));
  });
  $("#save-view").addEventListener("click", () => {
    const name = $("#view-name").value.trim();
    if (!name) return said("Give the view a name first.");
    keep({ ...views(), [name]: table.get() }, name);
    said(`Saved as ${name}.`);
  });
  $("#drop-view").addEventListener("click", () => {
    const [name, all] = [$("#view").value, views()];
    if (!name) return said("Choose a view first.");
    const { [name]: dropped, ...rest } = all;
    keep(rest, "");
    said("");
    page.offerUndo(`The view ${name} was deleted.`, () => keep({ ...views(), [name]: dropped }, name));
  });
  $("#export-views").addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([JSON.stringify(views(), null, 1)], { type: "application/json" }));
    page.make("a", { href: address, download: "views.json" }).click();
    URL.revokeObjectURL(address);
  });
  $("#import-views").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    try {
      const read = JSON.parse(await file.text());
      const entries = Object.entries(read).filter(([, view]) => Array.isArray(view?.columns) && view.columns.every((each) => typeof each === "string"));
      if (!entries.length) throw new Error("no view in it");
      keep({ ...views(), ...Object.fromEntries(entries) }, "");
      said(`${entries.length} read from ${file.name}.`);
    } catch (error) {
      said(`Expected a file of views that was exported here: ${error.message}.`);
    }
    event.target.value = "";
  });
  list();
}
