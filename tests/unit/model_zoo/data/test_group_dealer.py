"""Groups dealt to folds faster than by scikit-learn, and to the same ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from model_zoo.data._group_dealer import GroupDealer


@pytest.mark.parametrize("seed", range(12))
def test_groups_go_where_scikit_learn_deals_them(seed: int) -> None:
    """Of many or few groups, of even or rare classes, equal ones and large ones: each goes to the same fold."""
    draw = np.random.default_rng(seed)
    rows, folds, classes = int(draw.integers(60, 400)), int(draw.integers(2, 8)), int(draw.integers(1, 5))
    groups = draw.integers(0, int(draw.integers(folds + 5, rows)), rows)
    labels = draw.integers(0, classes, rows) if seed % 3 else (draw.random(rows) < 0.05).astype(int)
    dealers = [kind(n_splits=folds, shuffle=True, random_state=seed) for kind in (StratifiedGroupKFold, GroupDealer)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class rarer than the folds
        wanted, got = ([held.tolist() for _, held in each.split(groups, labels, groups)] for each in dealers)
    assert got == wanted


def test_our_choice_is_the_one_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scikit-learn calls a method of no promise: where it stops, dealing is slow again, and this says so."""
    asked: list[int] = []
    choose = GroupDealer._find_best_fold

    def noted(self: GroupDealer, *args: np.ndarray, **named: np.ndarray) -> int:
        asked.append(1)
        return choose(self, *args, **named)

    monkeypatch.setattr(GroupDealer, "_find_best_fold", noted)
    groups = np.arange(20)
    list(GroupDealer(n_splits=2, shuffle=True, random_state=0).split(groups, groups % 2, groups))
    assert len(asked) == 20
