"""What the page fetches about one molecule when it is asked why: measured neighbours, structural alerts.

Belongs here: these as values that templates print, each with its pictures.
Does not belong here: finding them (see `serving/insights.py`), the cards themselves (see `views.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from model_zoo.alerts import Alert
from model_zoo.bundle import Neighbour
from serving.insights import Insight
from serving.page.axis import number
from serving.page.drawing import Mark, structure_svg
from serving.table import Champion


@dataclass(frozen=True)
class NeighbourView:
    """A measured molecule."""

    drawing: Markup
    smiles: str
    value: str
    similarity: str
    same: bool


@dataclass(frozen=True)
class AlertView:
    """A structural alert, with the structure in which its atoms are marked."""

    name: str
    catalogue: str
    times: int
    drawing: Markup


@dataclass(frozen=True)
class Why:
    """What stands behind one prediction."""

    title: str
    unit: str
    neighbours: tuple[NeighbourView, ...] | None


def why(champion: Champion, name: str, insight: Insight) -> Why:
    """Tell what stands behind a prediction. Draws structures: slow enough for a worker thread."""
    manifest = champion.manifest
    near = insight.neighbours.get(name)
    return Why(
        title=manifest.title,
        unit="" if manifest.target.task == "binary" else manifest.unit,
        neighbours=None if near is None else tuple(_neighbour(each, champion) for each in near),
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
    """Give the one champion that a question is about; empty when nothing serves that endpoint any more."""
    return {endpoint: champions[endpoint]} if endpoint in champions else {}


def _neighbour(each: Neighbour, champion: Champion) -> NeighbourView:
    binary = champion.manifest.target.task == "binary"
    value = ("yes" if each.value >= 0.5 else "no") if binary else number(each.value, 2)
    same = each.similarity > 0.9999
    return NeighbourView(structure_svg(each.smiles), each.smiles, value, f"{each.similarity:.2f}", same)
