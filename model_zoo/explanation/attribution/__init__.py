"""From features back to atoms: which atoms the number in a column comes from.

Three ways: the environments that set a bit (`environments.py`), the atoms whose values sum up to a descriptor
(`properties.py`), and for every other featurizer the atoms without which the number is smaller (`masking.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule
from model_zoo.explanation.attribution import environments, masking, properties


def spread(
    feature: str, molecule: Molecule, x: NDArray[Any], mean: NDArray[Any], contributions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spread the contributions of one featurizer's columns over a molecule's atoms.

    Parameters
    ----------
    feature
        Name of the featurizer.
    molecule
        A molecule of `n` atoms.
    x, mean, contributions
        Its `d` features, those of the average training molecule, and what each contributes.

    Returns
    -------
    array
        `n` numbers. A number above the average is owed to the atoms that raise it, one below to the atoms that lower
        it. Where there are none (an absent fingerprint bit, less polar surface than usual, a descriptor of the molecule
        as a whole), it is owed to no atom: what is missing from the sum of contributions is the rest.

    Examples
    --------
    >>> from model_zoo.featurizers import featurize
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> ethanol = parse_molecule("CCO")
    >>> x = featurize(["morgan_count"], [ethanol])[0]
    >>> float(spread("morgan_count", ethanol, x, 0 * x, x.astype(float)).sum())
    6.0
    """
    columns = np.flatnonzero((x != 0) & (contributions != 0))
    if feature == "morgan_count":
        parts = environments.parts(molecule, columns)
    elif feature in ("descriptors", "rdkit_descriptors"):
        parts = properties.parts(feature, molecule, columns)
    else:
        parts = masking.parts(feature, molecule, x, columns)
    weights = np.maximum(np.where(x[columns] > mean[columns], parts, -parts), 0.0)
    total = weights.sum(axis=0)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return np.asarray(shares @ contributions[columns])
