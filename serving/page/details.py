"""What the page fetches about one molecule when it is asked why: atoms, measured neighbours, structural alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from model_zoo.bundles.neighbours import Neighbour
from model_zoo.chemistry.structural_alerts import Alert
from model_zoo.explanation.explainer import SUM, Explanation
from model_zoo.explanation.fragments import Fragment
from model_zoo.explanation.measured_pair import HYDROGEN, MeasuredPair
from model_zoo.inference.answers import Estimate
from serving.champions.champion_registry import Champion
from serving.inference.annotations import Annotation, Beside
from serving.page.axis import number, places
from serving.page.drawing import Mark, contribution_marks, structure_svg
from serving.page.known import amount, without_stereo
from serving.page.shown import value_and_unit

SAME = 1e-3
"""Up to this share of the terms an explanation's sum and the value are one number: tables and models round
differently."""

MOST_GROUPS = 4


@dataclass(frozen=True)
class NeighbourView:
    """A measured molecule."""

    drawing: Markup
    smiles: str
    value: str
    likeness: str
    """How like it is to the molecule asked about: the same, the same but for its configuration, or a similarity."""


@dataclass(frozen=True)
class AlertView:
    """A structural alert, with the structure in which its atoms are marked."""

    name: str
    catalogue: str
    times: int
    drawing: Markup


@dataclass(frozen=True)
class AtomsView:
    """What each atom adds to a prediction, as a picture, and the sum it belongs to."""

    drawing: Markup
    largest: str
    """What the strongest colour of the picture represents."""
    terms: tuple[tuple[str, str, str], ...]
    """The sum, term by term: what it is, its amount, and its kind (`up`, `down`, or nothing)."""
    groups: tuple[tuple[Markup, str, str, str], ...]
    """What groups of atoms add together: a drawing with the group marked, its SMILES, the amount, and its kind."""
    note: str
    """How it was found, and what has to be known to read it."""


@dataclass(frozen=True)
class PairView:
    """Two measured molecules that differ in one group, and what is between them."""

    having: NeighbourView
    other: NeighbourView
    group: str
    instead: str


@dataclass(frozen=True)
class Why:
    """What is behind one prediction; `atoms` is none where the champion cannot explain it."""

    title: str
    unit: str
    atoms: AtomsView | None
    neighbours: tuple[NeighbourView, ...] | None
    pair: PairView | None = None


def why(champion: Champion, name: str, estimate: Estimate | None, annotation: Annotation) -> Why:
    """Return what is behind a prediction; none was made where the molecule was refused. Draws: for a thread."""
    manifest = champion.manifest
    near = annotation.neighbours.get(name)
    explanation, beside = annotation.explanations.get(name), annotation.beside.get(name, Beside())
    return Why(
        title=manifest.title,
        unit="" if manifest.target.task == "binary" else manifest.shown_unit,
        atoms=None
        if explanation is None or estimate is None
        else _atoms(champion, estimate, explanation, beside.groups),
        neighbours=None
        if near is None or estimate is None
        else tuple(_neighbour(each, champion, estimate.smiles) for each in near),
        pair=None if estimate is None else _pair(beside.pair, champion, estimate.smiles),
    )


def alert_views(smiles: str, alerts: Sequence[Alert]) -> list[AlertView]:
    """Draw each alert once, with all its places; in the order of the catalogues."""
    places: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        places.setdefault((alert.name, alert.catalogue), []).append(alert)
    return [
        AlertView(
            name.replace("_", " "),
            catalogue,
            len(found),
            structure_svg(
                smiles, tuple(Mark(atom, "alert") for atom in sorted({a for each in found for a in each.atoms}))
            ),
        )
        for (name, catalogue), found in places.items()
    ]


def explained(champions: Mapping[str, Champion], endpoint: str) -> Mapping[str, Champion]:
    """Return the one champion that a question is about; empty when nothing serves that endpoint any more."""
    return {endpoint: champions[endpoint]} if endpoint in champions else {}


def _atoms(champion: Champion, estimate: Estimate, explanation: Explanation, groups: Sequence[Fragment]) -> AtomsView:
    """Draw what each atom adds; the terms below the picture add up to the number that is on the card."""
    parts = explanation.atoms
    largest = max((abs(part) for part in parts), default=0.0)
    total = (explanation.baseline, sum(parts), explanation.rest, explanation.prediction)
    shown = places(*total)
    base, atoms, rest, prediction = (number(each, shown) for each in total)
    scale = f" {explanation.scale}"
    by_sum = explanation.method == SUM
    terms: tuple[tuple[str, str, str], ...] = (
        ("where the sum begins" if by_sum else "average molecule", base + scale, ""),
        ("all atoms together", _signed(atoms), "up" if sum(parts) > 0 else "down"),
        ("not assigned to atoms", _signed(rest), "up" if explanation.rest > 0 else "down"),
        ("together", prediction + scale, ""),
    )
    value, unit = value_and_unit(champion, estimate)
    if explanation.scale != unit or abs(explanation.prediction - estimate.value) > SAME * max(map(abs, total)):
        terms += (("which is", value if champion.manifest.target.task == "binary" else f"{value} {unit}", ""),)
    note = f"Found by {explanation.method}."
    if by_sum:
        note = "The sum over atoms that comes nearest to this model's predictions for molecules it learnt from."
    if explanation.fidelity is not None:
        share = f"{100 * explanation.fidelity:.0f}\N{NO-BREAK SPACE}%"
        note += f" Atoms alone reproduce {share} of the variation in its predictions for drugs."
    if champion.manifest.flips:
        note += f" What raises it in {explanation.scale} lowers it in {champion.manifest.shown_unit}."
    if explanation.scale == "log-odds":
        note += " On the log-odds scale of the probability: 0 is as likely as not."
    drawing, strongest = structure_svg(estimate.smiles, contribution_marks(parts)), f"{number(largest, shown)}{scale}"
    found = _groups(estimate.smiles, groups[:MOST_GROUPS], shown)
    return AtomsView(drawing, strongest, terms, found, note)


def _groups(smiles: str, found: Sequence[Fragment], shown: int) -> tuple[tuple[Markup, str, str, str], ...]:
    """Draw the groups that move a prediction most."""
    kinds = ["up" if (each.worth if each.lost is None else each.lost) > 0 else "down" for each in found]
    return tuple(
        (
            structure_svg(smiles, tuple(Mark(atom, "up" if kind == "up" else "down", 0.6) for atom in each.atoms)),
            each.smiles,
            _signed(number(each.worth, shown)) if each.lost is None else _without(each.lost, shown),
            kind,
        )
        for each, kind in zip(found, kinds, strict=True)
    )


def _without(lost: float, shown: int) -> str:
    """Say what the model itself says without a group, as a chemist thinks of it."""
    return f"without it {_signed(number(-lost, shown))}"


def _pair(pair: MeasuredPair[Neighbour] | None, champion: Champion, smiles: str) -> PairView | None:
    if pair is None:
        return None
    having, other = (_neighbour(each, champion, smiles) for each in (pair.having, pair.other))
    return PairView(having, other, _bare(pair.group), _bare(pair.instead))


def _bare(group: str) -> str:
    """Write a group as people do: without the number of its point of binding."""
    return "H" if group == HYDROGEN else group.replace("[*:1]", "*")


def _signed(text: str) -> str:
    return text if text.startswith("\N{MINUS SIGN}") else f"+{text}"


def _likeness(each: Neighbour, smiles: str) -> str:
    """Compare identities: different molecules may have equal fingerprints."""
    if each.smiles == smiles:
        return "the same molecule"
    if without_stereo(each.smiles) == without_stereo(smiles):
        return "the same atoms and bonds; the configuration differs"
    return f"similarity {each.similarity:.2f}"


def _neighbour(each: Neighbour, champion: Champion, smiles: str) -> NeighbourView:
    return NeighbourView(structure_svg(each.smiles), each.smiles, amount(each, champion), _likeness(each, smiles))
