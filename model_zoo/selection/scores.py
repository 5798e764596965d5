"""The scores of a trained model: over the folds and on the test split, as `scores.json` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, Part, read_artefact

FILE = "scores.json"

Scale = Literal["training", "unit"]
"""`training`: the scale that models learn on. `unit`: the endpoint's own."""
Count = Annotated[int, Field(ge=0)]


class Spread(Part):
    """One metric over the folds: each of them, their mean and standard deviation."""

    folds: tuple[float, ...]
    mean: float
    std: float


class Rows(Part):
    """How many molecules a model learnt from, and how many the test split has."""

    train: Count
    test: Count


class OnScale(Part):
    """Scores by metric, on one scale."""

    cv: Mapping[str, Spread]
    test: Mapping[str, float]


class Scored(Part):
    """What is known of a model once it is trained: `cv` and `test` by metric, its cost in seconds and milliseconds.

    `scale` is the one that they are on, and `scales` has both, where `scales.score_both` computed them.
    """

    cv: Mapping[str, Spread]
    test: Mapping[str, float]
    rows: Rows
    train_s: float
    ms_per_molecule: float
    scale: Scale = "unit"
    scales: Mapping[Scale, OnScale] = {}


class Scores(Artefact, Scored):
    """The content of `scores.json`."""

    NAME: ClassVar[str] = "file of scores"


def read_scores(folder: Path) -> Scores:
    """Read what `train_and_score` wrote about a trained model."""
    path = folder / FILE
    try:
        return read_artefact(Scores, path.read_bytes(), str(path), StoreError)
    except OSError as error:
        raise StoreError(f"{path}: expected the scores of a trained model, got {error.strerror}") from error
