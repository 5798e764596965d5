// The drawing tab: OpenChemLib's editor, loaded when the tab is opened for the first time.

let editor;
let chemistry;

function smilesOf(molecule) {
  return molecule.getAllAtoms() ? molecule.toIsomericSmiles() : "";
}

export async function open(panel, page) {
  const holder = panel.querySelector("#editor");
  const output = panel.querySelector("#drawn");
  const add = panel.querySelector("#add-drawing");
  if (!editor) {
    chemistry = await import(panel.dataset.editor);
    holder.replaceChildren();
    editor = new chemistry.CanvasEditor(holder, { initialMode: "molecule" });
    editor.setOnChangeListener(() => {
      output.textContent = smilesOf(editor.getMolecule());
      add.disabled = !output.textContent;
    });
    add.addEventListener("click", () => {
      page.addLine(output.textContent);
      page.paste();
    });
  }
  // What is at the cursor is edited; a line that the editor cannot read leaves the drawing as it is.
  const [smiles] = page.lineAtCursor().split(/\s/);
  if (smiles && smiles !== smilesOf(editor.getMolecule())) {
    try {
      editor.setMolecule(chemistry.Molecule.fromSmiles(smiles));
      output.textContent = smiles;
      add.disabled = false;
    } catch {
      // the box says what is wrong with it
    }
  }
}
