"""One trained model from what is on disk: the snapshot, features, members and auxiliary endpoints it is made of.

Belongs here: reading them, joining them, and handing them to the training procedure. What is decided here changes
numbers, so signatures cover it.
Does not belong here: the procedure (see `cross_validation.py`), tracking and where things lie (see `ai_drug_assets`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.dataset import Dataset
from model_zoo.data.targets import Target
from model_zoo.features.blocks import read_blocks, width_of, write_block
from model_zoo.models import Trainer
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import Member, TrainingData, train_and_score
from model_zoo.training.transfer import AuxiliaryDataset, prepared
from model_zoo.type_aliases import Json, Numbers

Featurize = Callable[[Sequence[str], Sequence[Molecule]], NDArray[Any]]
Watch = Callable[[TrainingData], AbstractContextManager[None]]


@dataclass(frozen=True)
class Learner:
    """What is fitted."""

    recipe: str
    config: ModelConfig
    """`recipe` and `config`: the module of the model, and its hyper-parameters."""
    target: Target
    """Task and scale of the endpoint."""
    features: Sequence[str]
    """The featurizers it learns from, in order."""


@dataclass(frozen=True)
class Sources:
    """Where the parts of a trained model lie."""

    snapshot: Path
    """The folder of the endpoint's snapshot."""
    features: Mapping[str, Path]
    """The file of each featurizer's numbers for it, by name."""
    members: Mapping[str, tuple[Path, Sequence[str]]] = field(default_factory=dict)
    """Of an ensemble: by model, the folder that `train_and_score` filled, and the featurizers it learnt from."""
    auxiliary: Mapping[str, tuple[Target, Path]] = field(default_factory=dict)
    """By endpoint, its scale of training and the folder of its snapshot."""


def fit(learner: Learner, sources: Sources, featurize: Featurize, watch: Watch, folder: Path) -> dict[str, Json]:
    """Fit a model on what is on disk, score it and write it into an existing, empty folder.

    Parameters
    ----------
    learner, sources
        What is fitted, and on what.
    featurize
        Gives features of the molecules of auxiliary endpoints: names of featurizers and `n` molecules to `n x d`.
    watch
        Wraps the fit, given its data: translates what libraries raise, changes nothing.
    folder
        Receives what `train_and_score` writes.

    Returns
    -------
    dict
        The scores, as `train_and_score` gives them.

    Raises
    ------
    DataError
        When a snapshot is not there.
    TrainingError
        As `train_and_score` does.
    """
    snapshot = Dataset.load(sources.snapshot)
    X = read_blocks(list(sources.features.values()))
    data = TrainingData(X, snapshot.values, snapshot.folds, snapshot.exact)
    with watch(data):
        trainer = _trainer(learner, sources, snapshot, featurize) if sources.auxiliary else None
        members = _members(sources, {name: width_of(path) for name, path in sources.features.items()})
        return train_and_score(learner.recipe, learner.config, learner.target, data, folder, members, trainer)


def write_features(snapshot: Path, featurizer: str, featurize: Featurize, file: Path) -> Numbers:
    """Write one featurizer's numbers for the molecules of a snapshot; give them, `n x d`."""
    matrix = featurize([featurizer], Dataset.load(snapshot).molecules())
    write_block(file, matrix)
    return matrix


def _trainer(learner: Learner, sources: Sources, own: Dataset, featurize: Featurize) -> Trainer:
    """Let a model learn from its auxiliary endpoints first."""
    others = []
    for name, (target, folder) in sources.auxiliary.items():
        dataset = Dataset.load(folder)
        others.append(AuxiliaryDataset(name, target, dataset, featurize(learner.features, dataset.molecules())))
    return prepared(learner.recipe, learner.config, own, others)


def _members(sources: Sources, widths: Mapping[str, int]) -> list[Member]:
    """Return the trained models that an ensemble is made of, and where each finds its features in the joined ones."""
    places = featurizers.columns(widths)
    return [
        Member(name, tuple(places[block] for block in features), folder)
        for name, (folder, features) in sources.members.items()
    ]
