// Any property against any other, over the drugs of the list, with the molecules that were predicted; the BOILED-Egg.

const NS = "http://www.w3.org/2000/svg";
const [WIDEST, NARROWEST, LEFT, BOTTOM, TOP, RIGHT] = [640, 320, 62, 52, 14, 16];
const MOST_CALCULATED = 2000; // molecules that properties are calculated of for one picture
const FEW = 12; // so many molecules have their names beside them
const MOST = 300; // so many have a mark of their own, and a row in the list
const EDGE = 0.01; // share of the drugs at either end that an axis need not reach
const ZONES = ["outside the egg", "in the white: likely absorbed", "in the yolk: likely into the brain", "in the yolk: likely absorbed, and into the brain"];

const short = (value) => String(Number(value.toPrecision(3))).replace("-", "\u2212");
const dots = (places) => places.map(([a, b]) => `M${a},${b}h0`).join("");

export async function open(panel, page) {
  const { make, table } = page;
  const { calculated, fetchCalculated } = await import(panel.dataset.calculated);
  const body = panel.querySelector(".tool-body");
  const get = async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw await page.explained(answer);
    return answer.json();
  };
  const [properties, egg] = await Promise.all([get("/page/criteria"), get("/page/boiled-egg")]);
  const cards = [...page.cards.querySelectorAll(".card:not(.bad)")];
  const offered = properties.filter(({ kind, name }) => kind === "calculated" || (table ? table.names().includes(name) : cards[0]?.querySelector(`tr[data-endpoint="${name}"]`)));
  const property = (name) => properties.find((each) => each.name === name);
  const unitOf = (name) => (table ? table.unit(name) : cards[0].querySelector(`tr[data-endpoint="${name}"] .unit`).textContent);
  let run = 0;
  let [width, height] = [WIDEST, 440];

  const options = (kind, label) => make("optgroup", { label }, ...offered.filter((each) => each.kind === kind).map((each) => make("option", { value: each.name }, each.title)));
  const axes = ["x", "y"].map((axis) => {
    const select = make("select", { "aria-label": `Axis ${axis}`, id: `plot-${axis}` }, options("calculated", "Calculated"), options("endpoint", "Predicted"));
    select.addEventListener("change", draw);
    return select;
  });
  const preset = make("button", { type: "button", class: "tool" }, "BOILED-Egg");
  preset.addEventListener("click", () => {
    [axes[0].value, axes[1].value] = [egg.x, egg.y];
    draw();
  });
  const again = make("button", { type: "button", class: "tool" }, "Draw again");
  again.addEventListener("click", draw);
  const figure = make("figure", { class: "plot", "aria-live": "polite" });
  body.replaceChildren(make("div", { class: "tools" }, make("label", {}, "Horizontal ", axes[0]), make("label", {}, "Vertical ", axes[1]), preset, ...(table ? [again] : [])), figure);
  [axes[0].value, axes[1].value] = [egg.x, egg.y];
  await draw();

  // The molecules as they are shown now: title, structure, and a value by the name of a property.
  function molecules() {
    const picked = new Set(table?.picked());
    if (table) return table.shown().filter((row) => !table.isBad(row)).map((row) => ({ title: table.title(row), smiles: table.smiles(row), picked: picked.has(row), value: (name) => table.value(row, name) }));
    return cards.map((card) => ({ title: card.dataset.title, smiles: card.dataset.smiles, picked: false, value: (name) => ((value) => value && Number(value))(card.querySelector(`tr[data-endpoint="${name}"]`)?.dataset.value) }));
  }

  async function draw() {
    const mine = ++run;
    const [x, y] = axes.map((select) => property(select.value));
    figure.replaceChildren(make("span", { class: "bone" }), make("p", { class: "hint" }, "The values of the drugs are computed once; the first plot of a property takes some seconds."));
    try {
      for (const { kind, name, title, unit } of [x, y]) if (kind === "endpoint" && unitOf(name) !== unit) throw new Error(`${title} was predicted in ${unitOf(name) || "no unit"}, and of the drugs it is known in ${unit || "no unit"} now: predict again.`);
      const all = molecules();
      const calculates = [x, y].some(({ kind }) => kind === "calculated");
      const asked = calculates ? all.slice(0, MOST_CALCULATED) : all;
      const drugs = get(`/page/drugs?${new URLSearchParams({ x: x.name, y: y.name })}`);
      drugs.catch(() => {}); // reported below
      if (calculates) await fetchCalculated(asked.map(({ smiles }) => smiles), page, () => mine === run && panel.isConnected);
      const value = (each, of) => (of.kind === "calculated" ? calculated(each.smiles, of.name) : each.value(of.name));
      const able = (of, number) => Number.isFinite(number) && (!of.logarithmic || number > 0);
      const points = asked.map((each) => ({ ...each, x: value(each, x), y: value(each, y), zone: calculated(each.smiles, "egg") }));
      const found = await drugs;
      if (mine !== run) return;
      show(x, y, all.length - asked.length, points.filter((each) => able(x, each.x) && able(y, each.y)), points.filter((each) => !(able(x, each.x) && able(y, each.y))), found.points.filter((each) => able(x, each[1]) && able(y, each[2])));
    } catch (error) {
      if (mine === run) figure.replaceChildren(make("p", { class: "notice", role: "alert" }, error.message));
    }
  }

  function show(x, y, beyond, points, missing, drugs) {
    width = Math.round(Math.min(WIDEST, Math.max(NARROWEST, body.clientWidth || WIDEST))); // letters keep their size on a phone
    height = Math.round(0.5 * width + 120);
    const isEgg = x.name === egg.x && y.name === egg.y;
    const across = axis(x, drugs.map((each) => each[1]), points.map((each) => each.x), isEgg ? egg.white.map((each) => each[0]) : [], [LEFT, width - RIGHT]);
    const up = axis(y, drugs.map((each) => each[2]), points.map((each) => each.y), isEgg ? egg.white.map((each) => each[1]) : [], [height - BOTTOM, TOP]);
    const named = (of) => `${of.title}${of.unit ? `, ${of.unit}` : ""}`;
    const inside = drugs.filter((each) => across.holds(each[1]) && up.holds(each[2]));
    const svg = element("svg", { class: "plot-svg", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${y.title} against ${x.title}: ${inside.length} drugs and ${points.length} of your molecules; the list below has their values` });
    svg.append(element("rect", { class: "plot-ground", x: LEFT, y: TOP, width: width - RIGHT - LEFT, height: height - BOTTOM - TOP }));
    if (isEgg) for (const part of ["white", "yolk"]) svg.append(element("polygon", { class: `egg-${part}`, points: egg[part].map(([a, b]) => `${across.place(a)},${up.place(b)}`).join(" ") }));
    svg.append(...ticks(across, up));
    svg.append(text((LEFT + width - RIGHT) / 2, height - 10, named(x), { class: "axis-title", "text-anchor": "middle" }));
    svg.append(text(0, 0, named(y), { class: "axis-title", "text-anchor": "middle", transform: `translate(14 ${(TOP + height - BOTTOM) / 2}) rotate(-90)` }));
    svg.append(element("path", { class: "drug-dots", d: dots(inside.map((each) => [across.place(each[1]), up.place(each[2])])) }));
    if (points.length > MOST) svg.append(element("path", { class: "molecule-dots", d: dots(points.map((each) => [across.place(each.x), up.place(each.y)])) }));
    else points.forEach((each) => svg.append(mark(each, across, up, points.length <= FEW)));
    const said = [`Small dots: ${inside.length} drugs of the list that this service looks names up in (B3DB, CC0)${drugs.length > inside.length ? `, ${drugs.length - inside.length} more are outside the drawing` : ""}; circles: your molecules${table ? ", as the table’s filter leaves them, picked ones filled" : ""}.`];
    if (beyond) said.push(`Only the first ${points.length + missing.length} molecules, as the table is sorted; ${beyond} more are not drawn: filter the table.`);
    if (missing.length) said.push(`Not drawn, because a value is missing: ${missing.slice(0, 5).map((each) => each.title).join(", ")}${missing.length > 5 ? ` and ${missing.length - 5} more` : ""}.`);
    if (isEgg) said.push("BOILED-Egg: Daina and Zoete, ChemMedChem 2016, 11, 1117. Within the white a molecule is likely absorbed from the gut, within the yolk it likely passes into the brain, passively.");
    figure.replaceChildren(svg, make("figcaption", { class: "hint" }, ...said.map((each) => make("p", {}, each))), list(x, y, points, isEgg));
  }

  function list(x, y, points, isEgg) {
    const heads = ["Molecule", x.title, y.title, ...(isEgg ? ["BOILED-Egg"] : [])];
    const rows = points.slice(0, MOST).map((each) => make("tr", {}, make("th", { scope: "row" }, each.title), make("td", { class: "num" }, short(each.x)), make("td", { class: "num" }, short(each.y)), ...(isEgg ? [make("td", {}, ZONES[each.zone])] : [])));
    const whole = make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ...heads.map((each) => make("th", { scope: "col" }, each)))), make("tbody", {}, ...rows));
    return make("details", { class: "plotted" }, make("summary", {}, `${points.length === 1 ? "The molecule" : `The ${points.length} molecules`} as a list${points.length > MOST ? `, the first ${MOST}` : ""}`), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Molecules of the plot" }, whole));
  }

  function mark(each, across, up, named) {
    const group = element("g", { class: `molecule-mark${each.picked ? " picked" : ""}` });
    const [at, over] = [across.place(each.x), up.place(each.y)];
    const title = element("title", {});
    title.textContent = `${each.title}: ${short(each.x)}, ${short(each.y)}`;
    group.append(title, element("circle", { cx: at, cy: over, r: 5 }));
    if (named) group.append(text(at + (at > width - 130 ? -8 : 8), over + 4, each.title.length > 22 ? `${each.title.slice(0, 21)}…` : each.title, { "text-anchor": at > width - 130 ? "end" : "start" }));
    return group;
  }

  // Axes -----------------------------------------------------------------------------------------------------------------------

  // Reaches all molecules and all but a few of the drugs.
  function axis(of, drugs, mine, more, [from, to]) {
    const scale = (value) => (of.logarithmic ? Math.log10(value) : value);
    const sorted = drugs.map(scale).sort((a, b) => a - b);
    const middle = sorted.length ? [sorted[Math.floor(EDGE * (sorted.length - 1))], sorted[Math.ceil((1 - EDGE) * (sorted.length - 1))]] : [];
    const all = [...middle, ...more.map(scale)];
    for (const each of mine) all.push(scale(each));
    let [low, high] = [all.reduce((a, b) => Math.min(a, b), Infinity), all.reduce((a, b) => Math.max(a, b), -Infinity)];
    if (!(low < high)) [low, high] = [(Number.isFinite(low) ? low : 0) - 1, (Number.isFinite(low) ? low : 0) + 1];
    const room = 0.04 * (high - low);
    [low, high] = [low - room, high + room];
    const step = nice((high - low) / Math.max(3, Math.abs(to - from) / 60), of.logarithmic);
    const marks = [];
    for (let at = Math.ceil(low / step); at * step <= high; at++) marks.push(at * step);
    const at = (scaled) => from + ((scaled - low) / (high - low)) * (to - from);
    return {
      place: (value) => Number(at(scale(value)).toFixed(1)),
      holds: (value) => scale(value) >= low && scale(value) <= high,
      marks: marks.map((each) => [at(each).toFixed(1), short(of.logarithmic ? 10 ** each : Number(each.toPrecision(6)))]),
    };
  }

  function nice(step, whole) {
    const power = 10 ** Math.floor(Math.log10(step));
    const found = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= step);
    return whole ? Math.max(1, Math.round(found)) : found;
  }

  function ticks(across, up) {
    const grid = across.marks.map(([at]) => `M${at},${TOP}V${height - BOTTOM}`).concat(up.marks.map(([at]) => `M${LEFT},${at}H${width - RIGHT}`)).join("");
    return [
      element("path", { class: "grid-lines", d: grid }),
      ...across.marks.map(([at, word]) => text(at, height - BOTTOM + 18, word, { "text-anchor": "middle" })),
      ...up.marks.map(([at, word]) => text(LEFT - 8, Number(at) + 4, word, { "text-anchor": "end" })),
    ];
  }

  function element(tag, attributes) {
    const made = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  function text(a, b, words, attributes) {
    const made = element("text", { x: a, y: b, ...attributes });
    made.textContent = words;
    return made;
  }
}
