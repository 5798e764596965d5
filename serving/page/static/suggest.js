// Suggestion: which molecules of a job to measure next, as a column of ranks, with these rows picked.

const COLUMN = "suggested";

export async function open(panel, page) {
  const { make, table } = page;
  const size = make("input", { type: "number", min: 1, max: 1000, value: 24, id: "suggestion-size" });
  const button = make("button", { type: "button", class: "tool" }, "Suggest");
  const said = make("p", { class: "hint", role: "status" });
  const titles = new Map([...document.querySelectorAll("th.endpoint[data-endpoint]")].map((th) => [th.dataset.endpoint, th.dataset.title + (th.querySelector(".wanted") ? ` (${th.querySelector(".wanted").textContent})` : "")]));
  const batch = make("ol", { class: "suggestions" });
  panel.querySelector(".tool-body").replaceChildren(
    make("p", { class: "hint" }, "Molecules that promise most of what the project wants and would teach the models most, unlike each other. They are picked in the table; Download CSV writes them."),
    make("div", { class: "tools" }, make("label", {}, "How many ", size), button),
    said,
    batch,
  );

  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = "Choosing …";
    try {
      const answer = await fetch(`/v1/jobs/${panel.dataset.job}/suggestion?batch=${encodeURIComponent(size.value)}`);
      if (!answer.ok) throw await page.explained(answer);
      show(await answer.json());
    } catch (fault) {
      batch.replaceChildren();
      said.textContent = fault.message;
    } finally {
      button.disabled = false;
    }
  });

  function show(found) {
    const ranks = new Map(found.picks.map(({ row }, place) => [row, place + 1]));
    table.pick(new Set(ranks.keys()));
    table.addColumn({ name: COLUMN, title: "Measure next", unit: "rank", value: (row) => ranks.get(row) ?? NaN, cell: (row) => make("td", { class: "num" }, String(ranks.get(row) ?? "")) });
    const left = found.left_out.map(({ code, rows, first }) => `${rows} ${code.replaceAll("-", " ")} (row ${first.slice(0, 3).map((row) => row + 1).join(", ")}${rows > 3 ? ", …" : ""})`);
    const goals = found.goals.map((name) => titles.get(name) ?? name);
    said.textContent = `${found.picks.length} of ${found.candidates} candidates, judged by ${goals.join(", ")}.${left.length ? ` Left out: ${left.join("; ")}.` : ""}`;
    batch.replaceChildren(
      ...found.picks.map(({ row, desirability, spread, similarity, like }) => {
        const near = like === null ? "" : `, ${Math.round(100 * similarity)} % like row ${like + 1}`;
        return make("li", {}, make("strong", {}, table.title(row)), ` row ${row + 1}: desirability ${desirability.toPrecision(2)} ± ${spread.toPrecision(1)}${near}`);
      }),
    );
  }
}
