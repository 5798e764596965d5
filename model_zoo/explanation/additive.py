"""What an atom is worth to any model: the sum over atoms that comes nearest to what the model says of real molecules.

Belongs here: fitting that sum, how much of the model it reproduces, and the values of a molecule's atoms.
Does not belong here: the rest of an explanation (see `explainer.py`).

The model is asked about molecules of its training set, as they are: nothing is masked, and no gradient is needed, so
that networks are explained as trees are. What it says of them is fitted by ridge regression as a start and a sum over
atoms. An atom's value is made of those of the environments around it (none, one and two bonds), each counted for the
atom in its centre, and of its parts in the columns that the model itself reads and that are sums over atoms. Energies
of atoms are learnt from energies of molecules in this way (Bartok et al., Phys. Rev. Lett. 2010, 104, 136403). What no
sum over atoms reproduces stays in the rest, and its share is reported: `fidelity`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from model_zoo import policies
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.targets import Task
from model_zoo.explanation import attribution
from model_zoo.featurizers import TellsAtoms
from model_zoo.type_aliases import Numbers

Floats = NDArray[np.float64]
Spread = Callable[[str, Molecule, Numbers, Floats], Floats]

FEWEST_MOLECULES = 50
"""Fewer molecules do not distinguish their atoms."""
MOST_MOLECULES = 1500
"""Of more, so many are asked about, evenly over their order: a fit takes seconds."""
SUMS = ("rdkit_descriptors", "descriptors")
"""Featurizers with columns that are sums over atoms. Fingerprints are counts of the same environments as here."""
RADIUS = 2
PRIORS: Mapping[Task, tuple[float, float, float, float]] = {
    "regression": (0.3, 0.03, 0.01, 0.3),
    "binary": (1.0, 1.0, 0.3, 1.0),
}
"""How much values may vary beside those of a column: of environments of no, one and two bonds, and of elements. Classes
are about groups, quantities about kinds of atoms; `docs/explanations.md` says what this was chosen on."""
RIDGES = tuple(10.0**power for power in np.arange(-4.0, 1.1, 0.5))
"""Tried, in parts of the mean variance; the one with the smallest error on molecules that were left out is taken."""
FOLDS = 5
SAMPLE = 40
"""Molecules by which columns are found that are sums over atoms."""
LEAST_REPRODUCED = 0.5
"""Of a model's predictions for drugs: where a sum over atoms reproduces less, trees and kernels are followed exactly,
and of others the groups are taken off. A model of small molecules says much the same of all large ones, and a sum
continues growing (free energies of hydration: the largest training molecule has 24 heavy atoms, the share is -44)."""
DRAWN_IN = 0.01
"""Probabilities are drawn in by this before log-odds are taken: a forest says exactly 0 and 1."""

_generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, includeRedundantEnvironments=True)


@dataclass(frozen=True)
class AtomValues:
    """What atoms are worth to a model."""

    keys: NDArray[np.int64]
    worth: NDArray[np.float32]
    """`keys` and `worth`: `p` environments in ascending order (see `environments`), and what an atom in the centre of
    each is worth."""
    columns: NDArray[np.int64]
    slopes: Floats
    """`columns` and `slopes`: `q` columns of the features that are sums over atoms, and what a unit of each is
    worth."""
    numbers: Floats
    """What a molecule without atoms would get; and the share of the variance of the model's predictions that the sum
    reproduces for other molecules, NaN where predictions do not vary or nobody looked."""

    @property
    def start(self) -> float:
        """What a molecule without atoms would get."""
        return float(self.numbers[0])

    @property
    def fidelity(self) -> float | None:
        """Share of the variance that the sum reproduces, at least 0; none where there is no variance."""
        return None if np.isnan(self.numbers[1]) else max(0.0, float(self.numbers[1]))

    def of(self, molecule: Molecule, blocks: Mapping[str, Numbers], spread: Spread = attribution.spread) -> Floats:
        """Return what each of a molecule's `n` atoms is worth."""
        found = environments(molecule.mol)
        places = np.minimum(np.searchsorted(self.keys, found), len(self.keys) - 1)
        known = self.keys[places] == found
        values: Floats = np.where(known, self.worth[places], 0.0).sum(axis=1, dtype=np.float64)
        at = 0
        for name, block in blocks.items():
            mine = (self.columns >= at) & (self.columns < at + block.shape[1])
            if mine.any():
                slopes = np.zeros(block.shape[1])
                slopes[self.columns[mine] - at] = self.slopes[mine]
                values = values + spread(name, molecule, block[0], slopes)
            at += block.shape[1]
        return values

    def arrays(self) -> Iterator[tuple[str, Numbers]]:
        """Yield the values as named arrays."""
        for each in fields(self):
            yield each.name, getattr(self, each.name)


def asked(count: int) -> NDArray[np.intp]:
    """Choose which of so many training molecules the model is asked about.

    Examples
    --------
    >>> len(asked(200)), len(asked(20_000)), asked(20_000)[-1].item()
    (200, 1500, 19999)
    """
    return np.unique(np.linspace(0, count - 1, min(count, MOST_MOLECULES)).astype(int))


def fit_atom_values(
    molecules: Sequence[Molecule], blocks: Sequence[str], X: Numbers, predicted: Floats, task: Task
) -> AtomValues:
    """Fit the sum over atoms that comes nearest to a model.

    Parameters
    ----------
    molecules
        At least `FEWEST_MOLECULES` that the model was asked about, see `asked`.
    blocks
        The featurizers of the model, in the order of the columns.
    X, predicted
        `n x d` features of the molecules, and what the model says of them on the scale of the explanation.
    task
        Which priors hold.
    """
    columns = _sums_over_atoms(molecules, blocks, X)
    own = X[:, columns].astype(np.float64)
    scale = np.maximum(own.std(axis=0), 1e-12)
    keys, counts = _counted([environments(each.mol) for each in molecules])
    prior = np.sqrt(np.array(PRIORS[task]))[keys >> 32]
    inputs = np.hstack([own / scale, counts * prior])
    middle, typical = inputs.mean(axis=0), float(predicted.mean())
    inputs -= middle
    weights = _ridge(inputs @ inputs.T, predicted - typical)
    slopes: Floats = inputs.T @ weights
    numbers = np.array([typical - middle @ slopes, np.nan])
    worth = (slopes[len(columns) :] * prior).astype(np.float32)
    return AtomValues(keys, worth, columns, slopes[: len(columns)] / scale, numbers)


def environments(mol: Chem.Mol) -> NDArray[np.int64]:
    """Return the environments of `n` atoms, `n x 4`: of no, one and two bonds, and the element; -1 for none.

    Examples
    --------
    >>> environments(Chem.MolFromSmiles("CC"))[0].tolist() == environments(Chem.MolFromSmiles("CC"))[1].tolist()
    True
    """
    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    _generator.GetSparseCountFingerprint(mol, additionalOutput=output)
    found = np.full((mol.GetNumAtoms(), RADIUS + 2), -1, dtype=np.int64)
    for number, places in output.GetBitInfoMap().items():
        for atom, radius in places:
            found[atom, radius] = (radius << 32) | number
    for atom in mol.GetAtoms():
        found[atom.GetIdx(), -1] = (RADIUS + 1 << 32) | (2 * atom.GetAtomicNum() + atom.GetIsAromatic())
    return found


def log_odds(probability: Floats, drawn_in: float = DRAWN_IN) -> Floats:
    """Return the log-odds of probabilities that are drawn in: by `DRAWN_IN` for a fit, by next to nothing else."""
    inside = np.clip(probability, drawn_in, 1 - drawn_in)
    return np.asarray(np.log(inside / (1 - inside)))


def _counted(found: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the environments that occur, and how often each does in each of `n` molecules, `n x p`."""
    keys, place = np.unique(np.concatenate([each.ravel() for each in found]), return_inverse=True)
    owner = np.repeat(np.arange(len(found)), [each.size for each in found])
    counts = np.zeros((len(found), len(keys)), dtype=np.float32)
    np.add.at(counts, (owner, place.ravel()), 1)
    real = keys >= 0
    return keys[real], counts[:, real]


def _sums_over_atoms(molecules: Sequence[Molecule], blocks: Sequence[str], X: Numbers) -> NDArray[np.int64]:
    """Find the columns that vary and that are sums over atoms, as far as a sample of the molecules shows them."""
    found, at = [], 0
    for name in blocks:
        featurizer = policies.featurizer(name)
        width = featurizer.featurize(molecules[:1]).shape[1]
        if name.partition("@")[0] in SUMS and isinstance(featurizer, TellsAtoms):
            varies = np.flatnonzero(np.ptp(X[:, at : at + width], axis=0) > 0)
            attributed = np.zeros(len(varies), dtype=bool)
            for molecule in molecules[:: max(1, len(molecules) // SAMPLE)]:
                attributed |= featurizer.atom_parts(molecule, varies).any(axis=0)
            found.append(varies[attributed] + at)
        at += width
    return np.concatenate([*found, np.empty(0, dtype=np.int64)]).astype(np.int64)


def _ridge(likeness: Floats, y: Floats) -> Floats:
    """Return the `n` weights of a ridge regression from its `n x n` products."""
    n = len(y)
    unit = max(float(np.trace(likeness)) / n, 1e-300)
    if not np.ptp(y) > 0:
        return np.zeros(n)
    errors = np.zeros(len(RIDGES))
    for fold in range(FOLDS):
        inside = np.arange(n) % FOLDS == fold
        values, vectors = np.linalg.eigh(likeness[np.ix_(~inside, ~inside)])
        across, turned = likeness[np.ix_(inside, ~inside)] @ vectors, vectors.T @ y[~inside]
        for place, ridge in enumerate(RIDGES):
            predicted = across @ (turned / (np.maximum(values, 0.0) + ridge * unit))
            errors[place] += float(((y[inside] - predicted) ** 2).sum())
    best = int(np.argmin(errors))
    weights: Floats = np.linalg.solve(likeness + RIDGES[best] * unit * np.eye(n), y)
    return weights
