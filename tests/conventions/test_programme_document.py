"""The document of programmes says what was measured."""

from __future__ import annotations

import numpy as np

from model_zoo.models import gp
from tests.benchmarks.bench_correction import LeftOut
from tests.benchmarks.bench_stacking import nested
from tests.benchmarks.programme_report import DOCUMENT, FILES, read_results, report


def test_the_document_holds_the_numbers_of_the_results() -> None:
    """`docs/programmes.md` is made from the results by `python -m tests.benchmarks.programme_report`."""
    assert DOCUMENT.read_text(encoding="utf-8") == report(*map(read_results, FILES))


def test_what_boosters_are_told_of_sisters_is_out_of_fold() -> None:
    """No value of a molecule's own fold, nor of the fold held out, nor of the test split moves its report."""
    generator = np.random.default_rng(0)
    points, Y = generator.normal(size=(60, 3)), generator.normal(size=(60, 2))
    K = np.exp(-np.square(points[:, None] - points).sum(axis=2))
    Y[generator.random(Y.shape) < 0.4] = np.nan
    folds = np.arange(60) % 4 - 1
    before = nested(K, Y, folds)
    assert np.isfinite(before[:, folds >= 0]).all()
    for fold in range(-1, 3):
        others = np.where((folds == fold)[:, None], 100 - Y, Y)
        same = nested(K, others, folds) == before
        for held_out in range(3):
            unmoved = (folds >= 0) if fold in (-1, held_out) else folds == fold
            assert same[held_out, unmoved].all()
            if fold not in (-1, held_out):
                assert not same[held_out, (folds >= 0) & (folds != fold)].any()


def test_a_process_says_what_it_would_say_without_some_rows() -> None:
    """As a kernel ridge of another library on the other rows, with the same covariance and noise."""
    from sklearn.kernel_ridge import KernelRidge

    generator = np.random.default_rng(1)
    X = generator.integers(0, 4, size=(80, 12)).astype(np.float32)
    y = X[:, 0] - X[:, 1] + generator.normal(size=80)
    y[generator.random(80) < 0.3] = np.nan
    without, rows = np.arange(80) % 4 == 0, np.flatnonzero(np.isfinite(y))
    process = LeftOut(X, y, gp.Config())
    K, kept = process.covariance, ~without[rows]
    z = (y[rows] - y[rows].mean()) / y[rows].std()
    for columns in (kept, np.ones(len(rows), dtype=bool)):
        ridge = KernelRidge(alpha=process.noise, kernel="precomputed")
        ridge.fit(K[np.ix_(rows[columns], columns)], z[columns])
        expected = y[rows].mean() + y[rows].std() * ridge.predict(K[np.ix_(without, columns)])
        left = without if columns is kept else np.zeros(80, dtype=bool)
        np.testing.assert_allclose(process.says(without, left), expected, atol=1e-5)
