"""From features back to atoms: which atoms the number in a column comes from, and what they are worth.

A featurizer that knows is asked (`featurizers.TellsAtoms`); for every other one, an atom's part is what the number
loses without it (`masking.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_zoo import policies
from model_zoo.chemistry.molecules import Molecule
from model_zoo.explanation import masking
from model_zoo.featurizers import TellsAtoms
from model_zoo.type_aliases import Numbers


def spread(feature: str, molecule: Molecule, x: Numbers, slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread what one featurizer's columns are worth over a molecule's atoms.

    Parameters
    ----------
    feature
        The featurizer, as `policies.featurizer` finds it.
    molecule
        A molecule of `n` atoms.
    x, slopes
        Its `d` features, and what a unit of each is worth.

    Returns
    -------
    array
        `n` numbers: each atom's part in every column, times what a unit of that column is worth. What is not an atom's
        (absent fingerprint bits, a descriptor of the molecule as a whole) is not in them.

    Examples
    --------
    >>> from model_zoo.featurizers import featurize
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> ethanol = parse_molecule("CCO")
    >>> x = featurize(["morgan_count"], [ethanol])[0]
    >>> float(spread("morgan_count", ethanol, x, 0.5 + 0.0 * x).sum())
    3.0
    """
    columns = np.flatnonzero((x != 0) & (slopes != 0))
    weights = _parts(feature, molecule, x, columns)
    if not isinstance(policies.featurizer(feature), TellsAtoms):
        # What is lost without an atom says which atoms, not how much.
        weights = np.maximum(weights, 0.0)
    total = weights.sum(axis=0)
    shares = (total != 0) & ((weights >= 0).all(axis=0) | (weights <= 0).all(axis=0))  # parts of both signs are a sum
    weights = weights * np.divide(x[columns], total, out=np.ones(len(columns)), where=shares)
    return np.asarray(weights @ slopes[columns])


def spread_above_average(
    feature: str, molecule: Molecule, x: Numbers, mean: Numbers, contributions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spread the contributions of one featurizer's columns over atoms as bundles do that keep no variances.

    A number above the average is due to the atoms that raise it, one below to the atoms that lower it, and to no atom
    where there are none. So an atom of a kind that most molecules have more of gets nothing.
    """
    columns = np.flatnonzero((x != 0) & (contributions != 0))
    parts = _parts(feature, molecule, x, columns)
    weights = np.maximum(np.where(x[columns] > mean[columns], parts, -parts), 0.0)
    total = weights.sum(axis=0)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return np.asarray(shares @ contributions[columns])


def _parts(feature: str, molecule: Molecule, x: Numbers, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    featurizer = policies.featurizer(feature)
    if isinstance(featurizer, TellsAtoms):
        return featurizer.atom_parts(molecule, columns)
    return masking.parts(feature, molecule, x, columns)
