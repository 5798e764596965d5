"""What a request may ask for beside the numbers: the nearest training molecules, structural alerts.

Belongs here: finding these for answers that are already there, and remembering what costs milliseconds.
Does not belong here: predicting (see `predictor.py`), how they are found (see `model_zoo`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rdkit import Chem

from model_zoo.alerts import Alert, find_alerts
from model_zoo.bundle import Neighbour
from model_zoo.molecules import Molecule
from serving.predictor import Answer, Fault
from serving.recent import Recent
from serving.table import Champion

INCLUDES = ("neighbours", "alerts")
"""What a request may ask for."""
NEIGHBOURS = 3


@dataclass(frozen=True)
class Insight:
    """What was asked for of one molecule; none, or an endpoint missing, where it was not asked for."""

    alerts: tuple[Alert, ...] | None = None
    neighbours: Mapping[str, list[Neighbour]] = field(default_factory=dict)


class Insights:
    """Finds what a request asks for.

    Parameters
    ----------
    cache_entries
        Of how many molecules the alerts are remembered.
    """

    def __init__(self, cache_entries: int) -> None:
        self._alerts: Recent[str, tuple[Alert, ...]] = Recent(cache_entries)

    def gather(
        self, champions: Mapping[str, Champion], answers: Sequence[Answer], include: Collection[str]
    ) -> list[Insight]:
        """Give one insight per answer, in order; an empty one for a molecule that was not predicted.

        Alerts point at the atoms of the first endpoint's standardised SMILES. Slow enough for a worker thread.
        """
        return [
            Insight() if isinstance(answer, Fault) or not answer else self._one(champions, answer, include)
            for answer in answers
        ]

    def _one(self, champions: Mapping[str, Champion], answer: Answer, include: Collection[str]) -> Insight:
        assert isinstance(answer, dict)
        molecules = {
            estimate.smiles: Molecule(estimate.smiles, Chem.MolFromSmiles(estimate.smiles))
            for estimate in answer.values()
        }
        near = {
            name: champions[name].bundle.nearest([molecules[estimate.smiles]], NEIGHBOURS)[0]
            for name, estimate in answer.items()
            if "neighbours" in include
        }
        first = next(iter(molecules.values()))
        return Insight(self._alerts_of(first) if "alerts" in include else None, near)

    def _alerts_of(self, molecule: Molecule) -> tuple[Alert, ...]:
        known = self._alerts.get(molecule.smiles)
        if known is None:
            known = find_alerts(molecule.mol)
            self._alerts.put(molecule.smiles, known)
        return known
