// Calculated properties of the table's rows, fetched a few at a time when a score or a plot asks for them, once each.
const MOST = 200;
const known = new Map(); // by structure: values by name, or null

export async function fetchCalculated(structures, { explained }, going = () => true) {
  const missing = [...new Set(structures.filter((each) => each && !known.has(each)))];
  for (let start = 0; start < missing.length && going(); start += MOST) {
    const part = missing.slice(start, start + MOST);
    const answer = await fetch("/page/calculated", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ smiles: part }) });
    if (!answer.ok) throw await explained(answer);
    const { names, values } = await answer.json();
    part.forEach((each, at) => known.set(each, values[at] && Object.fromEntries(names.map((name, place) => [name, values[at][place]]))));
  }
}

// One of them; undefined where it was not fetched, or there is none.
export const calculated = (structure, name) => known.get(structure)?.[name] ?? undefined;
