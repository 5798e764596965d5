"""Where signatures begin: the definitions that make each kind of thing, by a name that stays when they are moved.

Belongs here: the one list of procedures whose code counts, and what callers use of recipes and featurizers.
Does not belong here: what these reach (see `definitions.py`), configuration and data of a record (see `records.py`).

Classes are listed whose objects the procedures are handed: the code of these objects runs, but nothing in the
procedures says which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from model_zoo.provenance.definitions import definitions
from model_zoo.provenance.expansion import REGISTRIES

PROCEDURES: Mapping[str, Mapping[str, str]] = {
    "dataset": {
        "make_dataset": "model_zoo.data.dataset.make_dataset",
        "DatasetConfig": "model_zoo.data.dataset.DatasetConfig",
    },
    "group": {
        "make_group_dataset": "model_zoo.data.group_dataset.make_group_dataset",
        "GroupDataset": "model_zoo.data.group_dataset.GroupDataset",
        "DatasetConfig": "model_zoo.data.dataset.DatasetConfig",
    },
    "group_member": {
        "member_dataset": "model_zoo.data.group_dataset.member_dataset",
        "Dataset": "model_zoo.data.dataset.Dataset",
    },
    "joint": {
        "fit_jointly": "model_zoo.training.joint.fit_jointly",
        "JointLearner": "model_zoo.training.joint.JointLearner",
        "Target": "model_zoo.data.targets.Target",
    },
    "column": {
        "take_column": "model_zoo.training.joint.take_column",
    },
    "features": {
        "write_features": "model_zoo.training.fit.write_features",
    },
    "rows": {
        "FeatureRows": "model_zoo.features.rows.FeatureRows",
    },
    "training": {
        "train_and_score": "model_zoo.training.cross_validation.train_and_score",
        "TrainingData": "model_zoo.training.cross_validation.TrainingData",
        "Member": "model_zoo.training.cross_validation.Member",
        "Target": "model_zoo.data.targets.Target",
    },
    "fitting": {
        "fit": "model_zoo.training.fit.fit",
        "Learner": "model_zoo.training.fit.Learner",
        "Sources": "model_zoo.training.fit.Sources",
    },
    "auxiliary": {
        "prepared": "model_zoo.training.transfer.prepared",
        "Other": "model_zoo.training.transfer.AuxiliaryDataset",
    },
    "leaderboard": {
        "ranked": "model_zoo.selection.ranking.ranked",
        "score_both": "model_zoo.training.scales.score_both",
    },
    "champion": {
        "decide": "model_zoo.selection.election.decide",
        "contender": "model_zoo.bundles.assembly.candidate",
        "whole_costs": "model_zoo.training.whole_cost.whole_costs",
        "make_bundle": "model_zoo.bundles.assembly.make_bundle",
        "to_markdown": "model_zoo.bundles.model_card.to_markdown",
    },
    "service": {
        "Pointer": "model_zoo.bundles.pointer.Pointer",
    },
    "protocol": {
        "predict_test_rows": "model_zoo.benchmark.protocol.predict_test_rows",
        "score_predictions": "model_zoo.benchmark.protocol.score_predictions",
        "OfficialRows": "model_zoo.benchmark.protocol.OfficialRows",
    },
    "references": {
        "paired_difference": "model_zoo.benchmark.references.paired_difference",
    },
    "election": {
        "decide": "model_zoo.selection.election.decide",
        "Contender": "model_zoo.selection.election.Candidate",
    },
    "screening": {
        "find_shards": "model_zoo.inference.screening.find_shards",
        "predict_shard": "model_zoo.inference.screening.predict_shard",
    },
    "review": {
        "review": "model_zoo.monitoring.review.review",
        "for_training": "model_zoo.monitoring.review.for_training",
    },
}
"""Qualified names of definitions, by the name of a procedure and the name that records know each by. When a definition
is moved or renamed, its place changes here and the record does not."""


class Makers(NamedTuple):
    """What makes a thing."""

    procedures: tuple[str, ...]
    """Some of `PROCEDURES`."""
    featurizers: tuple[str, ...] = ()
    recipe: str | None = None
    """`featurizers` and `recipe`: the modules that its configuration names."""


def roots(makers: Makers, root: Path) -> dict[str, str]:
    """Return the definitions that make a thing: qualified names, by the name that records know each by.

    Parameters
    ----------
    makers
        What makes it.
    root
        Folder that holds the first-party packages: a recipe has only some of the names that callers may use.
    """
    found = {name: place for procedure in makers.procedures for name, place in PROCEDURES[procedure].items()}
    known = definitions(root)
    modules = {
        f"model_zoo.featurizers.{name}": REGISTRIES["model_zoo.featurizers.get"][1] for name in makers.featurizers
    }
    if makers.recipe is not None:
        modules[f"model_zoo.models.{makers.recipe}"] = REGISTRIES["model_zoo.models.get"][1]
    for module, wanted in modules.items():
        known.require_module(module)
        for name in wanted:
            if known.names.has(module, name):
                found[f"{module.removeprefix('model_zoo.')}.{name}"] = f"{module}.{name}"
    return found


def place_of(name: str) -> str:
    """Return the qualified name of what a record knows by a name.

    Examples
    --------
    >>> place_of("make_dataset"), place_of("models.rf.train")
    ('model_zoo.data.dataset.make_dataset', 'model_zoo.models.rf.train')
    """
    for places in PROCEDURES.values():
        if name in places:
            return places[name]
    return f"model_zoo.{name}"
