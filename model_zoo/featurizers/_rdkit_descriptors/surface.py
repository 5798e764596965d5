"""Surface areas and electrotopological states: the VSA families, the EState extremes, the charge extremes.

Sources: Labute, J. Mol. Graph. Model. 2000, 18, 464; Hall, Mohney & Kier, J. Chem. Inf. Comput. Sci. 1991, 31, 76.
"""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.EState.EState import GetPrincipleQuantumNumber
from rdkit.Chem.EState.EState_VSA import estateBins, vsaBins
from rdkit.Chem.MolSurf import chgBins, logpBins, mrBins

from model_zoo.featurizers._rdkit_descriptors.graph import Floats, Graph

_TABLE = Chem.GetPeriodicTable()
OUTER_ELECTRONS = [_TABLE.GetNOuterElecs(number) for number in range(119)]
"""Electrons in the outer shell, by atomic number."""
_STATE_SCALES = [4.0 / GetPrincipleQuantumNumber(number) ** 2 for number in range(119)]  # type: ignore[no-untyped-call]
_UNCONNECTED = 1e6
_CHARGE_BINS, _REFRACTIVITY_BINS, _LOGP_BINS = np.array(chgBins), np.array(mrBins), np.array(logpBins)
_STATE_BINS, _VOLUME_BINS = np.array(estateBins), np.array(vsaBins)

_FAMILY_NAMES = tuple(
    tuple(f"{name}{number + 1}" for number in range(size))
    for name, size in (("PEOE_VSA", 14), ("SMR_VSA", 10), ("SlogP_VSA", 12), ("EState_VSA", 11), ("VSA_EState", 10))
)


def states(graph: Graph) -> Floats:
    """Return the EState index of each atom, `n`.

    The sums run over the other atoms in ascending order, as in RDKit's double loop: adding a difference to one atom
    and subtracting it from the other are the same to the last bit.
    """
    intrinsic = np.array(
        [
            (_STATE_SCALES[number] * (OUTER_ELECTRONS[number] - hydrogens) + 1) / degree if degree else 0.0
            for number, _, _, hydrogens, degree, *_ in graph.atoms
        ]
    )
    distances = graph.distances + 1
    terms = (intrinsic - intrinsic[:, None]) / (distances * distances)
    terms[distances >= _UNCONNECTED] = 0.0
    return np.asarray(np.add.accumulate(terms, axis=0)[-1] + intrinsic)


def descriptors(graph: Graph) -> dict[str, float]:
    """Return the four VSA families of 10 to 14 bins, EState-VSA and VSA-EState, and the extremes."""
    state = states(graph)
    volumes = np.array(list(rdMolDescriptors._CalcLabuteASAContribs(graph.mol, True)[0]))  # noqa: FBT003, SLF001
    logp, refractivity = (np.array(values[: len(volumes)]) for values in graph.lipophilicities)
    families = (
        _binned(np.array(graph.charges), _CHARGE_BINS, volumes),
        _binned(refractivity, _REFRACTIVITY_BINS, volumes),
        _binned(logp, _LOGP_BINS, volumes),
        _binned(state, _STATE_BINS, volumes),
        _binned(volumes, _VOLUME_BINS, state),
    )
    values: dict[str, float] = {}
    for names, family in zip(_FAMILY_NAMES, families, strict=True):
        values.update(zip(names, family, strict=True))
    absolute = np.abs(state)
    values["MaxEStateIndex"], values["MinEStateIndex"] = state.max(), state.min()
    values["MaxAbsEStateIndex"], values["MinAbsEStateIndex"] = absolute.max(), absolute.min()
    return values | _charges(graph)


def _binned(values: Floats, bins: Floats, weights: Floats) -> list[float]:
    places = bins.searchsorted(values, side="right")
    return np.bincount(places, weights=weights, minlength=len(bins) + 1).tolist()  # type: ignore[no-any-return]


def _charges(graph: Graph) -> dict[str, float]:
    # `min` and `max` of two, atom by atom: with charges that are not numbers, the order decides.
    smallest, largest = 500.0, -500.0
    for charge in graph.charges:
        smallest, largest = min(charge, smallest), max(charge, largest)
    return {
        "MinPartialCharge": smallest,
        "MaxPartialCharge": largest,
        "MaxAbsPartialCharge": max(abs(smallest), abs(largest)),
        "MinAbsPartialCharge": min(abs(smallest), abs(largest)),
    }
