"""What if: a changed structure beside the one it was made of, and changes that matched pairs suggest.

Belongs here: the two answers, as values that templates print.
Does not belong here: finding matched pairs (see `model_zoo/bundles/matched_pairs.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from litestar import MediaType, Response, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.types import ControllerRouterHandler
from markupsafe import Markup
from msgspec import Struct
from rdkit import Chem

from model_zoo.bundles.manifest import Manifest
from model_zoo.bundles.matched_pairs import Change, Differences, MatchedPairs
from model_zoo.chemistry.physchem import physchem
from model_zoo.chemistry.single_cuts import HYDROGEN, context, differ_at_one_place, joined, open_positions, single_cuts
from model_zoo.inference.answers import Answer, Estimates, Fault
from serving.champions.champion_registry import Champion
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.problems import ProblemError
from serving.inference.engine import Engine
from serving.page.axis import number, places
from serving.page.drawing import structure_svg
from serving.page.known import without_stereo
from serving.page.shown import error_words, shown_number, spans_decades
from serving.page.templates import render
from serving.page.understood import Line, lines_of
from serving.page.views import Row, ShownMolecule, card

MOST_SUGGESTIONS = 12
PLACES = 2
"""Places of a molecule at which one and the same change is suggested."""
MOST_ATOMS = 100
"""Heavy atoms of a molecule that changes are suggested for."""
NOT_APART = "this model does not distinguish these configurations"
CONTEXTS = {
    "c": "aromatic carbon",
    "C": "carbon",
    "n": "aromatic nitrogen",
    "N": "nitrogen",
    "O": "oxygen",
    "S": "sulphur",
}


class WhatIf(Struct, frozen=True):
    """A molecule, what it was changed to, and the endpoint that suggestions are for."""

    smiles: str = ""
    changed: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class Delta:
    """One property before and after, and how far the difference can be trusted."""

    before: Row
    after: Row
    change: str
    word: str
    """What is known of how wrong such a difference is."""
    clear: bool
    """Whether it is larger than nine of ten errors of such differences."""


@dataclass(frozen=True)
class Suggestion:
    """A change that was measured in other molecules, made in this one."""

    smiles: str
    drawing: Markup
    what: str
    measured: str
    pairs: str
    predicted: str


@post("/page/what-if", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def what_if(data: URLEncodedBody[WhatIf], engine: NamedDependency[Engine]) -> Response[str]:
    """Set a changed structure beside the one it was made of, property by property."""
    before, after = _line(data.smiles, "smiles"), _line(data.changed, "changed")
    table = engine.champion_registry
    if not table.champions:
        raise ProblemError("no-champion", "No model is in service any more: predict again")
    (given,) = await engine.rollout.answer(table, table.champions, [before.smiles], recorded=False)
    # The same versions answer for both: a difference between two models would be no difference of molecules.
    changed: Answer = after.fault or (await engine.predict(given.champions, [after.smiles]))[0]
    answers = (before.fault or given.answers[0], changed)
    html = await engine.work(
        _compared, given.champions, (before, after), answers, measured=engine.settings.show_neighbours
    )
    return Response(html, media_type=MediaType.HTML)


@post(
    "/page/suggestions", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"}
)
async def suggestions(data: URLEncodedBody[WhatIf], engine: NamedDependency[Engine]) -> Response[str]:
    """Suggest changes of a molecule that moved an endpoint in the wanted direction where they were measured."""
    table, line = engine.champion_registry, _line(data.smiles, "smiles")
    if data.endpoint not in table.champions:
        require_not_withdrawn(table, data.endpoint)
        raise ProblemError("unknown-endpoint", "this endpoint is not served any more: predict again")
    asked = {data.endpoint: table.champions[data.endpoint]}
    (given,) = await engine.rollout.answer(table, asked, [line.smiles], recorded=False)
    champion, answer = given.champions[data.endpoint], line.fault or given.answers[0]
    values: dict[str, object] = {
        "title": champion.manifest.title,
        "found": None,
        "direction": champion.manifest.direction,
        "binary": champion.manifest.target.task == "binary",
    }
    if not engine.settings.show_neighbours:
        values["why_not"] = "This service does not show what was measured."
    elif isinstance(answer, Fault):
        values["why_not"] = answer.detail
    else:
        pairs = await engine.work(lambda: champion.matched_pairs)
        values["why_not"] = "" if pairs else "This model came without matched pairs; its next version brings them."
        if pairs is not None:
            start = answer[data.endpoint]
            made = await engine.work(suggested, pairs, champion.manifest, start.smiles)
            answers = await engine.predict(given.champions, [smiles for smiles, _ in made])
            predictions = [each[data.endpoint].value if isinstance(each, Estimates) else None for each in answers]
            values["found"] = await engine.work(_suggestions, champion, start.value, made, predictions)
    return Response(render("suggestions.html", **values), media_type=MediaType.HTML)


WHAT_IF_HANDLERS: list[ControllerRouterHandler] = [what_if, suggestions]


def suggested(pairs: MatchedPairs, manifest: Manifest, smiles: str) -> list[tuple[str, Change]]:
    """Make the changes of a molecule that matched pairs speak for, the best first.

    Of an endpoint with a direction those that moved the value that way in most pairs; the quartile on the bad side
    decides their order, so that many pairs that agree come before few that scatter.
    """
    mol = Chem.MolFromSmiles(smiles)
    if mol.GetNumHeavyAtoms() > MOST_ATOMS:
        return []
    sign = {"higher": 1, "lower": -1, "none": 0}[manifest.direction]
    able: list[tuple[float, str, Change]] = []
    starts = [(cut.constant, cut.variable) for cut in single_cuts(mol)]
    for constant, variable in starts + [(each, HYDROGEN) for each in open_positions(mol)]:
        for change in pairs.by_part.get((variable, context(constant)), ()):
            worth = _worth(change, sign, binary=manifest.target.task == "binary")
            if worth > 0:
                able.append((worth, constant, change))
    able.sort(key=lambda each: (-each[0], each[1], each[2]))
    made: dict[str, Change] = {}
    times: dict[Change, int] = {}
    for _, constant, change in able:
        product = joined(constant, change.after) if times.get(change, 0) < PLACES else None
        if product is not None and product != smiles and product not in made:
            made[product] = change
            times[change] = times.get(change, 0) + 1
        if len(made) == MOST_SUGGESTIONS:
            break
    return list(made.items())


def change_words(champion: Champion, start: float, step: float) -> str:
    """Say what a step on the scale of training is from a value on, in the unit that is read; a factor of amounts.

    A bound that cuts predictions cuts no step: what was measured in other molecules is what it was.
    """
    manifest = champion.manifest
    at = float(manifest.target.to_training(np.array([start]))[0])
    before, after = (_shown(manifest, at + each) for each in (0.0, step))
    if spans_decades(manifest) and before > 0 and after > 0:
        return f"\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}{after / before:.2g}"
    moved = after - before
    return f"{'+' if moved >= 0 else ''}{number(moved, places(moved))}".replace("+-", "+")


def place_words(context: str) -> str:
    """Say what a part hangs on, and what other than carbon is beside that.

    Examples
    --------
    >>> place_words("c(cc)"), place_words("C(CN)"), place_words("O(c)")
    ('aromatic carbon', 'carbon beside N', 'oxygen')
    """
    atom, _, beside = context.partition("(")
    others = sorted(set(re.findall(r"Cl|Br|[A-Z][a-z]?|[a-z]", beside)) - {"C", "c"})
    return CONTEXTS.get(atom, atom) + (f" beside {', '.join(others)}" if others else "")


def _line(text: str, what: str) -> Line:
    lines = lines_of(text)[:1]
    if not lines:
        raise ProblemError("invalid-request", f"{what}: expected one structure, got none")
    return lines[0]


def _worth(change: Change, sign: int, *, binary: bool) -> float:
    if binary:
        net = (change.rose - change.fell) / change.pairs
        return abs(net) if sign == 0 else sign * net
    if sign == 0:
        return max(change.low, -change.high, 0.0)
    return change.low if sign > 0 else -change.high


def _shown(manifest: Manifest, trained: float) -> float:
    value = float(manifest.target.placing.to_unit(np.array([trained]))[0])
    return value if manifest.display is None else shown_number(manifest.display, value)


def _compared(
    champions: Mapping[str, Champion],
    lines: tuple[Line, Line],
    answers: tuple[Answer, Answer],
    *,
    measured: bool,
) -> str:
    """Print the comparison of two molecules."""
    both = [
        card(place, line, ShownMolecule(answer, champions, measured=measured))
        for place, (line, answer) in enumerate(zip(lines, answers, strict=True), start=1)
    ]
    deltas: list[Delta] = []
    missing: list[str] = []
    calculated: list[tuple[str, str]] = []
    if not any(each.fault for each in both):
        mols = [Chem.MolFromSmiles(each.read) for each in both]
        pair = both[0].read != both[1].read and differ_at_one_place(*mols)
        for first, second in zip(both[0].rows, both[1].rows, strict=True):
            if first is not None and second is not None:
                deltas.append(_delta(first, second, pair=pair))
        compared = {each.before.endpoint for each in deltas}
        missing = [champion.manifest.title for name, champion in champions.items() if name not in compared]
        for old, new in zip(*(physchem(mol).properties for mol in mols), strict=True):
            if old.value is not None and new.value is not None and old.shown != new.shown:
                calculated.append((old.title, f"{old.shown} \N{RIGHTWARDS ARROW} {new.shown} {old.unit}".strip()))
    same = both[0].read == both[1].read and not both[0].fault
    return render("what_if.html", both=both, deltas=deltas, missing=missing, calculated=calculated, same=same)


def _delta(before: Row, after: Row, *, pair: bool) -> Delta:
    champion = before.champion
    manifest = champion.manifest
    both = before.estimate.smiles, after.estimate.smiles
    twins = both[0] != both[1] and without_stereo(both[0]) == without_stereo(both[1])
    if manifest.target.task == "binary":
        if twins and after.estimate.value == before.estimate.value:
            return Delta(before, after, "none", NOT_APART, clear=False)
        points = 100 * (after.estimate.value - before.estimate.value)
        label = before.estimate.label is not None and before.estimate.label != after.estimate.label
        word = "the predicted class changes" if label else "the error of such a difference was not measured"
        return Delta(
            before, after, f"{number(points, 0)} points" if points <= 0 else f"+{number(points, 0)} points", word, label
        )
    old, new = (
        float(each) for each in manifest.target.to_training(np.array([before.estimate.value, after.estimate.value]))
    )
    change = change_words(champion, before.estimate.value, new - old)
    if old == new and twins:
        return Delta(before, after, change, NOT_APART, clear=False)
    known = champion.matched_pairs
    word, clear = _trusted(champion, abs(new - old), None if known is None else known.differences, pair=pair)
    return Delta(before, after, change, word, clear)


def _trusted(champion: Champion, size: float, known: Differences | None, *, pair: bool) -> tuple[str, bool]:
    """Say what is known of how wrong a difference is; whether it is larger than nine of ten such errors."""
    if known is None:
        return "the error of such a difference was not measured for this model", False
    if not pair:
        return "the error of a difference was measured for changes at one place only, and this is another change", False
    off = error_words(champion.manifest, known.most)
    basis = f"in 9 of 10 of {known.pairs:,} matched pairs the predicted difference was off by {off} or less"
    if known.most >= known.unchanged:
        return f"{basis}: no better than expecting no change", False
    if size <= known.most:
        return f"{basis}: this may be no change at all", False
    return f"{basis}: this change is larger", True


def _suggestions(
    champion: Champion, start: float, made: Sequence[tuple[str, Change]], values: Sequence[float | None]
) -> list[Suggestion]:
    manifest = champion.manifest
    binary = manifest.target.task == "binary"
    found = []
    for (smiles, change), value in zip(made, values, strict=True):
        old, new = (each.replace("[*:1][H]", "H").replace("[*:1]", "*") for each in (change.before, change.after))
        where = place_words(change.context)
        if binary:
            measured = f"no to yes in {change.rose}, yes to no in {change.fell}"
            predicted = "" if value is None else f"{100 * start:.0f} % \N{RIGHTWARDS ARROW} {100 * value:.0f} %"
        else:
            steps = (change.low, change.median, change.high)
            if manifest.flips:
                steps = steps[::-1]
            low, middle, high = (change_words(champion, start, each) for each in steps)
            unit = "" if spans_decades(manifest) else f" {manifest.shown_unit}"
            measured = f"{middle}{unit} (half of the pairs: {low} to {high})"
            step = None if value is None else np.diff(manifest.target.to_training(np.array([start, value])))
            predicted = "" if step is None else change_words(champion, start, float(step[0])) + unit
        found.append(
            Suggestion(
                smiles, structure_svg(smiles), f"{old} \N{RIGHTWARDS ARROW} {new} on {where}", measured,
                f"{change.pairs} pairs", predicted,
            )
        )  # fmt: skip
    return found
