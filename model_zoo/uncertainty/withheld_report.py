"""How far expected errors and intervals held for molecules that were withheld, and what was possible at most.

Belongs here: figures about real errors beside expected ones, for a model card and for `tests/benchmarks`.
Does not belong here: what is expected (see `error_model.py`), words (see `bundles/model_card.py`).

An oracle that knows the mean error of the nearest *withheld* molecules shows what neighbours can reveal:
a rank correlation is to be read beside the oracle's, not beside one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.similarity import tanimoto_nearest
from model_zoo.type_aliases import Json
from model_zoo.uncertainty.conformal import conformal_half_width, fewest_errors

BINS = 5
ORACLE = 25
"""Withheld molecules whose mean error the oracle knows."""
LARGE = 0.8
"""Errors above this quantile are large ones."""
FEWEST = 50
"""Of fewer molecules nothing is said."""
MOST = 5_000
"""Of more, the oracle is asked about so many, evenly over their order by expected error."""

Floats = NDArray[np.float64]


def withheld_report(
    expected: Floats, errors: Floats, widths: Floats | None, packed: NDArray[np.uint8]
) -> dict[str, Json]:
    """Sum up how `n` expected errors, and intervals of `n` half widths, held for molecules that were withheld.

    Parameters
    ----------
    expected, errors
        Expected and real errors; of classes the latter are 1 for a wrong label and 0 for a right one.
    widths
        Half widths on the same scale; none of classes. Molecules without one (NaN) have no part in it.
    packed
        Their packed fingerprints.

    Returns
    -------
    dict
        Nothing of fewer than `FEWEST` molecules; see `card.Withheld`.
    """
    known = np.isfinite(expected) if widths is None else np.isfinite(widths)
    expected, errors, packed = expected[known], errors[known], packed[known]
    if len(errors) < FEWEST:
        return {}
    places, large = fifths(expected), errors > (np.quantile(errors, LARGE) if widths is not None else 0.5)
    some = np.argsort(expected, kind="stable")[np.unique(np.linspace(0, len(errors) - 1, MOST).astype(int))]
    best, found = oracle(packed[some], errors[some]), errors[some]
    report: dict[str, Json] = {
        "molecules": len(errors),
        "rank": _rounded(spearman(expected, errors)),
        "rank_oracle": _rounded(spearman(best, found)),
        "auroc": _rounded(auroc(expected, large)),
        "auroc_oracle": _rounded(auroc(best, large[some])),
    }
    parts = [places == place for place in range(BINS)]
    if widths is not None:
        holds = errors <= widths[known]
        constants = [conformal_half_width(errors[part]) if part.sum() >= fewest_errors() else np.nan for part in parts]
        report["coverage"] = round(float(holds.mean()), 4)
        report["width"] = _rounded(float(np.median(widths[known]) / np.median(np.array(constants)[places])))
    report["fifths"] = [
        {
            "expected": float(f"{expected[part].mean():.4g}"),
            "found": float(f"{errors[part].mean():.4g}"),
            "molecules": int(part.sum()),
            "coverage": None if widths is None else round(float(holds[part].mean()), 4),
        }
        for part in parts
    ]
    return report


def fifths(expected: Floats) -> NDArray[np.int_]:
    """Number molecules by fifth of expected error, lowest first.

    Examples
    --------
    >>> fifths(np.array([5.0, 1.0, 4.0, 2.0, 3.0])).tolist()
    [4, 0, 3, 1, 2]
    """
    return np.argsort(np.argsort(expected, kind="stable"), kind="stable") * BINS // max(len(expected), 1)


def oracle(packed: NDArray[np.uint8], errors: Floats) -> Floats:
    """Return the mean error of the nearest of `n` molecules, without the molecule's own."""
    _, rows = tanimoto_nearest(packed, packed, ORACLE + 1)
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # many equal molecules: the farthest of them is left out
    return np.asarray(errors[rows[~own].reshape(len(rows), -1)].mean(axis=1))


def spearman(left: Floats, right: Floats) -> float:
    """Return the rank correlation; equal numbers share the mean of their ranks. NaN where either is constant.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 2.0]), np.array([1.0, 3.0, 3.0]))
    1.0
    """
    if not (np.ptp(left) > 0 and np.ptp(right) > 0):
        return float("nan")
    from scipy.stats import spearmanr

    return round(float(spearmanr(left, right).statistic), 12)


def auroc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Return how often a positive of `n` is above a negative, ties by half; NaN where there is none of either.

    Examples
    --------
    >>> auroc(np.array([1.0, 2.0, 3.0]), np.array([False, True, True]))
    1.0
    """
    if positive.all() or not positive.any():
        return float("nan")
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, scores))


def _rounded(number: float) -> float | None:
    return round(number, 3) if np.isfinite(number) else None
