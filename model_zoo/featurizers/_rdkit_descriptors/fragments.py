"""The 85 fragment counts of RDKit, and QED, which looks for 127 patterns of its own, in one search.

The patterns themselves are RDKit's. Source of QED: Bickerton et al., Nat. Chem. 2012, 4, 90.
"""

from __future__ import annotations

from functools import lru_cache

from rdkit import Chem
from rdkit.Chem import QED, Fragments, rdMolDescriptors

from model_zoo.featurizers._rdkit_descriptors.graph import Graph
from model_zoo.featurizers._rdkit_descriptors.substructures import SubstructureBank

_NAMES = tuple(name for name, _ in Fragments.fns)
_STRICT = rdMolDescriptors.NumRotatableBondsOptions.Strict
_AMIDE = Chem.MolFromSmiles("CC(=O)NC")
_IS_STRICT = rdMolDescriptors.CalcNumRotatableBonds(_AMIDE) == rdMolDescriptors.CalcNumRotatableBonds(_AMIDE, _STRICT)
"""Whether RDKit was built to count rotatable bonds strictly, that is without amides, by default."""
_SINGLE_OR_AROMATIC = (1.0, 1.5)


@lru_cache(maxsize=1)
def _bank() -> SubstructureBank:
    fragments = [function.__defaults__[1] for _, function in Fragments.fns]
    return SubstructureBank([*fragments, *QED.Acceptors], QED.StructuralAlerts)


def descriptors(graph: Graph, known: dict[str, float]) -> dict[str, float]:
    """Return the fragment counts and `qed`."""
    found = _bank().find(graph)
    values: dict[str, float] = dict(zip(_NAMES, found, strict=False))
    if not graph.is_plain:  # QED looks at the molecule without its explicit hydrogens
        return values | {"qed": QED.qed(graph.mol)}  # type: ignore[no-untyped-call]
    acceptors = len(_NAMES) + len(QED.Acceptors)
    properties = QED.QEDproperties(  # type: ignore[no-untyped-call]
        MW=known["MolWt"],
        ALOGP=known["MolLogP"],
        HBA=sum(found[len(_NAMES) : acceptors]),
        HBD=known["NumHDonors"],
        PSA=known["TPSA"],
        ROTB=known["NumRotatableBonds"] if _IS_STRICT else rdMolDescriptors.CalcNumRotatableBonds(graph.mol, _STRICT),
        AROM=_aromatic_cycles(graph),
        ALERTS=sum(found[acceptors:]),
    )
    return values | {"qed": QED.qed(None, qedProperties=properties)}  # type: ignore[no-untyped-call]


def _aromatic_cycles(graph: Graph) -> int:
    """Count the cycles that stay when the aliphatic ring atoms beside an aliphatic atom are taken away.

    A smallest set of smallest rings has as many rings as there are bonds that close a cycle.
    """
    aliphatic = [not atom[1] for atom in graph.atoms]
    gone = set()
    for (begin, end), (order, _, _) in zip(graph.ends, graph.bonds, strict=True):
        if order in _SINGLE_OR_AROMATIC and aliphatic[begin] and aliphatic[end]:
            gone |= {atom for atom in (begin, end) if graph.atoms[atom][7]}
    parents = list(range(len(graph.atoms)))
    cycles = 0
    for (begin, end), (_, _, ring) in zip(graph.ends, graph.bonds, strict=True):
        if ring and begin not in gone and end not in gone:
            while parents[begin] != begin:
                begin = parents[begin]  # noqa: PLW2901
            while parents[end] != end:
                end = parents[end]  # noqa: PLW2901
            cycles += begin == end
            parents[begin] = end
    return cycles
