// Sharing what the table shows: a pasted result is stored as a job first, then a link to it is made, and taken back.

export function open(panel, page, table) {
  const button = panel.querySelector("#share");
  if (!button) return;
  const $ = (selector) => panel.querySelector(selector);
  const { make } = page;
  let { job } = panel.dataset;
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", open);
    $("#sharing").hidden = !open;
    if (open) $("#share-days").focus();
  });

  // Stores what was pasted, and waits until it was predicted.
  async function store() {
    const rows = table.rows().filter((_, row) => !table.isRemoved(row));
    const body = JSON.stringify({ smiles: rows.map(({ smiles }) => smiles), ids: rows.map(({ name }) => name) });
    let state = await page.json("/v1/jobs", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    while (!["done", "failed", "cancelled"].includes(state.status)) {
      await new Promise((done) => setTimeout(done, 300));
      state = await page.json(state.links.self);
    }
    if (state.status !== "done") throw new Error(`The result could not be stored: ${state.error?.detail ?? state.status}`);
    page.rememberJob(state.id);
    return state.id;
  }

  $("#make-link").addEventListener("click", async (event) => {
    const said = $("#link");
    event.target.disabled = true;
    said.textContent = "Making the link …";
    try {
      job ||= await store();
      const made = await page.json(`/page/jobs/${job}/links`, { method: "POST", body: new URLSearchParams({ days: $("#share-days").value }) });
      const address = location.origin + made.address;
      const copy = make("button", { type: "button", class: "tool" }, "Copy");
      copy.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(address);
          copy.textContent = "Copied";
        } catch {
          copy.textContent = "Not copied: copy it from here";
        }
      });
      said.replaceChildren(make("a", { href: made.address }, address), " ", copy);
      $("#links").prepend(entry(made.name, made.until));
    } catch (error) {
      said.textContent = error.message;
    }
    event.target.disabled = false;
  });

  function entry(name, until) {
    const day = new Date(until).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    return make("li", { "data-name": name }, `A link that begins with ${name}, until ${day} `, make("button", { type: "button", class: "tool take-back" }, "Take it back"));
  }

  $("#links").addEventListener("click", async (event) => {
    if (!event.target.matches(".take-back")) return;
    const item = event.target.closest("li");
    try {
      await page.json(`/page/jobs/${job}/links?name=${encodeURIComponent(item.dataset.name)}`, { method: "DELETE" });
      item.remove();
      $("#link").textContent = "The link opens nothing any more.";
      button.focus();
    } catch (error) {
      $("#link").textContent = error.message;
    }
  });
}
