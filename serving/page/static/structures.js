// Structure search in the table: which of its molecules contain a substructure, or are like another molecule.

export function open(panel, page, table) {
  const $ = (selector) => panel.querySelector(selector);
  const said = $("#search-said");
  $(".structure-search").hidden = false;

  async function search() {
    const query = $("#search-text").value.trim();
    if (!query) {
      said.textContent = "";
      return table.narrow(null);
    }
    said.textContent = "Searching …";
    try {
      const fields = { query, kind: $("#search-kind").value };
      if (panel.dataset.job) fields.job = panel.dataset.job;
      else fields.smiles = table.rows().map(({ smiles }) => smiles).join("\n");
      const answer = JSON.parse(await page.ask("/page/structures", fields, "part"));
      await table.narrow(new Map(answer.found), fields.kind === "similarity");
      said.textContent = `${answer.said} `;
      const all = page.make("button", { type: "button", class: "tool" }, "Show all");
      all.addEventListener("click", () => {
        $("#search-text").value = "";
        search();
        $("#search-text").focus();
      });
      said.append(all);
    } catch (error) {
      said.textContent = error.message;
    }
  }

  $("#search").addEventListener("click", search);
  $("#search-text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // the form around it downloads
    search();
  });
}
