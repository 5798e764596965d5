"""How far to trust a prediction: intervals and the applicability domain.

Belongs here: calibration from out-of-fold residuals, similarity to the training molecules; both as
plain numbers that a bundle stores.
Does not belong here: the models' own predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.similarity import PackedFingerprints, nearest_rows, pack, rows_asked, tanimoto_nearest


@dataclass(frozen=True)
class Domain:
    """The training molecules as packed fingerprints, to say how near a new molecule is.

    Attributes
    ----------
    packed
        `n x 128` bytes: 1024 Morgan bits per training molecule.
    threshold
        Similarity at or above which a molecule counts as inside: the 5th percentile of the training
        molecules' own similarity to their nearest neighbour in another fold.
    """

    packed: NDArray[np.uint8]
    threshold: float

    def nearest(self, packed: NDArray[np.uint8], k: int = 1) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Give the `k` highest Tanimoto similarities and the training rows they belong to, both `n x k`.

        Parameters
        ----------
        packed
            `n` molecules as `pack` gives them.
        """
        return nearest_rows(packed, self._references, k)

    @cached_property
    def _references(self) -> PackedFingerprints:
        return PackedFingerprints(self.packed)


def fit_domain(molecules: Sequence[Molecule], folds: NDArray[np.int_]) -> Domain:
    """Build the domain of training molecules, its threshold from similarity across folds.

    Of more than `similarity.MOST_ASKED` molecules the threshold is that of so many drawn ones; the domain holds all.

    Parameters
    ----------
    molecules
        The `n` training molecules.
    folds
        Their fold numbers: a molecule's nearest neighbour is sought in the other folds only, which is
        how far the molecules lay apart when the model was scored.
    """
    packed = pack(molecules)
    asked = rows_asked(len(molecules))
    nearest, fold_of = np.zeros(len(asked)), folds[asked]
    for fold in np.unique(fold_of):
        inside, others = fold_of == fold, folds != fold
        if not others.any():
            nearest[inside] = 1.0
            continue
        nearest[inside] = tanimoto_nearest(packed[asked[inside]], packed[others])[0][:, 0]
    return Domain(packed, float(np.percentile(nearest, 5)))
