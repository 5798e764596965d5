// The project score: how desirable values are together, after Derringer and Suich (J. Qual. Technol. 1980, 12, 214),
// weighted as Derringer did (Qual. Prog. 1994, 27, 51), and the Pareto front. The one place that computes it;
// `tests/browser/test_project_score.py` holds it to an oracle.
//
// A criterion: { zero_below, full_from, full_to, zero_above, exponent, weight }. A value is worth 1 from `full_from` to
// `full_to`, and 0 from `zero_below` down and from `zero_above` up; where both numbers of a side are empty it is open.

// Of one value; undefined where there is none.
export function desirability(value, criterion, logarithmic = false) {
  const scale = (x) => (logarithmic ? Math.log10(x) : x);
  const at = scale(value);
  if (!Number.isFinite(at)) return undefined;
  const side = (zero, full) => {
    if (full === null || full === undefined) return 1;
    const [from, to] = [scale(zero), scale(full)];
    return Math.min(1, Math.max(0, (at - from) / (to - from))) ** criterion.exponent;
  };
  return Math.min(side(criterion.zero_below, criterion.full_from), side(criterion.zero_above, criterion.full_to));
}

// What is wrong with a criterion, in words; empty where nothing is.
export function fault(criterion, logarithmic = false) {
  const { zero_below, full_from, full_to, zero_above, exponent, weight } = criterion;
  const given = (x) => x !== null && x !== undefined;
  const numbers = [zero_below, full_from, full_to, zero_above].filter(given);
  if (numbers.some((each) => typeof each !== "number" || !Number.isFinite(each))) return "expected numbers";
  if (given(zero_below) !== given(full_from) || given(zero_above) !== given(full_to)) return "a side needs both its numbers, or none";
  if (!numbers.length) return "expected at least one side";
  if (given(full_from) && !(zero_below < full_from)) return "“0 at” must be below “1 from”";
  if (given(full_to) && !(full_to < zero_above)) return "“0 at” must be above “1 to”";
  if (given(full_from) && given(full_to) && full_from > full_to) return "“1 from” must not be above “1 to”";
  if (logarithmic && numbers.some((each) => each <= 0)) return "expected amounts above 0";
  if (!(typeof exponent === "number" && exponent > 0 && exponent <= 10)) return "expected an exponent above 0, at most 10";
  if (!(typeof weight === "number" && weight >= 0 && weight <= 100)) return "expected a weight from 0 to 100";
  return "";
}

// Of one molecule: its score, the desirabilities behind it, and why there is none. `cells` are in the order of the
// criteria: { value, far }. A value of low reliability is worth at most `unsure`; where a number is missing there is no
// score, whatever the others are: what is not known never raises a score.
export function score(cells, criteria, unsure = 0.5) {
  const parts = [];
  const missing = [];
  let sum = 0;
  let weights = 0;
  criteria.forEach((criterion, at) => {
    if (!criterion.weight) return;
    const found = cells[at] && desirability(cells[at].value, criterion, criterion.logarithmic);
    if (found === undefined) return missing.push(criterion.title ?? criterion.name);
    const part = cells[at].far ? Math.min(found, unsure) : found;
    parts.push(part);
    sum += criterion.weight * Math.log(part);
    weights += criterion.weight;
  });
  if (missing.length || !weights) return { missing, parts: undefined, value: undefined };
  return { missing, parts, value: parts.includes(0) ? 0 : Math.exp(sum / weights) };
}

// Places of the molecules that no other is at least as desirable in everything and more desirable in something.
// Gives up the thread now and then: yields as it proceeds, returns the places.
export function* paretoFront(all, often = 2000) {
  const places = all.map((_, place) => place).filter((place) => all[place]);
  const total = all.map((parts) => parts?.reduce((sum, each) => sum + each, 0));
  // In the order of sums, and among sums that rounding makes equal of their terms, one can only lose to one before it.
  const terms = (a, b) => all[b][all[a].findIndex((each, at) => each !== all[b][at])] - all[a].find((each, at) => each !== all[b][at]);
  places.sort((a, b) => total[b] - total[a] || terms(a, b) || a - b);
  const front = [];
  const beats = (a, b) => a.every((each, at) => each >= b[at]) && a.some((each, at) => each > b[at]);
  let work = 0;
  for (const place of places) {
    let beaten = false;
    for (const other of front) {
      if (++work % often === 0) yield;
      if (beats(all[other], all[place])) {
        beaten = true;
        break;
      }
    }
    if (!beaten) front.push(place);
  }
  return front.sort((a, b) => a - b);
}
