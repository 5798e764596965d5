"""MapLight as it was published: a reference recipe, reproduced on the official files, that never competes.

Source: Notwell & Wood, arXiv 2310.00174, and its code (github.com/maplightrx/MapLight-TDC, `maplight.py` and
`submission.ipynb`). Morgan and Avalon counts, ErG and 200 descriptors of the structures as they are written;
CatBoost's defaults with a random strength of 2; regressions learn standardised values by the absolute error, some of
them after a logarithm. The zoo's own `catboost` differs: standardised structures, 217 descriptors, a tenth of the
columns per split, 32 borders, squared errors.

Where it differs from the code: a structure that cannot be read is not learnt from, and is predicted as the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.targets import Task
from model_zoo.errors import TrainingError
from model_zoo.featurizers import avalon_count, erg, morgan_count
from model_zoo.featurizers.rdkit_descriptors import NAMES, compute

Floats = NDArray[np.float64]

ADDED_SINCE = {
    "SPS", "AvgIpc", "BCUT2D_MWHI", "BCUT2D_MWLOW", "BCUT2D_CHGHI", "BCUT2D_CHGLO", "BCUT2D_LOGPHI", "BCUT2D_LOGPLOW",
    "BCUT2D_MRHI", "BCUT2D_MRLOW", "NumAmideBonds", "NumAtomStereoCenters", "NumBridgeheadAtoms", "NumHeterocycles",
    "NumSpiroAtoms", "NumUnspecifiedAtomStereoCenters", "Phi",
}  # fmt: skip
"""Descriptors of RDKit's list that are none of MapLight's 200."""
LOGARITHMIC = ("vdss_lombardo", "half_life_obach", "clearance_hepatocyte_az", "clearance_microsome_az")
"""Sets of which it learns `log10(y + 1)`."""
RANDOM_STRENGTH = 2
_CHOSEN = [place for place, name in enumerate(NAMES) if name not in ADDED_SINCE]


def columns(smiles: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the `n x 2563` features of structures as they are written, and which of them could be read.

    Examples
    --------
    >>> X, readable = columns(["CCO", "nonsense"])
    >>> X.shape, readable.tolist()
    ((2, 2563), [True, False])
    """
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    read = [Molecule(text, mol) for text, mol in zip(smiles, mols, strict=True) if mol is not None]
    readable = np.array([mol is not None for mol in mols])
    X = np.zeros((len(mols), morgan_count.WIDTH + avalon_count.WIDTH + erg.WIDTH + len(_CHOSEN)), dtype=np.float32)
    if read:
        counts = [block.featurize(read) for block in (morgan_count, avalon_count, erg)]
        descriptors = np.array([compute(molecule.mol)[_CHOSEN] for molecule in read])
        with np.errstate(over="ignore"):  # as CatBoost reads them: what is too large for single precision is infinite
            X[readable] = np.hstack([*counts, descriptors.astype(np.float32)])
    return X, readable


def predict(
    train: tuple[Sequence[str], Floats],
    test: Sequence[str],
    task: Task,
    seeds: Sequence[int],
    *,
    logarithmic: bool = False,
) -> Iterator[Floats]:
    """Fit on structures and values once per seed; return what each fit predicts for others, in the values' unit.

    Parameters
    ----------
    train, test
        SMILES and their `n` values; the `t` SMILES that are predicted.
    task, seeds
        What the values are, and CatBoost's seeds.
    logarithmic
        Whether a regression learns logarithms.

    Raises
    ------
    TrainingError
        When no training structure can be read.
    """
    X, readable = columns(train[0])
    y, X = train[1][readable], X[readable]
    if not len(y):
        raise TrainingError(f"maplight: expected structures to learn from, none of {len(readable)} can be read")
    X_test, predictable = columns(test)
    fit = _classes if task == "binary" else partial(_values, logarithmic=logarithmic)
    for seed in seeds:
        predicted = np.full(len(test), float(y.mean()))
        predicted[predictable] = fit(X, y, X_test[predictable], seed)
        yield predicted


def _settings(seed: int) -> dict[str, Any]:
    return {
        "random_strength": RANDOM_STRENGTH, "random_seed": seed, "verbose": False, "allow_writing_files": False
    }  # fmt: skip


def _classes(X: NDArray[np.float32], y: Floats, X_test: NDArray[np.float32], seed: int) -> Floats:
    import catboost

    booster = catboost.CatBoostClassifier(loss_function="Logloss", **_settings(seed)).fit(X, y.astype(int))
    return np.asarray(booster.predict_proba(X_test)[:, 1])


def _values(X: NDArray[np.float32], y: Floats, X_test: NDArray[np.float32], seed: int, *, logarithmic: bool) -> Floats:
    import catboost

    offset = min(float(y.min()), 0.0)
    learnt = np.log10(y - offset + 1) if logarithmic else y - offset
    center, spread = float(learnt.mean()), float(learnt.std()) or 1.0
    booster = catboost.CatBoostRegressor(loss_function="MAE", **_settings(seed)).fit(X, (learnt - center) / spread)
    raw = center + spread * booster.predict(X_test)
    return np.asarray((10**raw - 1 if logarithmic else raw) + offset)
