"""The nearest two measured molecules that differ only in a group which the molecule asked about has.

Belongs here: finding such a pair among measured neighbours.
Does not belong here: finding these (see `bundles/reader.py`), cutting (see `chemistry/single_cuts.py`), who may see
them (see `serving`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from rdkit import Chem

from model_zoo.chemistry.single_cuts import single_cuts, with_hydrogen

HYDROGEN = "[H][*:1]"


class Measured(Protocol):
    """A measured molecule, as `bundles.neighbours.Neighbour` is one."""

    @property
    def smiles(self) -> str:
        """Its standardised SMILES."""

    @property
    def similarity(self) -> float:
        """How like it is to the molecule asked about."""

    @property
    def value(self) -> float:
        """What was measured."""

    @property
    def relation(self) -> str:
        """`=`, or that the value is a bound."""


M = TypeVar("M", bound=Measured)


@dataclass(frozen=True)
class MeasuredPair(Generic[M]):
    """Two measured molecules that differ in one group."""

    having: M
    other: M
    """`having` and `other`: the one that has the group of the molecule asked about, and the one that has another in its
    place."""
    group: str
    instead: str
    """`group` and `instead`: SMILES of both groups; `[*:1]` is where they are bound."""


def nearest_pair(smiles: str, near: Sequence[M]) -> MeasuredPair[M] | None:
    """Find the nearest pair among measured molecules, which come most similar first; none where there is none.

    Bounds are left out: of them no difference is known.

    Examples
    --------
    >>> from model_zoo.bundles.neighbours import Neighbour
    >>> near = [Neighbour(each, 0.5, value) for each, value in (("CCc1ccccc1Cl", 2.0), ("CCc1ccccc1", 1.0))]
    >>> pair = nearest_pair("CCc1ccncc1Cl", near)
    >>> pair.group, pair.instead, pair.having.smiles, pair.other.smiles
    ('Cl[*:1]', '[H][*:1]', 'CCc1ccccc1Cl', 'CCc1ccccc1')
    """
    known = [each for each in near if each.relation == "=" and each.smiles != smiles]
    own = {group for _, group, _ in _cuts(smiles)}
    by_core: dict[str, list[tuple[str, M]]] = {}
    whole = {each.smiles: each for each in known}
    for each in known:
        for core, group, _ in _cuts(each.smiles):
            by_core.setdefault(core, []).append((group, each))
    for each in known:
        for core, group, without in sorted(_cuts(each.smiles), key=lambda cut: -len(cut[1])):
            if group not in own:
                continue
            others = [(kind, other) for kind, other in by_core[core] if kind not in (group, HYDROGEN)]
            if without in whole:
                others.insert(0, (HYDROGEN, whole[without]))
            if others:
                return MeasuredPair(each, others[0][1], group, others[0][0])
    return None


@lru_cache(maxsize=20_000)
def _cuts(smiles: str) -> tuple[tuple[str, str, str], ...]:
    """Cut a molecule at each single bond outside of rings: what is left, the group, and what is left with hydrogen."""
    cuts = single_cuts(Chem.MolFromSmiles(smiles))
    return tuple((cut.constant, cut.variable, with_hydrogen(cut.constant) or "") for cut in cuts)
