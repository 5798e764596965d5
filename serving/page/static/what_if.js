// What if: a structure is edited beside its card, drawn as it is written, and predicted beside the original.

const PAUSE = 350; // milliseconds without a key after which the change is predicted

export async function open(button, page) {
  const { make, ask } = page;
  const card = button.closest(".card");
  const existing = card.querySelector(".what-if");
  button.setAttribute("aria-expanded", !existing);
  if (existing) return existing.remove();

  const original = card.dataset.read;
  const id = `what-if-${card.id}`;
  const box = make("input", { id, type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", maxlength: 600 });
  const tool = (text, act, more = {}) => {
    const element = make("button", { type: "button", class: "tool", ...more }, text);
    element.addEventListener("click", act);
    return element;
  };
  const tried = []; // structures before the present one
  let shown = original;
  let asking;
  let timer;
  let editor;

  const back = tool("Undo", () => tried.length && write(tried.pop(), false));
  const editing = make("div", { class: "editor what-if-editor", "aria-label": "Structure editor", hidden: "" });
  const result = make("div", { class: "what-if-result", "aria-live": "polite" });
  const endpoint = make("select", { "aria-label": "Suggestions for" }, ...[...card.querySelectorAll("tr[data-endpoint]")].map((row) => make("option", { value: row.dataset.endpoint }, row.querySelector("th a").textContent)));
  const found = make("div", { "aria-live": "polite" });
  const suggest = tool("Suggest changes", async () => {
    found.replaceChildren(make("span", { class: "bone" }));
    try {
      found.innerHTML = await ask("/page/suggestions", { smiles: box.value, endpoint: endpoint.value }, "part");
    } catch (error) {
      fail(found, error);
    }
  });
  const heading = make("h3", { id: `${id}-title` }, "What if?");
  const section = make("section", { class: "what-if", "aria-labelledby": `${id}-title` },
    heading,
    make("div", { class: "tools" }, make("label", { for: id }, "Structure as SMILES"), box, back, tool("Original", () => write(original)), tool("Draw it", draw)),
    editing, result,
    make("div", { class: "tools" }, make("label", {}, "From matched pairs of the training data, for ", endpoint), suggest), found);
  card.append(section);
  found.addEventListener("click", (event) => {
    const chosen = event.target.closest(".try");
    if (chosen) write(chosen.dataset.smiles);
  });
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => write(box.value), PAUSE);
  });
  box.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), clearTimeout(timer), write(box.value)));
  box.value = original;
  back.disabled = true;
  box.focus();
  await predict();

  function write(smiles, remember = true) {
    if (remember && smiles !== shown) tried.push(shown);
    shown = smiles;
    if (box.value !== smiles) box.value = smiles;
    back.disabled = !tried.length;
    return predict();
  }

  async function predict() {
    asking?.abort();
    if (!box.value.trim()) return result.replaceChildren();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const html = await ask("/page/what-if", { smiles: card.dataset.smiles, changed: box.value }, "part", signal);
      if (!signal.aborted) result.innerHTML = html;
    } catch (error) {
      if (error.name !== "AbortError") fail(result, error);
    }
  }

  function fail(holder, error) {
    holder.replaceChildren(make("p", { class: "notice", role: "alert" }, error.message));
  }

  async function draw() {
    editing.hidden = !editing.hidden;
    if (editing.hidden) return;
    try {
      const chemistry = await import(button.dataset.editor);
      if (!editor) {
        editor = new chemistry.CanvasEditor(editing, { initialMode: "molecule" });
        editor.setOnChangeListener(({ isUserEvent }) => {
          const molecule = editor.getMolecule();
          if (isUserEvent !== false && molecule.getAllAtoms()) {
            clearTimeout(timer);
            timer = setTimeout(() => write(molecule.toIsomericSmiles()), PAUSE);
          }
        });
      }
      editor.setMolecule(chemistry.Molecule.fromSmiles(box.value));
    } catch (error) {
      editing.hidden = true;
      fail(result, new Error(`The editor cannot be used: ${error.message}`));
    }
  }
}
