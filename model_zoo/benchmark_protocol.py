"""The official protocol of the TDC ADMET benchmark group, for one model on one set.

Belongs here: the scaffold train/valid split by seed, fitting on its train part, one prediction of the test rows, the
official metric, and the number that a test row without a readable structure is given.
Does not belong here: choosing the model (see `champion.py`), folders and results (see `benchmark.py`).

Source of the protocol: Huang et al., NeurIPS Datasets & Benchmarks 2021; the split as in TDC's code
(mims-harvard/TDC at c310c35f27e3).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import TrainingError
from model_zoo.metrics import score
from model_zoo.models import get
from model_zoo.models._base import ModelConfig
from model_zoo.targets import Target

TRAIN_FRACTION, VALID_FRACTION = 0.875, 0.125
MISSING = -1
RESAMPLES = 300


@dataclass(frozen=True)
class OfficialRows:
    """A set's rows as they stand in its two files, and where each lies in the curated snapshot.

    Attributes
    ----------
    train_smiles
        The `m` texts of `train_val.csv`, in file order: the split is made of them, unchanged.
    train_rows
        The snapshot's row of each, -1 where curation could not read it.
    test_rows
        The same for the `t` rows of `test.csv`: every one of them is owed a prediction.
    test_values
        Their `t` values.
    """

    train_smiles: Sequence[str]
    train_rows: NDArray[np.int_]
    test_rows: NDArray[np.int_]
    test_values: NDArray[np.float64]


def scaffold_split(smiles: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Split rows into train and valid as TDC does.

    Scaffold groups in order of first appearance are shuffled by the seed (large ones first, then small ones), and
    each goes to train while it fits in 0.875 of the rows, else to valid. A SMILES that cannot be parsed is in neither.

    Parameters
    ----------
    smiles
        The `m` texts of `train_val.csv`.
    seed
        1 to 5 in the official protocol.

    Returns
    -------
    tuple of list
        Row numbers of train and of valid, each ascending.

    Examples
    --------
    >>> scaffold_split(["c1ccccc1", "CCO", "Cc1ccccc1", "CC", "C1CC1"], seed=1)
    ([1, 3, 4], [0, 2])
    """
    groups: dict[str, list[int]] = {}
    for row, text in enumerate(smiles):
        found = _murcko(text)
        if found is not None:
            groups.setdefault(found, []).append(row)
    total = sum(map(len, groups.values()))
    train_size, valid_size = int(total * TRAIN_FRACTION), int(total * VALID_FRACTION)
    rest = total - train_size - valid_size
    big = [group for group in groups.values() if len(group) > valid_size / 2 or len(group) > rest / 2]
    small = [group for group in groups.values() if not (len(group) > valid_size / 2 or len(group) > rest / 2)]
    random = Random(seed)  # noqa: S311 - a split, not a secret
    random.seed(seed)
    random.shuffle(big)
    random.shuffle(small)
    train: list[int] = []
    valid: list[int] = []
    for group in big + small:
        (train if len(train) + len(group) <= train_size else valid).extend(group)
    return sorted(train), sorted(valid)


def run_protocol(
    name: str,
    config: ModelConfig,
    target: Target,
    X: NDArray[Any],
    values: NDArray[np.float64],
    rows: OfficialRows,
    *,
    metric: str,
    seeds: int,
) -> dict[str, Any]:
    """Fit a model by the official protocol and score it.

    For each seed the model (with that seed as its own) learns from the train part alone; the valid part is used for
    nothing. A test row without a readable structure is given the mean of the training values on the scale of
    training (binary: the share of class 1).

    Parameters
    ----------
    name, config, target
        The model, its hyper-parameters and the scale it trains on.
    X, values
        Features (`n x d`) and values of the snapshot's rows.
    rows
        The official rows.
    metric
        Name of the official metric, as in `metrics.py`.
    seeds
        Seeds 1 to this number.

    Returns
    -------
    dict
        `scores`, one per seed; `interval`, the bootstrap 95 % interval of their mean over the test rows; `train_s`,
        the seconds of all fits; `train_rows`, per seed; `unreadable`, the number of test rows given the mean; and
        `predictions`, `seeds x t`, in the endpoint's unit.
    """
    recipe = get(name)
    y = target.to_training(values)
    readable = rows.test_rows != MISSING
    predictions, train_rows = [], []
    seconds = 0.0
    for seed in range(1, seeds + 1):
        picked = rows.train_rows[scaffold_split(rows.train_smiles, seed)[0]]
        picked = picked[picked != MISSING]
        if target.task == "binary" and len(np.unique(y[picked])) < 2:
            raise TrainingError(f"seed {seed}: all {len(picked)} training rows are of one class, expected both")
        began = time.perf_counter()
        model = recipe.train(X[picked], y[picked], config.model_copy(update={"task": target.task, "seed": seed}))
        seconds += time.perf_counter() - began
        raw = np.full(len(readable), float(np.mean(y[picked])))
        raw[readable] = model.predict(X[rows.test_rows[readable]])
        if not np.all(np.isfinite(raw)):
            raise TrainingError(f"{name}: {int((~np.isfinite(raw)).sum())} of {len(raw)} predictions are not finite")
        predictions.append(target.to_unit(raw))
        train_rows.append(len(picked))
    scores = [score(target.task, rows.test_values, predicted)[metric] for predicted in predictions]
    return {
        "scores": [round(value, 6) for value in scores],
        "interval": _bootstrap(target, rows.test_values, predictions, metric),
        "train_s": round(seconds, 2),
        "train_rows": train_rows,
        "unreadable": int((~readable).sum()),
        "predictions": np.array(predictions),
    }


def _bootstrap(
    target: Target, expected: NDArray[np.float64], predictions: Sequence[NDArray[np.float64]], metric: str
) -> list[float]:
    """Give the 2.5th and 97.5th percentile of the mean score when the test rows are drawn anew, with replacement."""
    generator = np.random.default_rng(0)
    means = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, len(expected), len(expected))
        scored = [score(target.task, expected[drawn], predicted[drawn])[metric] for predicted in predictions]
        means.append(float(np.mean(scored)))
    return [round(float(value), 6) for value in np.percentile(means, [2.5, 97.5])]


def _murcko(smiles: str) -> str | None:
    """Give the scaffold without chirality of a text as it stands; none when RDKit cannot read it."""
    from rdkit import Chem

    from model_zoo.molecules import scaffold

    mol = Chem.MolFromSmiles(smiles)
    return None if mol is None else scaffold(mol)
