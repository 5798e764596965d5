"""Predictions are remembered by molecule: many endpoints leave room for many molecules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from model_zoo.bundles.reader import Bundle
from model_zoo.chemistry.molecules import Limits
from model_zoo.inference.answers import Estimate
from model_zoo.inference.predictor import Predictor
from serving.inference.lru_cache import LruCache
from tests.bundle_factory import write


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Bundle]:
    """Return six endpoints."""
    return {f"endpoint_{n}": write(tmp_path / str(n), endpoint=f"endpoint_{n}", value=float(n)) for n in range(6)}


def predictor(capacity: int, least: int) -> Predictor:
    """Return one that remembers so many estimates, and so many molecules at least."""
    estimates = LruCache[str, Mapping[str, Estimate]](capacity, len, least)
    return Predictor(Limits(), LruCache(100), estimates)


def test_a_molecule_is_remembered_for_all_endpoints_together(bundles: dict[str, Bundle]) -> None:
    """What some endpoints were asked joins what others were; who was not asked yet is not known."""
    asked = predictor(100, 0)
    some = {name: bundles[name] for name in ("endpoint_0", "endpoint_1")}
    first = asked.predict(some, ["CCO"])

    assert asked.known(some, ["CCO"]) == first
    assert asked.known(bundles, ["CCO"]) == [None]
    every = asked.predict(bundles, ["CCO"])
    assert asked.known(bundles, ["CCO"]) == every
    assert asked.known(some, ["CCO"]) == first


def test_many_endpoints_leave_room_for_some_molecules(bundles: dict[str, Bundle]) -> None:
    """The bound is one of estimates, and never less than so many molecules."""
    texts = ["CCO", "CCN", "CCC", "CCF"]
    for capacity, least, remembered in ((24, 0, 4), (12, 0, 2), (8, 3, 3), (0, 3, 0)):
        asked = predictor(capacity, least)
        asked.predict(bundles, texts)

        assert [answer is not None for answer in asked.known(bundles, texts)].count(True) == remembered


def test_bundles_that_serve_no_more_do_not_pile_up(bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one molecule estimates of so many versions are kept; past it the newest begin again."""
    monkeypatch.setattr("model_zoo.inference.predictor.MOST_VERSIONS", 2)
    asked = predictor(100, 0)
    for name, bundle in bundles.items():
        asked.predict({name: bundle}, ["CCO"])

    known = [asked.known({name: bundle}, ["CCO"]) != [None] for name, bundle in bundles.items()]
    assert known == [False, False, False, False, True, True]
